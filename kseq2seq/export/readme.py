"""The README of a SavedModel or a preset: its model card, for people.

What is not known is "not known".
"""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kseq2seq.decoding import Search
from kseq2seq.export.model_card import CARD_FILE
from kseq2seq.export.readme_templates import fill_template
from kseq2seq.export.search_words import longest_in_words, shortest_in_words
from kseq2seq.utils import check_string

README_FILE = "README.md"
UNKNOWN = "not known"
AXES = (
    "B is the number of rows of the request, n the number of translations, S and T "
    "the source and target tokens of the longest row, EOS included, D and X sizes of "
    "the model. Offsets count bytes; EOS begins and ends at the end; a blank before a "
    "word belongs to none, unless the piece is nothing but the blank."
)


def readme(card: Mapping[str, Any]) -> str:
    """A model card as Markdown.

    Args:
        card: Result of `model_card`, or the same read from a file.

    Returns:
        A `str` that ends with a newline.
    """
    run = (card["trainings"] or [{}])[0]
    count = len(card["trainings"])
    text = card["example"] or "a text"
    trainings = [_training(card, number) for number in range(count)]
    if not trainings:
        trainings = ["## Training\n\nIt was not exported from a run folder."]
    signatures = [_signature(*item) for item in card["signatures"].items()]
    return fill_template(
        "saved_model",
        name=card["name"],
        format=card["format"],
        source=run.get("source") or UNKNOWN,
        target=run.get("target") or UNKNOWN,
        ensemble=_ensemble(card, count),
        version=card["versions"]["kseq2seq"],
        created=card["created"],
        card_file=CARD_FILE,
        folder=shlex.quote(card["name"]),
        requests=_requests(card, text),
        quoted_name=repr(card["name"]),
        quoted_text=repr(text),
        call_features=_call_features(card),
        tensor_features="".join(
            f", {name}=tf.constant([{value!r}])"
            for name, value in _features(card).items()
        ),
        axes=AXES,
        signatures="\n".join(signatures).rstrip(),
        guards=_bullets(card["guards"]),
        search=_bullets([*_search(card["search"]), *_shortlist(card)]),
        contents=_bullets(_contents(card)),
        trainings="\n".join(trainings).rstrip(),
    )


def preset_readme(
    preset: str, card: Mapping[str, Any], licence: str | None = None
) -> str:
    """The README of a preset, with the metadata that a hub reads.

    Args:
        preset: Name of the preset, for `Translator.from_preset`.
        card: The result of `preset_card`.
        licence: Its licence, as the hub names it, such as "apache-2.0"; left out if
            `None`.

    Returns:
        A `str` that ends with a newline.

    Raises:
        ValueError: If `licence` is no such name.
    """
    check_string("licence", licence, optional=True)
    if licence is not None and not re.fullmatch(r"[\w.+-]+", licence):
        raise ValueError(
            "`licence` must be a name of one word, such as 'apache-2.0', 'mit' or "
            f"'cc-by-4.0'; describe others in the README. Received: licence={licence!r}"
        )
    run = (card["trainings"] or [{}])[0]
    text = run.get("example") or "a text"
    training = "## Training\n\nNothing is recorded."
    return fill_template(
        "preset",
        licence="" if licence is None else f"license: {licence}\n",
        name=preset.rpartition("/")[2],
        source=run.get("source") or UNKNOWN,
        target=run.get("target") or UNKNOWN,
        version=card["versions"]["kseq2seq"],
        created=card["created"],
        quoted_preset=json.dumps(preset, ensure_ascii=False),
        quoted_text=json.dumps(text, ensure_ascii=False),
        shell_preset=shlex.quote(preset),
        call_features=_call_features(card),
        shell_line=_shell_line(text, _features(card)),
        contents=_bullets(
            [*_weights(card), *(_search(card["search"]) if card["search"] else [])]
        ),
        training=_training(card, 0).rstrip() if run else training,
    )


def _bullets(lines):
    return "\n".join(f"- {line}" for line in lines)


def _requests(card, text):
    """Requests to a server, as lines for a shell."""
    url = f"localhost:8501/v1/models/{quote(card['name'])}:predict"
    row = {"text": text, **_features(card)}
    requests: list[dict[str, Any]] = [{"instances": [row]}]
    if "nbest" in card["signatures"]:
        inputs = {name: [value] for name, value in row.items()}
        requests.append({"signature_name": "nbest", "inputs": inputs})
    lines = []
    for request in requests:
        body = shlex.quote(json.dumps(request, ensure_ascii=False))
        lines += [f"$ curl -d {body} \\", f"      {url}"]
    return "\n".join(lines)


def _features(card):
    """An example of the input `features`, where there is one."""
    if "features" not in card:
        return {}
    features = card["features"]
    told = [run.get("example_features") for run in card["trainings"]]
    some = features["separator"].join(features["symbols"][:2])
    return {"features": next(filter(None, told), some)}


def _call_features(card):
    """Arguments of a translator's call in Python that give the features."""
    return "".join(f", {name}=[{value!r}]" for name, value in _features(card).items())


