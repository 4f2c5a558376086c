"""What an export tells of itself: the model card, as JSON and as a README.

Nothing in a card is guessed: what is not known is `None` there, and "not known" in the
README.
"""

import hashlib
import json
import shlex
from urllib.parse import quote

from kseq2seq.runs import git_state, now, package_versions

CARD_FILE, README_FILE = "model_card.json", "README.md"
UNKNOWN = "not known"

PURPOSES = {
    "serving_default": "The best translation of each text.",
    "nbest": "Several translations of each text, the best first.",
    "translate_align": "The best translation, its tokens and those of the text, and "
    "which of them belong together.",
    "align": "The same for a given text and its translation.",
    "score": "How probable the model finds a given translation.",
    "encode": "What the encoder makes of each text.",
    "sample": "A translation drawn by chance. The same seed gives the same one.",
}
# Letters of the axes, and the meaning.
MEANINGS = {
    "text": ("B", "text to translate, UTF-8"),
    "target": ("B", "its translation, UTF-8"),
    "temperature": ("B", "1 draws as the model has it, less makes it more certain"),
    "top_k": ("B", "draw among the k most probable tokens alone; 0: among all"),
    "top_p": ("B", "draw among the tokens that make up p together; 1: among all"),
    "seed": ("B", "which drawing"),
    "translation": ("B", "the translation, UTF-8"),
    "score": ("B", "by which beam search ranked it; more is better"),
    "translations": ("Bn", 'the translations, UTF-8; "" where there are fewer than n'),
    "scores": ("Bn", "by which beam search ranked them; -inf where there are fewer"),
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
    "state": ("BX", "state of the decoder before its first token"),
}
AXES = (
    "B is the number of rows of the request, n the number of translations, S and T "
    "the source and target tokens of the longest row, EOS included, D and X sizes of "
    "the model. Offsets count bytes; EOS begins and ends at the end; a blank before a "
    "word belongs to none, unless the piece is nothing but the blank."
)


def model_card(
    name,
    signatures,
    search,
    weights,
    limits,
    tokenizers,
    runs=(),
    example="",
    created=None,
):
    """The card of a SavedModel.

    Args:
        name: Name of the model, that of the folder of its versions.
        signatures: Dict from the name of a signature to what has `inputs` and
            `outputs`, each a dict from name to a `tf.TensorSpec`.
        search: Dict of the fields of the `kseq2seq.Search` in the graph.
        weights: Dict with `dtype`, `parameters` and `bytes` of the weights, and the
            dtype of `products` with them.
        limits: Dict with `max_bytes` and `max_tokens` of an input.
        tokenizers: Dict from `source` and `target` to the bytes of each
            SentencePiece model.
        runs: What `from_run` returned for each run folder; several for an ensemble.
        example: A text, to show a request.
        created: When the export was made, as ISO 8601; now if `None`.

    Returns:
        A dict of what JSON has.
    """
    return {
        "name": name,
        "format": "TensorFlow SavedModel",
        "created": created or now(),
        "code": git_state(),
        "versions": package_versions(),
        "weights": dict(weights),
        "search": dict(search),
        "limits": dict(limits),
        "tokenizers": {
            side: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for side, content in tokenizers.items()
        },
        "example": example,
        "signatures": {
            signature: {
                "purpose": PURPOSES.get(signature, ""),
                "inputs": _tensors(specs.inputs),
                "outputs": dict(_in_order(_tensors(specs.outputs), MEANINGS)),
            }
            for signature, specs in _in_order(signatures, PURPOSES)
        },
        "guards": _guards(signatures, search, limits),
        "trainings": list(runs),
    }


def _in_order(given, names):
    """The items of a dict in the order of `names`, and others behind them."""
    first = [name for name in names if name in given]
    return [(name, given[name]) for name in dict.fromkeys([*first, *given])]


def _tensors(specs):
    return {name: _tensor(name, spec) for name, spec in specs.items()}


