"""The fuzzer: strange requests to every signature, and faults that it must see."""

import json
import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq import Search
from kseq2seq.tokenizers import Limits
from paths import BENCHMARKS
from translators import TEXTS, tiny_translator

LIMITS = Limits(max_bytes=97, max_tokens=53)
SEARCH = Search(beam_size=3, num_hypotheses=2, max_length=19)


@pytest.fixture(scope="module")
def scripts():
    """The modules of benchmarks/, which are no package; good texts are the model's."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import fuzz
        import saved_session
        import strange_texts
    finally:
        sys.path.remove(str(BENCHMARKS))
    before, fuzz.GOOD_TEXTS = fuzz.GOOD_TEXTS, tuple(TEXTS)
    yield {"fuzz": fuzz, "session": saved_session, "texts": strange_texts}
    fuzz.GOOD_TEXTS = before


@pytest.fixture(scope="module")
def fuzz(scripts):
    return scripts["fuzz"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A SavedModel with low limits, so that much is beyond them."""
    folder = tmp_path_factory.mktemp("saved_models") / "tiny"
    return tiny_translator().export(folder, SEARCH, LIMITS)


@pytest.fixture(scope="module")
def session(scripts, saved):
    session = scripts["session"].SavedSession(saved)
    yield session
    session.close()


@pytest.fixture(scope="module")
def fuzzer(fuzz, session, saved):
    return fuzz.Fuzz(session, fuzz.read_card(saved), bound=60)


TEXT = st.one_of(
    st.binary(max_size=120),
    st.text(max_size=60).map(lambda x: x.encode("utf-8", "surrogatepass")),
    st.text("a dogs\t\n▁", max_size=120).map(str.encode),
)


@settings(max_examples=8)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), st.integers(0, 5))
def test_whatever_comes_no_signature_breaks(fuzzer, texts, number):
    fuzzer.problems.clear()  # those of the example before
    request = [("hypothesis", pair) for pair in texts]
    request.insert(number % len(request), (None, number))
    for name in fuzzer.session.inputs:
        fuzzer.check(name, request, random.Random(number))
    assert fuzzer.problems == []


def test_good_texts_have_answers_that_differ(fuzzer):
    assert set(fuzzer.session.inputs) == {
        "serving_default",
        "nbest",
        "translate_align",
        "align",
        "score",
        "encode",
        "sample",
    }
    for name in ("serving_default", "translate_align", "sample"):
        actual = {fuzzer.alone[name, x]["translation"] for x in range(len(TEXTS))}
        assert len(actual) == 5  # one of the six texts is there twice
    assert fuzzer.alone["nbest", 0]["translations"].shape == (2,)


def test_the_model_card_tells_what_comes(fuzz, session, saved):
    card = fuzz.read_card(saved)
    assert set(card["signatures"]) == set(session.inputs)
    assert card["limits"] == {"max_bytes": 97, "max_tokens": 53}
    for name, told in card["signatures"].items():
        assert told["purpose"] and set(told["inputs"]) == set(session.inputs[name])
        rows = [fuzz.good_inputs(told["inputs"], x) for x in range(5)]
        inputs = {key: [row[key] for row in rows] for key in rows[0]}
        outputs, sizes = session.run(name, inputs), {"B": 5}
        assert set(outputs) == set(told["outputs"])
        for tensor, spec in told["outputs"].items():
            array = outputs[tensor]
            # A letter stands for the same size wherever it is.
            for axis, size in zip(spec["shape"], array.shape, strict=True):
                if axis in {"B", "S", "T"}:
                    axis = sizes.setdefault(axis, size)
                assert size == axis, (name, tensor)
            dtype = "string" if array.dtype == object else array.dtype.name
            assert spec["dtype"] == dtype and spec["meaning"]
    assert card["signatures"]["nbest"]["outputs"]["scores"]["shape"] == ["B", 2]


