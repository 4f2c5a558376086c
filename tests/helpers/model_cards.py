"""Model cards of an export, and the run folders that they tell of."""

import json

import tensorflow as tf

from kseq2seq import Limits, Search
from kseq2seq.export import model_card
from kseq2seq.export.settings import ExportSettings
from kseq2seq.inference import Signature
from kseq2seq.runs import from_run

SEARCH = {
    "beam_size": 3,
    "num_hypotheses": 2,
    "length_penalty": 0.5,
    "coverage_penalty": 0.0,
    "max_length": 41,
    "max_length_factor": 1.5,
    "max_length_offset": 7,
    "min_length": 0,
    "min_length_factor": 0.0,
    "forbid_unknown": True,
    "no_repeat_ngram": 0,
    "repetition_penalty": 1.0,
    "pattern": None,
    "forbidden_words": [],
    "length_normalization": "wu",
    "num_groups": 1,
    "diversity": 0.5,
    "shortlist": False,
    "replace_unknown": False,
}
SCORES = {
    "search": {**SEARCH, "num_hypotheses": 1},
    "sentences": 1013,
    "scores": {"bleu": {"value": 12.345, "line": "BLEU|nrefs:1|tok:13a = 12.35"}},
}
EXAMPLE = 'Don\'t say "犬" | twice'


def spec(dtype, *shape):
    return tf.TensorSpec(shape, dtype)


SIGNATURES = {
    "serving_default": Signature(
        inputs={"text": spec("string", None)},
        outputs={"translation": spec("string", None), "score": spec("float32", None)},
    ),
    "nbest": Signature(
        inputs={"text": spec("string", None)},
        outputs={
            "translations": spec("string", None, 2),
            "scores": tf.TensorSpec(None, "float32"),
        },
    ),
    "encode": Signature(
        inputs={"text": spec("string", None)},
        outputs={"memory": spec("float32", None, None, 17), "mine": spec("int64", 3)},
    ),
}


def card_of(search=SEARCH, weights="float32", products="float32", **changes):
    limits = Limits(max_bytes=10007, max_tokens=211)
    given = {
        "name": "en_de",
        "signatures": SIGNATURES,
        "settings": ExportSettings(Search(**search), limits, weights, products),
        "num_parameters": 1234567,
        "num_bytes": 4938268,
        "tokenizers": {"source": b"abc", "target": b""},
        "example": EXAMPLE,
    }
    return model_card.model_card(**{**given, **changes})


def write_run(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return from_run(folder)


def whole_run(folder):
    """The records of a run folder that has everything."""
    start = {"date": "2026-01-02T03:04:05+00:00", "command": "python train.py 'a b'"}
    start |= {"code": {"commit": "c0ffee", "changed": True}, "versions": {"keras": "9"}}
    card = {"source": "English", "target": "German", "data": "Some", "licence": "CC0"}
    card |= {"example": "A dog.", "example_features": "N;PL"}
    return write_run(
        folder,
        settings={"card": card, "model": {"units": 19}},
        history={"checkpoint": "checkpoint-2.keras", "epochs": [{}, {}]},
        training={
            "pairs": {"training": 29000, "test": 1013},
            "starts": [start, {**start, "command": "resumed"}],
            "finished": "2026-01-02T05:00:00+00:00",
        },
        scores=SCORES,
    )
