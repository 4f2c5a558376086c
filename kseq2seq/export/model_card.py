"""The model card of an export or a preset, for programs.

Nothing in a card is guessed: what is not known is `None`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from kseq2seq.export.search_words import longest_in_words
from kseq2seq.export.settings import ExportSettings
from kseq2seq.inference import Signature
from kseq2seq.runs import Shortlist, git_state, now, package_versions
from kseq2seq.tokenizers import FeatureVocabulary

CARD_FILE = "model_card.json"

Value = TypeVar("Value")

PURPOSES = {
    "serving_default": "The best translation of each text.",
    "nbest": "Several translations of each text, the best first.",
    "translate_align": "The best translation, its tokens and those of the text, and "
    "which of them belong together.",
    "align": "The same for a given text and its translation.",
    "score": "How probable the model finds a given translation.",
    "encode": "What the encoder makes of each text.",
    "sample": "A translation drawn at random. The same seed gives the same one.",
    "complete": "The best translation of each text that begins with a given text.",
    "alternatives": "Ways to go on from the beginning of a translation, the most "
    "probable first, each completed.",
}
# By the name of an input or output: letters of its axes, and its meaning.
MEANINGS = {
    "text": ("B", "text to translate, UTF-8"),
    "target": ("B", "its translation, UTF-8"),
    "prefix": ("B", 'beginning of its translation, UTF-8; "" where it is free'),
    "features": ("B", 'its features, UTF-8; "" where they are missing'),
    "temperature": ("B", "1 draws as the model has it, less makes it more certain"),
    "top_k": ("B", "draw among the k most probable tokens alone; 0: among all"),
    "top_p": ("B", "draw among the tokens that make up p together; 1: among all"),
    "seed": ("B", "seed of the draws; the same one gives the same translation"),
    "translation": ("B", "the translation, UTF-8"),
    "score": ("B", "by which beam search ranked it; more is better"),
    "translations": ("Bn", 'the translations, UTF-8; "" where there are fewer than n'),
    "scores": (
        "Bn",
        "by which beam search ranked them; -3.4028235e+38, the lowest float32, where "
        "there are fewer",
    ),
    "source_tokens": ("BS", 'pieces of the text, "▁" for a blank; "" in padding'),
    "source_starts": ("BS", "the byte of the text where each piece begins"),
    "source_ends": ("BS", "the byte of the text behind each piece"),
    "target_tokens": ("BT", 'pieces of the translation, likewise; "" in padding'),
    "target_starts": ("BT", "the byte of the translation where each piece begins"),
    "target_ends": ("BT", "the byte of the translation behind each piece"),
    "alignment": ("BTS", "how much of each source token a target token attends to"),
    "links": ("BT", "the source token of each target token; -1 in padding"),
    "num_source_tokens": ("B", "number of source tokens, EOS included"),
    "num_target_tokens": ("B", "number of target tokens, EOS included"),
    "truncated": ("B", "whether an input was too long and was cut"),
    "log_prob": ("B", "natural logarithm of the probability, EOS included"),
    "num_tokens": ("B", "number of target tokens, EOS included"),
    "perplexity": ("B", "exp(-log_prob / num_tokens)"),
    "memory": ("BSD", "vector of each source token, where the mask is true"),
    "memory_mask": ("BS", "true at source tokens, false in padding"),
    "state": (
        "BX",
        "first state of the decoder; of a Transformer the mean of `memory`",
    ),
}


def model_card(
    name: str,
    signatures: Mapping[str, Signature],
    settings: ExportSettings,
    num_parameters: int,
    num_bytes: int,
    tokenizers: Mapping[str, bytes],
    runs: Sequence[Mapping[str, Any]] = (),
    example: str = "",
    created: str | None = None,
    features: FeatureVocabulary | None = None,
    shortlist: Shortlist | None = None,
) -> dict[str, Any]:
    """The card of a SavedModel.

    Args:
        name: Name of the model, that of the folder of its versions.
        signatures: Dict from the name of each signature to its `Signature`.
        settings: The `ExportSettings`.
        num_parameters: Number of the parameters of the model, or of all models.
        num_bytes: Bytes of the weights.
        tokenizers: Dict from `source` and `target` to the bytes of each
            SentencePiece model.
        runs: Results of `kseq2seq.runs.from_run`, of each run folder; several for
            an ensemble.
        example: A text, to show a request.
        created: When the export was made, as ISO 8601; now if `None`.
        features: The `kseq2seq.FeatureVocabulary` of a model with features.
        shortlist: The `kseq2seq.runs.Shortlist` of a search among its pieces.

    Returns:
        A dict of what JSON has.
    """
    fixed = settings.as_dict()
    # Only where the models of an ensemble do not all count the same, and where there
    # is a language model.
    names = ("ensemble_weights", "language_model_weight")
    mixture = {name: fixed[name] for name in names if name in fixed}
    return {
        "name": name,
        "format": "TensorFlow SavedModel",
        "created": created or now(),
        "code": git_state(),
        "versions": package_versions(),
        "weights": {
            "dtype": settings.weights,
            "products": settings.products,
            "parameters": num_parameters,
            "bytes": num_bytes,
        },
        # A dictionary may be long.
        "search": {
            **fixed["search"],
            "replace_unknown": bool(settings.search.replace_unknown),
        },
        "limits": fixed["limits"],
        "tokenizers": _tokenizers(tokenizers),
        **features_of_card(features),
        **_shortlist(shortlist),
        "example": example,
        "signatures": {
            signature: {
                "purpose": PURPOSES.get(signature, ""),
                "inputs": _tensors(specs.inputs),
                "outputs": dict(_in_order(_tensors(specs.outputs), MEANINGS)),
            }
            for signature, specs in _in_order(signatures, PURPOSES)
        },
        "guards": _guards(signatures, settings),
        "trainings": list(runs),
        **mixture,
    }


def preset_card(
    num_parameters: int,
    num_bytes: int,
    dtype: str,
    tokenizers: Mapping[str, bytes],
    run: Mapping[str, Any] | None = None,
    features: FeatureVocabulary | None = None,
) -> dict[str, Any]:
    """The card of a preset.

    Args:
        num_parameters: Number of the parameters of the model.
        num_bytes: Bytes of its file.
        dtype: Type of its weights.
        tokenizers: Dict from `source` and `target` to the bytes of each
            SentencePiece model.
        run: The result of `kseq2seq.runs.from_run` for the run folder; `None` if the
            model does not come from one.
        features: The `kseq2seq.FeatureVocabulary` of a model with features.

    Returns:
        A dict of what JSON has.
    """
    scores = (run or {}).get("scores") or {}
    return {
        "created": now(),
        "versions": package_versions(),
        "weights": {
            "dtype": dtype,
            "products": "float32",
            "parameters": num_parameters,
            "bytes": num_bytes,
        },
        "search": scores.get("search", {}),
        "tokenizers": _tokenizers(tokenizers),
        **features_of_card(features),
        "trainings": [] if run is None else [dict(run)],
    }


def _tokenizers(models):
    return {
        side: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for side, content in models.items()
    }


def features_of_card(features: FeatureVocabulary | None) -> dict[str, Any]:
    """An entry `features` for a model that has them, and none for another.

    Args:
        features: The `kseq2seq.FeatureVocabulary`, or `None`.

    Example:

    >>> features_of_card(FeatureVocabulary(["N", "V"]))
    {'features': {'separator': ';', 'symbols': ['N', 'V']}}
    """
    if features is None:
        return {}
    symbols = list(features.symbols)
    return {"features": {"separator": features.separator, "symbols": symbols}}


def _shortlist(shortlist):
    """An entry `shortlist` for a search by one, and none for another."""
    if shortlist is None:
        return {}
    table, frequent = shortlist
    sizes = {"pieces": table.shape[1], "frequent": len(frequent)}
    return {"shortlist": sizes}


def _in_order(
    given: Mapping[str, Value], names: Iterable[str]
) -> list[tuple[str, Value]]:
    """The items of a dict in the order of `names`, and others behind them."""
    first = [name for name in names if name in given]
    return [(name, given[name]) for name in dict.fromkeys([*first, *given])]


def _tensors(specs):
    return {name: _tensor(name, spec) for name, spec in specs.items()}


def _tensor(name: str, spec: tf.TensorSpec) -> dict[str, Any]:
    letters, meaning = MEANINGS.get(name, ("", ""))
    # What a graph does not know of its outputs' shapes is known here.
    rank = len(letters) if spec.shape.rank is None else spec.shape.rank
    sizes = [None] * rank if spec.shape.rank is None else spec.shape.as_list()
    axes = zip(letters.ljust(rank, "?")[:rank], sizes, strict=True)
    shape = [letter if size is None else size for letter, size in axes]
    return {"dtype": spec.dtype.name, "shape": shape, "meaning": meaning}


def _guards(signatures, settings):
    """Sentences on unusual inputs, and the outputs of the graph for them."""
    telling = ("translate_align", "align", "score", "encode", "complete")
    telling = [f"`{name}`" for name in telling if name in signatures]
    told = f" `truncated` tells it in {_enumerated(telling)}." if telling else ""
    limits, search = settings.limits, settings.search
    guards = [
        f"Of an input longer than {limits.max_bytes:,} bytes the rest is cut off, "
        f"between two characters; of one longer than {limits.max_tokens:,} tokens, "
        "EOS included, the tokens that are too many, and EOS is put behind; of a "
        f"target those beyond {max(2, search.max_length):,}.{told}",
        "Bytes that are not UTF-8, and NUL, are read as unknown characters, or as "
        "bytes where the tokenizer falls back on bytes.",
        "A text of nothing but white space has the empty translation, with the score "
        "0.",
    ]
    if any("features" in specs.inputs for specs in signatures.values()):
        guards.append(
            "Features that are missing, and each one that is not in the model's "
            "vocabulary, have a meaning of their own. They have the same limits as a "
            "text, of symbols in the place of tokens, and count as its tokens."
        )
    if "sample" in signatures:
        guards.append(
            "Settings of `sample` out of range count as the nearest within it, and "
            "those that are no finite numbers as 1."
        )
    return [
        *guards,
        "A request of no rows has an answer of no rows.",
        "Rows are independent.",
        f"A translation has at most {longest_in_words(search)} tokens, n being those "
        "of its source, and no search takes more steps.",
    ]


def _enumerated(words):
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
