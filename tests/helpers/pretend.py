"""A SavedModel that is none: words backwards and in capitals, at once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

END = "</s>"
WEIGHT = 0.75  # of each word for the one that it was made of


def spec(dtype, *shape):
    return SimpleNamespace(dtype=SimpleNamespace(name=dtype), shape=(None, *shape))


def signature(inputs, outputs):
    return SimpleNamespace(inputs=inputs, outputs=outputs)


TEXT = {"text": spec("string")}
BEST = {"translation": spec("string"), "score": spec("float32")}
ALIGNMENT = {
    **{f"{x}_tokens": spec("string", None) for x in ("source", "target")},
    **{f"{x}_{y}": spec("int32", None) for x in ("source", "target")
       for y in ("starts", "ends")},
    "alignment": spec("float32", None, None),
    "links": spec("int32", None),
    "num_source_tokens": spec("int32"),
    "num_target_tokens": spec("int32"),
    "truncated": spec("bool"),
}  # fmt: skip
SIGNATURES = {
    "serving_default": signature(TEXT, BEST),
    "nbest": signature(
        TEXT, {"translations": spec("string", 3), "scores": spec("float32", 3)}
    ),
    "translate_align": signature(TEXT, {**BEST, **ALIGNMENT}),
    "align": signature({**TEXT, "target": spec("string")}, ALIGNMENT),
    "alternatives": signature(
        {**TEXT, "prefix": spec("string")},
        {"translations": spec("string", 4), "scores": spec("float32", 4)},
    ),
    "sample": signature(
        {
            **TEXT,
            "temperature": spec("float32"),
            "top_k": spec("int32"),
            "top_p": spec("float32"),
            "seed": spec("int64"),
        },
        {"translation": spec("string"), "log_prob": spec("float32")},
    ),
}


def words(text, side):
    """Pieces of a text, and where each begins and ends in its UTF-8."""
    pieces, starts, ends, at = [], [], [], 0
    for word in text.split():
        at = text.index(word, at)
        starts.append(len(text[:at].encode()))
        at += len(word)
        ends.append(len(text[:at].encode()))
        pieces.append(f"▁{word}")
    size = len(text.encode())
    return [*pieces, END], [*starts, size], [*ends, size]


def characters(text, side):
    """The same with a piece for each character, or each byte of four that make one.

    Such bytes are places in a source; in a target the last one has all of it.
    """
    pieces, starts, ends, at = [], [], [], 0
    for character in text:
        data = character.encode()
        size = len(data)
        if size < 4:
            pieces.append(character.replace(" ", "▁"))
            starts.append(at)
            ends.append(at + size)
        else:
            pieces += [f"<0x{x:02X}>" for x in data]
            starts += range(at, at + 4) if side == "source" else [at] * 4
            ends += range(at + 1, at + 5) if side == "source" else [at] * 3 + [at + 4]
        at += size
    return [*pieces, END], [*starts, at], [*ends, at]


def padded(rows, dtype, fill):
    """Array of rows of different shapes, filled up to the largest of them."""
    rows = [np.array(row, dtype) for row in rows]
    shape = np.max([row.shape for row in rows], axis=0)
    array = np.full((len(rows), *shape), fill, dtype)
    for whole, row in zip(array, rows, strict=True):
        whole[tuple(slice(size) for size in row.shape)] = row
    return array


class Backwards:
    """Like a `kseq2seq.inference.saved_model.SavedTranslator`."""

    def __init__(self, path="models/backwards/7", without=()):
        self.path = Path(path)
        self.signatures = {x: y for x, y in SIGNATURES.items() if x not in without}
        self.asked = []

    def run(self, name, inputs):
        self.asked.append((name, inputs))
        texts = [x.decode() for x in inputs["text"]]
        best = [" ".join(reversed(text.upper().split())) for text in texts]
        if name == "sample":
            return {
                "translation": encoded(best),
                "log_prob": (-inputs["temperature"]).astype(np.float32),
            }
        if name == "nbest":
            return {
                "translations": encoded([[x, x.lower(), ""] for x in best]),
                "scores": np.array([[-0.25, -1.5, -np.inf]] * len(best), np.float32),
            }
        if name == "alternatives":
            # The text's own words, in their order, behind the prefix.
            (prefix,) = [x.decode() for x in inputs["prefix"]]
            others = [prefix + x for x in texts[0].split()][:3]
            others += [""] * (4 - len(others))
            lowest = np.finfo("float32").min
            scores = [-1.0 if x else lowest for x in others]
            return {
                "translations": encoded([others]),
                "scores": np.array([scores], np.float32),
            }
        scores = np.array([-len(x) / 8 for x in best], np.float32)
        answer = {"translation": encoded(best), "score": scores}
        if name == "serving_default":
            return answer
        if name == "align":
            return aligned(texts, [x.decode() for x in inputs["target"]])
        return {**answer, **aligned(texts, best)}


class Tagged(Backwards):
    """Takes features, which it writes behind the text, and aligns with half a look."""

    def __init__(self):
        super().__init__("models/tagged/1")
        self.signatures = {
            name: signature({**x.inputs, "features": spec("string")}, x.outputs)
            for name, x in self.signatures.items()
        }

    def run(self, name, inputs):
        answer = super().run(name, inputs)
        if name == "translate_align":
            (text,), (features,) = (
                [x.decode() for x in inputs[side]] for side in ("text", "features")
            )
            symbols, size = features.split(";"), len(text.encode())
            for key, values in (
                ("tokens", symbols),
                ("starts", [size] * 9),
                ("ends", [size] * 9),
            ):
                before = answer[f"source_{key}"]
                more = values[: len(symbols)]
                more = (
                    encoded([more]) if key == "tokens" else np.array([more], np.int32)
                )
                answer[f"source_{key}"] = np.concatenate([before, more], axis=1)
            answer["num_source_tokens"] = answer["num_source_tokens"] + len(symbols)
            looks = answer["alignment"]
            added = np.zeros((*looks.shape[:2], len(symbols)), np.float32)
            added[:, 0] = 1 - WEIGHT
            answer["alignment"] = np.concatenate([looks * WEIGHT, added], axis=2)
        return answer


class Mirror(Backwards):
    """Only makes capitals, each from its own character, and the first blank a bit."""

    def run(self, name, inputs):
        answer = super().run(name, inputs)
        if name == "translate_align":
            (text,) = (x.decode() for x in inputs["text"])
            answer["translation"] = encoded([text.upper()])
            answer |= aligned([text], [text.upper()], characters)
            size = answer["num_source_tokens"][0]
            first_blank = np.eye(size)[text.index(" ")]
            answer["alignment"] = (
                WEIGHT * np.eye(size)[None] + (1 - WEIGHT) * first_blank
            )
        return answer


def encoded(texts):
    array = np.array(texts, object)
    array.ravel()[:] = [x.encode() for x in array.ravel()]
    return array


def aligned(texts, translations, split=words):
    outputs, weights = {}, []
    for side, whole in (("source", texts), ("target", translations)):
        actual = [split(text, side) for text in whole]
        pieces = padded([x for x, *_ in actual], object, "")
        outputs[f"{side}_tokens"] = encoded(pieces)
        outputs[f"{side}_starts"] = padded([x for _, x, _ in actual], np.int32, 0)
        outputs[f"{side}_ends"] = padded([x for *_, x in actual], np.int32, 0)
        sizes = np.array([len(x) for x, *_ in actual], np.int32)
        outputs[f"num_{side}_tokens"] = sizes
    for size in outputs["num_source_tokens"]:
        links = [*range(size - 2, -1, -1), size - 1]
        rest = (1 - WEIGHT) / max(1, size - 1)
        weights.append(np.where(np.eye(size)[links] == 1, WEIGHT, rest))
    outputs["alignment"] = padded(weights, np.float32, 0)
    outputs["links"] = np.argmax(outputs["alignment"], axis=2).astype(np.int32)
    outputs["truncated"] = np.array([len(x) > 500 for x in texts])
    return outputs
