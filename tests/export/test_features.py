"""Exports of models with features, as other runtimes run them."""

import json
import re

import numpy as np
import pytest

from kseq2seq import FeatureVocabulary, Search, Translator, export
from kseq2seq.export import ids as id_export
from readme_programs import lines_of_readme_program
from translators import (
    FEATURES,
    FEATURES_OF_TEXTS,
    NUM_FEATURES,
    TEXTS,
    tiny_translator,
)

SEARCH = Search(beam_size=3, max_length=11)
GREEDY = Search(beam_size=1, max_length=11)
# Without the blank text, of which ids are asked for by themselves.
ROWS = [x for x in zip(TEXTS, FEATURES_OF_TEXTS, strict=True) if x[0]]
LINES = "".join(f"{text}\t{features}\n" for text, features in ROWS)


@pytest.fixture(scope="module", params=["joined", "gated"])
def translator(request):
    return tiny_translator(feature_vocabulary_size=NUM_FEATURES, features=request.param)


def expected(translator, search):
    texts, features = zip(*ROWS, strict=True)
    return [x[0].text for x in translator.translate(texts, search, features=features)]


def test_ids_are_joined_without_gaps():
    source = np.array([[5, 3, 0, 0], [7, 8, 9, 3], [3, 0, 0, 0], [6, 4, 3, 0]], "int32")
    features = np.array([[20, 21], [22, 0], [23, 24], [0, 0]], "int32")
    for length in (1, 2):
        joined = id_export.join_ids(source, features[:, :length]).numpy()
        for row, ours in enumerate(joined):
            both = [*source[row], *features[row, :length]]
            by_hand = [id_ for id_ in both if id_]
            assert ours.tolist() == by_hand + [0] * (len(both) - len(by_hand))
    assert id_export.join_ids(source[:0], features[:0]).shape == (0, 6)


def test_ids_of_features_are_told(translator):
    about = id_export.about_features(translator.source_tokenizer, FEATURES)["features"]
    first = translator.source_tokenizer.vocabulary_size
    assert (about["missing"], about["unknown"]) == (first, first + 1)
    assert about["ids"] == {x: first + 2 + n for n, x in enumerate(FEATURES.symbols)}
    assert id_export.about_features(translator.source_tokenizer, None) == {}


# Joined ones differ in what the ids are alone.
@pytest.mark.parametrize("translator", ["gated"], indirect=True)
def test_onnx(translator, tmp_path):
    for package in ("onnxruntime", "tf2onnx", "sentencepiece"):
        pytest.importorskip(package)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    # The beam reads the ids that the encoder has read, and takes long to convert.
    arguments = translator.model, *tokenizers, GREEDY, FEATURES
    path = export.export_onnx(tmp_path / "onnx", *arguments)
    assert lines_of_readme_program(path, LINES) == expected(translator, GREEDY)


# Joined ones differ in what the ids are alone.
@pytest.mark.parametrize("translator", ["gated"], indirect=True)
def test_litert(translator, tmp_path):
    for package in ("ai_edge_litert", "sentencepiece"):
        pytest.importorskip(package)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    arguments = translator.model, *tokenizers, SEARCH, 23, "float32", FEATURES, 5
    path = export.export_litert(tmp_path / "litert", *arguments)
    assert lines_of_readme_program(path, LINES) == expected(translator, GREEDY)
    about = json.loads((path / "kseq2seq.json").read_text(encoding="utf-8"))
    assert about["features_length"] == 5 and "features" in about


def test_a_saved_model_tells_of_features(tmp_path, export_only):
    export_only("serving_default", "align", "sample")  # of each kind of inputs
    translator = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    path = translator.export(tmp_path / "tiny", SEARCH)
    card = json.loads((path / "model_card.json").read_text(encoding="utf-8"))
    symbols = list(FEATURES.symbols)
    assert card["features"] == {"separator": ";", "symbols": symbols}
    for signature in card["signatures"].values():
        assert list(signature["inputs"])[-1] == "features"
    text = (path / "README.md").read_text(encoding="utf-8")
    assert '\'{"instances": [{"text": "a text", "features": "N;PL"}]}\'' in text
    assert "features=['N;PL']" in text and "`größer`" in text
    program = re.search(r"```python\n(.*?)```", text, re.S)[1]
    code = compile(program.replace('"."', repr(str(path))), "README.md", "exec")
    printed = []
    exec(code, {"print": printed.append})
    assert len(printed) == 1
    saved = Translator.load(path)
    best = translator.translate(TEXTS, SEARCH, features=FEATURES_OF_TEXTS)
    assert saved(TEXTS, features=FEATURES_OF_TEXTS) == [x[0].text for x in best]


def test_models_of_an_ensemble_have_the_same_features(tmp_path):
    translator = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    others = FeatureVocabulary([*FEATURES.symbols[:-1], "x"])
    other = Translator(translator.model, *tokenizers, others)
    with pytest.raises(ValueError, match="must have the same features"):
        export.export_translators(tmp_path, [translator, other])
