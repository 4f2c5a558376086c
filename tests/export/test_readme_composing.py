"""Programs of exports whose tokens are parts of characters, against `Translator`."""

import json
import textwrap
import unicodedata
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Search, Translator, export
from kseq2seq.export.readme_composing import about_composing, with_composing
from kseq2seq.export.readme_copying import litert_copying
from kseq2seq.tokenizers import composed, copied_ids
from kseq2seq.utils import EOS_ID
from readme_programs import lines_of_readme_program

PAIRS = [("été ñ", "étés ñ"), ("uno", "ù ó")]
TEXTS = ["été", "uçñ", "ŭnŏ", "te"]
HANGUL = [("한국", "한국"), ("하느", "느하")]
JAMO = unicodedata.normalize("NFD", "한")
GREEDY = Search(beam_size=1, max_length=9)


def translator_of(normalization, copying, pairs=PAIRS):
    """One of random weights, which likes marks, and to copy."""
    both = kseq2seq.train_tokenizers(
        pairs, kind="character", normalization=normalization
    )
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=both[0].vocabulary_size,
        target_vocabulary_size=both[1].vocabulary_size,
        embedding_size=6,
        units=10,
        attention="bahdanau",
        copying=copying,
    )
    keras.utils.set_random_seed(3)
    ids = copied_ids(*both) if copying else None
    model = kseq2seq.build_model(config, copied_ids=ids)
    for variable in model.trainable_variables:
        variable.assign(variable * 3.0)
    if copying:
        model.get_layer("copying").bias.assign([-4.0])
    else:
        pieces = both[1].pieces(range(both[1].vocabulary_size))
        marks = {x for x in pieces if unicodedata.combining(x[0])}
        bias = [4.0 * (x in {*"euons", *JAMO, *marks}) for x in pieces]
        model.get_layer("projection").bias.assign(bias)
    return Translator(model, *both)


def check(path, translator, entry):
    about = json.loads((path / "kseq2seq.json").read_text())
    assert {name: about.get(name) for name in entry} == entry
    assert "NFC, as" in (path / "README.md").read_text(encoding="utf-8")
    expected = [x[0].text for x in translator.translate(TEXTS, GREEDY)]
    assert any(unicodedata.normalize("NFD", text) != text for text in expected)
    lines = "".join(f"{text}\n" for text in TEXTS)
    assert lines_of_readme_program(path, lines) == expected


@pytest.mark.parametrize(
    ("normalization", "copying", "entry"),
    [
        ("nfd", False, {"compose": "NFC"}),
        (["nfd", "identity"], True, {"compose_copies": "NFC"}),
    ],
)
def test_onnx(normalization, copying, entry, tmp_path):
    for package in ("onnxruntime", "tf2onnx", "sentencepiece"):
        pytest.importorskip(package)
    translator = translator_of(normalization, copying)
    both = translator.source_tokenizer, translator.target_tokenizer
    path = export.export_onnx(tmp_path / "onnx", translator.model, *both, GREEDY)
    check(path, translator, entry)


@pytest.mark.parametrize(
    ("normalization", "copying"), [("nfd", False), (["nfd", "identity"], True)]
)
def test_a_cut_text_has_no_half_syllable(normalization, copying, tmp_path):
    for package in ("onnxruntime", "tf2onnx", "sentencepiece"):
        pytest.importorskip(package)
    translator = translator_of(normalization, copying, HANGUL)
    both = translator.source_tokenizer, translator.target_tokenizer
    search = Search(beam_size=1, max_length=4)
    path = export.export_onnx(tmp_path / "onnx", translator.model, *both, search)
    texts = ["하", "하하ᄒ"]
    translations = [x[0] for x in translator.translate(texts, search)]
    expected = [x.text for x in translations]
    # All four tokens are parts of Hangul; the last one begins a syllable.
    cut = [
        x.target_tokens[-1] != "</s>" and len(unicodedata.normalize("NFD", x.text)) == 3
        for x in translations
    ]
    assert any(cut) and not any(text.endswith(JAMO[0]) for text in expected)
    lines = "".join(f"{text}\n" for text in texts)
    assert lines_of_readme_program(path, lines) == expected


@pytest.mark.parametrize("code", [0x10FF, 0x1100, 0x1112, 0x115E, 0x115F, 0x1161])
def test_programs_cut_what_tokenizers_cut(code):
    parts = {"writing": "$compose", "copying_setup": ""}
    lines = textwrap.dedent(with_composing(parts, {"compose": "NFC"})["writing"])
    target, text = SimpleNamespace(eos_id=lambda: EOS_ID), "하" + chr(code) * 2
    for is_whole, ids in ((True, [5, EOS_ID]), (False, [5, 7])):
        names = {"unicodedata": unicodedata, "target": target}
        names |= {"ids": ids, "written": text}
        exec(lines, names)
        (expected,) = composed([text], tf.constant([is_whole])).numpy()
        assert names["written"] == expected.decode()


def test_litert(tmp_path):
    for package in ("ai_edge_litert", "sentencepiece"):
        pytest.importorskip(package)
    translator = translator_of("nfd", True)
    both = translator.source_tokenizer, translator.target_tokenizer
    arguments = translator.model, *both, GREEDY, 13, "float32"
    path = export.export_litert(tmp_path / "litert", *arguments)
    check(path, translator, {"compose": "NFC"})


def test_programs_of_other_models_do_not_compose():
    both = kseq2seq.train_tokenizers(PAIRS, kind="character")
    about = about_composing(True, *both)
    parts = with_composing(litert_copying(True, 7), about)
    assert about == {}
    assert not any("compose" in x or "unicodedata" in x for x in parts.values())