def _shell_line(text, features):
    """Commands that print a line for `kseq2seq translate`, and the options it needs."""
    if not features:
        return f"echo {shlex.quote(text)} | kseq2seq translate"
    columns = " ".join(shlex.quote(column) for column in (text, *features.values()))
    return f"printf '%s\\t%s\\n' {columns} | kseq2seq translate --features 1"


def _signature(name, signature):
    rows = []
    for side in ("inputs", "outputs"):
        for tensor, spec in signature[side].items():
            shape = ", ".join(str(size) for size in spec["shape"])
            cells = [f"`{tensor}`", spec["dtype"], f"[{shape}]", spec["meaning"]]
            rows.append(f"| {' | '.join([side[:-1], *cells])} |")
    return fill_template(
        "signature", name=name, purpose=signature["purpose"], rows="\n".join(rows)
    )


def _search(settings):
    search = Search(**settings)
    kept = "greedy" if search.beam_size == 1 else f"beam {search.beam_size}"
    least = shortest_in_words(search)
    least = f", at least {least}" if least else ""
    most = longest_in_words(search)
    return [
        f"Search: {kept}, length penalty {search.length_penalty:g}, "
        f"coverage penalty {search.coverage_penalty:g}.",
        f"Length: at most {most} tokens for a source of n{least}.",
    ]


def _shortlist(card):
    if "shortlist" not in card:
        return []
    shortlist = card["shortlist"]
    return [
        "Pieces: of each text those alone that its pieces may give, at most "
        f"{shortlist['pieces']:,} for each of them, and {shortlist['frequent']:,} "
        "frequent ones. Scores are of probabilities among these; those of `score` are "
        "of all pieces.",
    ]


def _contents(card):
    return [
        *_weights(card),
        f"Commit of the code that exported it: {_commit(card['code'])}.",
        f"Exported with: {_versions(card['versions'])}.",
    ]


def _weights(card):
    """Sentences on the weights and the tokenizers."""
    weights = card["weights"]
    tokenizers = [
        f"Tokenizer of the {side}: SentencePiece, {model['bytes']:,} bytes, sha256 "
        f"`{model['sha256']}`."
        for side, model in card["tokenizers"].items()
    ]
    return [
        f"Weights: {weights['parameters']:,} parameters in {weights['dtype']}, "
        f"{weights['bytes']:,} bytes. Products with them: {weights['products']}.",
        *tokenizers,
        *_vocabulary(card),
    ]


def _vocabulary(card):
    if "features" not in card:
        return []
    features = card["features"]
    symbols = ", ".join(f"`{symbol}`" for symbol in features["symbols"])
    return [f"Features, with `{features['separator']}` between them: {symbols}."]


def _commit(code):
    if code is None:
        return UNKNOWN
    return f"`{code['commit']}`" + (", with changes" if code["changed"] else "")


def _versions(versions):
    if versions is None:
        return UNKNOWN
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _ensemble(card: Mapping[str, Any], count: int) -> str:
    """Sentences with a space ahead; nothing for a single model."""
    text, weights = "", card.get("ensemble_weights")
    if count > 1:
        shares = [f", which count {' : '.join(f'{x:g}' for x in weights or ())}"]
        text = f" It is an ensemble of {count} models{shares[0] if weights else ''}."
    if (weight := card.get("language_model_weight")) is not None:
        text += f" Searches add a language model's log-probabilities times {weight:g}."
    return text


def _training(card, number):
    run = card["trainings"][number]
    known = {key: UNKNOWN if value is None else value for key, value in run.items()}
    pairs = UNKNOWN
    if run["pairs"]:
        parts = run["pairs"].items()
        pairs = ", ".join(f"{count:,} for {part}" for part, count in parts)
    several = len(card["trainings"]) > 1
    return fill_template(
        "training",
        title=f"Training of model {number + 1}" if several else "Training",
        data=known["data"],
        licence=known["licence"],
        pairs=pairs,
        epochs=known["epochs"],
        command=f"`{run['command']}`" if run["command"] else UNKNOWN,
        started=known["started"],
        finished=known["finished"],
        commit=_commit(run["code"]),
        versions=_versions(run["versions"]),
        scores=_scores(run["scores"], card),
    )


def _scores(scores, card):
    if scores is None:
        return f"They are {UNKNOWN}."
    # `nbest` alone gives several, the best of which is that of the others.
    alike = all(
        card["search"].get(name) == value
        for name, value in scores["search"].items()
        if name != "num_hypotheses"
    )
    search = "by the search above" if alike else "by another search than that above"
    measured = f"Measured on {scores['sentences']:,} texts, {search}"
    notes = [f"{measured}, when the training ended."]
    if not alike:
        notes += _search(scores["search"])
    for name, what in (("dtype", "weights"), ("products", "products with them")):
        if card["weights"][name] != "float32":
            dtype = card["weights"][name]
            notes.append(f"They are those of the {what} before they became {dtype}.")
    if len(card["trainings"]) > 1:
        notes.append("They are those of this model alone.")
    lines = _bullets(f"`{score['line']}`" for score in scores["scores"].values())
    return "\n".join([lines, "", *notes])