def test_the_script_sends_records_and_tells(fuzz, saved, tmp_path, capsys):
    arguments = ["--model", str(saved), "--output", str(tmp_path), "--strings", "40"]
    assert fuzz.main([*arguments, "--seed", "3"]) == 0
    report = json.loads((tmp_path / "fuzz.json").read_text())
    assert report["seed"] == 3 and sum(report["kinds"].values()) == 40
    assert report["strings"] == 40 and len(report["kinds"]) == 16
    assert report["longest_bytes"] > 9_000 and report["problems"] == 0
    assert len(report["signatures"]) == 7
    for actual in report["signatures"].values():
        times = actual["milliseconds"]
        assert 0 < times["p50"] <= times["p99"] <= times["max"]
        # Two good ones in each, and at the end the longest alone.
        mixed = actual["requests"] - 1
        assert actual["rows"] == 40 + 2 * mixed + 40
    assert report["good_rows_checked"] == 7 * 2 * mixed
    assert report["peak_megabytes"] > 100
    assert report["model"]["bytes"]["variables"] > 9_000
    out = capsys.readouterr().out
    assert "| `translate_align` |" in out and "0 problems;" in out


def test_without_a_model_it_says_what_is_needed(fuzz, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fuzz.main(["--model", str(tmp_path)])
    assert "must hold a SavedModel (saved_model.pb)" in capsys.readouterr().err


def test_strings_are_of_every_kind_and_the_same_for_a_seed(scripts):
    texts = scripts["texts"].strange_texts(1501, seed=5)
    assert texts == scripts["texts"].strange_texts(1501, seed=5)
    assert texts != scripts["texts"].strange_texts(1501, seed=6)
    of_kind = {kind: [] for kind in scripts["texts"].KINDS}
    for kind, text in texts:
        of_kind[kind].append(text)
    assert {len(x) for kind, x in of_kind.items() if kind != "long lines"} == {98}
    assert len(of_kind["long lines"]) == 31
    assert {9_999 < len(x) <= 100_000 for x in of_kind["long lines"]} == {True}
    for kind in ("cut UTF-8", "overlong UTF-8", "surrogates"):
        assert not any(map(scripts["fuzz"].is_utf8, of_kind[kind])), kind
    for kind in ("characters of all planes", "combining marks", "emoji", "symbols"):
        assert all(map(scripts["fuzz"].is_utf8, of_kind[kind])), kind
    assert max(max(x.decode()) for x in of_kind["characters of all planes"] if x) > "𐀀"
    assert not any(
        x.decode().strip(" \u200b\ufeff\t\r\n\v\f\u00a0\u2003\u2028\u3000")
        for x in of_kind["blanks"]
    )
    assert all(b"\0" in x for x in of_kind["NUL"])


CARD = {
    "limits": {"max_bytes": 5, "max_tokens": 3},
    "search": {"max_length": 4, "max_length_factor": 1.0, "max_length_offset": 1},
}


def answer(**changes):
    """A right answer of `translate_align` for the text "aé", with padding."""
    return {
        "translation": b"xy",
        "score": np.float32(-0.5),
        "source_tokens": np.array([b"a", b"\xc3\xa9", b"</s>", b""], object),
        "source_starts": np.array([0, 1, 3, 0]),
        "source_ends": np.array([1, 3, 3, 0]),
        "target_tokens": np.array([b"xy", b"</s>", b""], object),
        "target_starts": np.array([0, 2, 0]),
        "target_ends": np.array([2, 2, 0]),
        "num_source_tokens": np.int32(3),
        "num_target_tokens": np.int32(2),
        "alignment": np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], "float32"),
        "links": np.array([0, 2, -1]),
        "truncated": np.bool_(False),
        **changes,
    }


def test_a_right_answer_has_no_faults(fuzz):
    assert fuzz.faults({"text": "aé".encode()}, answer(), CARD) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"translation": b"\xff\xff"}, "translation: no UTF-8"),
        ({"target_tokens": np.array([b"x\xff", b"</s>", b""], object)}, "no UTF-8"),
        ({"score": np.float32("nan")}, "score: NaN"),
        ({"source_ends": np.array([1, 4, 3, 0])}, "source: offsets not within"),
        ({"source_starts": np.array([-1, 1, 3, 0])}, "source: offsets not within"),
        ({"target_starts": np.array([1, 0, 0])}, "target: offsets not in order"),
        ({"source_starts": np.array([0, 1, 1, 0])}, "source: EOS not at the text's"),
        ({"source_ends": np.array([1, 2, 3, 0])}, "source: an offset within a char"),
        ({"num_target_tokens": np.int32(1)}, "not the number of tokens"),
        ({"num_source_tokens": np.int32(4)}, "num_source_tokens: more than 3"),
        ({"links": np.array([0, 3, -1])}, "links: not all to a token"),
        ({"links": np.array([0, 2, 0])}, "padding is linked, or attended to"),
        ({"alignment": np.ones((3, 4), "float32")}, "padding is linked, or attended"),
    ],
)
def test_a_wrong_answer_is_told(fuzz, changes, expected):
    actual = fuzz.faults({"text": "aé".encode()}, answer(**changes), CARD)
    assert any(expected in x for x in actual), actual


