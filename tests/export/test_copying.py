"""Exports of models that copy, as other runtimes and SavedModels run them."""

import keras
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Search, Translator, export
from readme_programs import lines_of_readme_program

# Of letters that the tokenizers have, and of some that they have not.
TEXTS = ["a dog", "aXdoYg", "żwe go Ω", "dddd", "漢"]
SEARCH = Search(beam_size=3, max_length=11)
GREEDY = Search(beam_size=1, max_length=11)
PAIRS = [("a dog runs", "ein Hund"), ("we go home", "wir gehen")]


@pytest.fixture(scope="module", name="translator")
def translator_():
    """A model of random weights that likes to copy, most of all what is unknown."""
    source, target = kseq2seq.train_tokenizers(PAIRS, kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        embedding_size=6,
        units=10,
        attention="bahdanau",
        copying=True,
    )
    keras.utils.set_random_seed(3)
    copied_ids = kseq2seq.tokenizers.copied_ids(source, target)
    model = kseq2seq.build_model(config, copied_ids=copied_ids)
    for variable in model.trainable_variables:
        variable.assign(variable * 3.0)
    model.get_layer("copying").bias.assign([-4.0])
    return Translator(model, source, target)


@pytest.fixture(scope="module", name="expected")
def expected_(translator):
    """The best translations, which hold symbols that the target does not have."""
    best = [x[0] for x in translator.translate(TEXTS, SEARCH)]
    assert sum("<unk>" in x.target_tokens for x in best) >= 2
    return [x.text for x in best]


def test_symbols_are_those_that_attention_points_at(translator):
    target = translator.target_tokenizer
    known = set(target.pieces(range(4, target.vocabulary_size)))
    for text, (best,) in zip(TEXTS, translator.translate(TEXTS, SEARCH), strict=True):
        symbols = translator.source_tokenizer.read(text)
        copied = [n for n, (piece, _) in enumerate(symbols) if piece not in known]
        written = ""
        rows = zip(best.target_tokens, best.alignment, strict=True)
        for token, row in rows:
            if token == "<unk>" and copied:
                token = symbols[max(copied, key=lambda n: row[n])][0]
            written += "" if token == "</s>" else token
        if copied:
            assert best.text == written.replace("▁", " ").lstrip()


def test_a_saved_ensemble_writes_them(translator, expected, tmp_path, export_only):
    export_only("serving_default", "translate_align", "nbest")
    together = Translator.ensemble([translator, translator])
    path = together.export(tmp_path / "saved", SEARCH, weights="int8")
    loaded = Translator.load(path)
    texts = {"text": tf.constant(TEXTS)}
    for name, output in {
        "serving_default": "translation",
        "translate_align": "translation",
        "nbest": "translations",
    }.items():
        ours = loaded.run(name, texts)[output].reshape([len(TEXTS), -1])[:, 0]
        assert [x.decode() for x in ours] == expected


@pytest.fixture(scope="module", name="greedy")
def greedy_(translator):
    return [x[0].text for x in translator.translate(TEXTS, GREEDY)]


def test_onnx(translator, greedy, tmp_path):
    for package in ("onnxruntime", "tf2onnx", "sentencepiece"):
        pytest.importorskip(package)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    path = export.export_onnx(tmp_path / "onnx", translator.model, *tokenizers, GREEDY)
    lines = "".join(f"{text}\n" for text in TEXTS)
    assert lines_of_readme_program(path, lines) == greedy


def test_litert(translator, greedy, tmp_path):
    for package in ("ai_edge_litert", "sentencepiece"):
        pytest.importorskip(package)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    arguments = translator.model, *tokenizers, GREEDY, 13, "float32"
    path = export.export_litert(tmp_path / "litert", *arguments)
    lines = "".join(f"{text}\n" for text in TEXTS)
    assert lines_of_readme_program(path, lines) == greedy