def _tensor(name, spec):
    letters, meaning = MEANINGS.get(name, ("", ""))
    # What a graph does not know of its outputs' shapes is known here.
    rank = len(letters) if spec.shape.rank is None else spec.shape.rank
    sizes = [None] * rank if spec.shape.rank is None else spec.shape.as_list()
    axes = zip(letters.ljust(rank, "?")[:rank], sizes, strict=True)
    shape = [letter if size is None else size for letter, size in axes]
    return {"dtype": spec.dtype.name, "shape": shape, "meaning": meaning}


def _guards(signatures, search, limits):
    """What the graph does with inputs that are not as they should be, in sentences."""
    telling = ("translate_align", "align", "score", "encode")
    telling = [f"`{name}`" for name in telling if name in signatures]
    told = f" `truncated` tells it in {_enumerated(telling)}." if telling else ""
    return [
        f"Of an input longer than {limits['max_bytes']:,} bytes the rest is cut off, "
        f"between two characters; of one longer than {limits['max_tokens']:,} tokens, "
        "EOS included, the tokens that are too many, and EOS is put behind; of a "
        f"target those beyond {max(2, search['max_length']):,}.{told}",
        "Bytes that are not UTF-8, and NUL, are read as unknown characters, or as "
        "bytes where the tokenizer falls back on bytes.",
        "A text of nothing but white space has the empty translation, with the score "
        "0.",
        *(
            [
                "Settings of `sample` out of range count as the nearest within it, and "
                "those that are no finite numbers as 1."
            ]
            if "sample" in signatures
            else []
        ),
        "A request of no rows has an answer of no rows.",
        "No row has a part in the answer to another one, whatever it is.",
        f"A translation has at most {_longest(search)} tokens, n being those of its "
        "source, and no search takes more steps.",
    ]


def _enumerated(words):
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _longest(search):
    factor, offset = search["max_length_factor"], search["max_length_offset"]
    return f"min({search['max_length']}, {factor:g} n + {offset})"


def readme(card):
    """A card as Markdown, for people.

    Args:
        card: What `model_card` returned.

    Returns:
        A `str` that ends with a newline.
    """
    sections = [
        _introduction(card),
        _serving(card),
        _signatures(card),
        ["## Whatever comes", *_bullets(card["guards"])],
        ["## How it searches", *_bullets(_search(card["search"]))],
        ["## What is in it", *_bullets(_contents(card))],
        *(_training(card, number) for number in range(len(card["trainings"]))),
    ]
    if not card["trainings"]:
        sections.append(["## Training", "", "It was not exported from a run folder."])
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _bullets(lines):
    return ["", *(f"- {line}" for line in lines)]


def _introduction(card):
    run = (card["trainings"] or [{}])[0]
    sides = [run.get(side) or UNKNOWN for side in ("source", "target")]
    several = len(card["trainings"])
    several = f" It is an ensemble of {several} models." if several > 1 else ""
    return [
        f"# {card['name']}",
        "",
        f"A {card['format']} that translates text to text, as TensorFlow Serving loads "
        f"it. From: {sides[0]}. To: {sides[1]}.{several}",
        "",
        f"It was exported by kseq2seq {card['versions']['kseq2seq']} on "
        f"{card['created']}. Its version is the name of this folder. "
        f"`{CARD_FILE}` has all that stands here, for programs.",
    ]


def _serving(card):
    name, text = card["name"], card["example"] or "a text"
    folder, url = shlex.quote(name), f"localhost:8501/v1/models/{quote(name)}:predict"
    requests = [{"instances": [{"text": text}]}]
    if "nbest" in card["signatures"]:
        requests.append({"signature_name": "nbest", "inputs": {"text": [text]}})
    lines = [
        "## Serve it",
        "",
        f"In the folder that holds the folder `{name}`, which holds this one:",
        "",
        "```console",
        "$ docker run -p 8500:8500 -p 8501:8501 \\",
        f'      -v "$PWD"/{folder}:/models/{folder} -e MODEL_NAME={folder} \\',
        "      tensorflow/serving",
    ]
    for request in requests:
        body = shlex.quote(json.dumps(request, ensure_ascii=False))
        lines += [f"$ curl -d {body} \\", f"      {url}"]
    return [
        *lines,
        "```",
        "",
        "Port 8500 speaks gRPC. Without a server: "
        f"`kseq2seq.Translator.load({name!r})([{text!r}])` in Python, "
        f"`kseq2seq translate {folder}` on the command line.",
    ]


