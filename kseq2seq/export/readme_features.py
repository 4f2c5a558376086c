"""Parts of the READMEs of exports from ids to ids that only models with features have.

Each is one of a template's `$names`, and empty for a model without features.
"""

from kseq2seq.tokenizers import FeatureVocabulary

_SETUP = """\
with open("kseq2seq.json", encoding="utf-8") as file:
    known = json.load(file)["features"]


def ids_of_features(text):
    symbols = filter(None, map(str.strip, text.split(known["separator"])))
    ids = [known["ids"].get(symbol, known["unknown"]) for symbol in symbols]
    return ids or [known["missing"]]


"""
_OF_ONNX = {
    "features_read": """\
features = [line.partition("\\t")[2] for line in texts]
texts = [line.partition("\\t")[0] for line in texts]
""",
    "features_batch": """\
rows = [ids_of_features(text) for text in features]
features = np.zeros((len(rows), max(map(len, rows), default=1)), np.int32)
for row, ids in zip(features, rows):
    row[: len(ids)] = ids
""",
    "features_feed": ', "features": features',
}
_OF_LITERT = {
    "features_read": """\
    line, _, text = line.rstrip("\\n").partition("\\t")
""",
    "features_batch": """\
    ids = ids_of_features(text)[:$length]
    features = np.zeros((1, $length), np.int32)
    features[0, : len(ids)] = ids
""",
    "features_feed": ", features=features",
}


def onnx_features(features: FeatureVocabulary | None) -> dict[str, str]:
    """The parts of the README of an export in ONNX.

    Args:
        features: The `kseq2seq.FeatureVocabulary`, or `None`.

    Example:

    >>> onnx_features(None)["features_feed"]
    ''
    """
    return _parts(_OF_ONNX, features, "batch", "features_length")


def litert_features(features: FeatureVocabulary | None, length: int) -> dict[str, str]:
    """The parts of the README of an export for LiteRT.

    Args:
        features: The `kseq2seq.FeatureVocabulary`, or `None`.
        length: The most features of a text.

    Example:

    >>> litert_features(FeatureVocabulary(["N"]), 7)["features_feed"]
    ', features=features'
    """
    return _parts(_OF_LITERT, features, "1", str(length))


def _parts(own, features, batch, length):
    parts = {name: text.replace("$length", length) for name, text in own.items()}
    separator = features.separator if features else ""
    parts |= {
        "features_import": "import json\n",
        "features_setup": _SETUP,
        "features_row": f"| input | `features` | int32 | [{batch}, {length}] | ids of "
        "features, then 0 |\n",
        "features_note": f"- Features are symbols with `{separator}` between them, "
        "whose ids `kseq2seq.json` has. Missing\n  features have an id of their own, "
        "and so has an unknown one. The program reads lines of\n  text TAB features.\n",
    }
    return parts if features else dict.fromkeys(parts, "")