def test_limits_that_are_not_kept_are_told(fuzz):
    told = fuzz.beyond_limits
    few = {"num_source_tokens": np.int32(1), "num_target_tokens": np.int32(3)}
    assert told({"text": b"a"}, few, CARD) == ["num_target_tokens: more than 2"]
    many = {"num_source_tokens": np.int32(9), "num_target_tokens": np.int32(5)}
    assert told({"text": b"a"}, many, CARD)[1] == "num_target_tokens: more than 4"
    given = {"text": b"a", "target": b"b"}
    assert told(given, many, CARD)[1] == "num_target_tokens: more than 4"
    cut = {"truncated": np.bool_(False)}
    assert told({"text": b"abcdef"}, cut, CARD) == [
        "truncated: false for a text of too many bytes"
    ]
    assert told({"text": b"      "}, cut, CARD) == told({"text": b"abcde"}, cut, CARD)
    assert told({"text": b"abcde"}, cut, CARD) == []


def test_blanks_must_be_blank(fuzz):
    wrong = "translation: of nothing but blanks, and not empty"
    assert fuzz.faults({"text": b" \t"}, {"translation": b"x"}) == [wrong]
    actual = {"translation": b"", "score": np.float32(-1)}
    assert fuzz.faults({"text": b""}, actual) == [wrong]
    assert fuzz.faults({"text": b""}, {**actual, "score": np.float32(0)}) == []


def test_differences_are_told(fuzz):
    alone = {"score": np.float32(-2), "links": np.array([1, 2]), "text": b"a"}
    infinite = np.array([1, -np.inf], "float32")
    alone["scores"] = infinite
    same = {**alone, "links": np.array([1, 2, -1])}
    assert fuzz.differences(same, alone) == ([], 0.0)
    near = {**same, "score": np.float32(-2.00005)}
    problems, largest = fuzz.differences(near, alone)
    assert problems == [] and 4e-5 < largest < 6e-5
    large = {"perplexity": np.float32(1e7)}
    actual = fuzz.differences({"perplexity": np.float32(1e7 + 500)}, large)
    assert actual[0] == [] and 4e-5 < actual[1] < 6e-5
    for name, value in {
        "score": np.float32(-2.1),
        "links": np.array([1, 3, -1]),
        "text": b"a\0",
        "scores": np.array([1, -5], "float32"),
    }.items():
        (problem,), _ = fuzz.differences({**same, name: value}, alone)
        assert problem.startswith(f"{name}: ")
    (problem,), _ = fuzz.differences({**same, "score": np.float32("nan")}, alone)
    assert problem.startswith("score: ")


class Broken:
    """A session of one signature, which answers wrongly or not at all."""

    def __init__(self):
        self.inputs, self.calls = {"serving_default": {"text": object}}, 0

    def run(self, name, inputs):
        self.calls += 1
        if b"fall" in inputs["text"]:
            raise RuntimeError("fallen")
        count = len(inputs["text"])
        return {"translation": np.array([b"%d" % self.calls] * count, object)}


def test_what_fails_changes_or_takes_too_long_is_a_problem(fuzz):
    fuzzer = fuzz.Fuzz(Broken(), None, bound=-1.0)
    draw = random.Random(0)
    fuzzer.check("serving_default", [("mine", (b"a", b"b")), (None, 2)], draw)
    slow, changed = fuzzer.problems
    assert "took 0.0 s for 2 rows" in slow
    assert "the birds" in changed and "(good): translation: " in changed
    fuzzer.check("serving_default", [("mine", (b"fall", b"b"))], draw)
    assert "RuntimeError('fallen') for [b'fall']" in fuzzer.problems[-1]
    assert fuzzer.report()["problems"] == 3