def _signatures(card):
    lines = ["## Signatures", "", AXES]
    for name, signature in card["signatures"].items():
        lines += ["", f"### `{name}`", "", signature["purpose"], ""]
        lines += [
            "| | name | dtype | shape | what |",
            "| --- | --- | --- | --- | --- |",
        ]
        for side in ("inputs", "outputs"):
            for tensor, spec in signature[side].items():
                shape = ", ".join(str(size) for size in spec["shape"])
                cells = [f"`{tensor}`", spec["dtype"], f"[{shape}]", spec["meaning"]]
                lines.append(f"| {' | '.join([side[:-1], *cells])} |")
    return lines


def _search(search):
    kept = "greedy" if search["beam_size"] == 1 else f"beam {search['beam_size']}"
    least, factor = search["min_length"], search["min_length_factor"]
    shortest = f", at least max({least}, {factor:g} n)" if least or factor else ""
    return [
        f"Search: {kept}, length penalty {search['length_penalty']:g}, "
        f"coverage penalty {search['coverage_penalty']:g}.",
        f"Length: at most {_longest(search)} tokens for a source of n{shortest}.",
    ]


def _contents(card):
    weights = card["weights"]
    return [
        f"Weights: {weights['parameters']:,} parameters in {weights['dtype']}, "
        f"{weights['bytes']:,} bytes. Products with them: {weights['products']}.",
        *(
            f"Tokenizer of the {side}: SentencePiece, {model['bytes']:,} bytes, sha256 "
            f"`{model['sha256']}`."
            for side, model in card["tokenizers"].items()
        ),
        f"Commit of the code that exported it: {_commit(card['code'])}.",
        f"Exported with: {_versions(card['versions'])}.",
    ]


def _commit(code):
    if code is None:
        return UNKNOWN
    return f"`{code['commit']}`" + (", with changes" if code["changed"] else "")


def _versions(versions):
    if versions is None:
        return UNKNOWN
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _training(card, number):
    run, several = card["trainings"][number], len(card["trainings"]) > 1
    known = {key: UNKNOWN if value is None else value for key, value in run.items()}
    pairs, command = UNKNOWN, UNKNOWN
    if run["pairs"]:
        parts = run["pairs"].items()
        pairs = ", ".join(f"{count:,} for {part}" for part, count in parts)
    if run["command"]:
        command = f"`{run['command']}`"
    return [
        f"## Training of model {number + 1}" if several else "## Training",
        *_bullets(
            [
                f"Data: {known['data']}. Licence: {known['licence']}.",
                f"Pairs: {pairs}. Epochs: {known['epochs']}.",
                f"Command: {command}.",
                f"Begun: {known['started']}. Finished: {known['finished']}.",
                f"Commit of the code that trained it: {_commit(run['code'])}.",
                f"Trained with: {_versions(run['versions'])}.",
            ]
        ),
        "",
        "### Scores",
        *_scores(run["scores"], card),
    ]


def _scores(found, card):
    if found is None:
        return ["", f"They are {UNKNOWN}."]
    # `nbest` alone gives several, the best of which is that of the others.
    alike = all(
        card["search"].get(name) == value
        for name, value in found["search"].items()
        if name != "num_hypotheses"
    )
    notes = [
        f"Measured on {found['sentences']:,} texts, "
        + ("by the search above" if alike else "by another search than that above")
        + ", when the training ended."
    ]
    if not alike:
        notes += _search(found["search"])
    for name, what in (("dtype", "weights"), ("products", "products with them")):
        if card["weights"][name] != "float32":
            dtype = card["weights"][name]
            notes.append(f"They are those of the {what} before they became {dtype}.")
    if len(card["trainings"]) > 1:
        notes.append("They are those of this model alone.")
    return ["", *(f"- `{x['line']}`" for x in found["scores"].values()), "", *notes]
