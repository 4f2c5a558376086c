"""Texts with features, against ids made by hand and the model itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Limits, Search, Translator
from kseq2seq.inference import TextToText, signature_functions
from kseq2seq.utils import BOS_ID, PAD_ID
from loaders import run_session, strings
from translators import (
    FEATURES,
    FEATURES_OF_TEXTS,
    NUM_FEATURES,
    TEXTS,
    tiny_translator,
)

SEARCH = Search(beam_size=3, max_length=11)
TARGETS = ["ein Hund", "", "die Katze", "wir gehen", "heim", "x"]
TRIPLES = [*zip(TEXTS, TARGETS, FEATURES_OF_TEXTS, strict=True)]
GIVEN = {"features": FEATURES_OF_TEXTS}
MODELS = {
    "joined": {},
    "gated": {
        "features": "gated",
        "attention": "location_sensitive",
        "input_feeding": True,
        "encoder_layers": 2,
        "residual": True,
    },
    "hard": {
        "hard_attention": "monotonic_first_order",
        "attention": "multi_head_additive",
        "units": 12,
    },
}


@pytest.fixture(scope="module", params=MODELS)
def translator(request):
    return tiny_translator(
        feature_vocabulary_size=NUM_FEATURES, **MODELS[request.param]
    )


def source_ids(translator, texts, features):
    """Ids of text, EOS and features, padded, without any graph."""
    first = translator.source_tokenizer.vocabulary_size
    rows = []
    for text, symbols in zip(texts, features, strict=True):
        own = [x.strip() for x in symbols.split(";") if x.strip()]
        known = FEATURES.symbols
        ids = [known.index(x) + 2 if x in known else 1 for x in own] or [0]
        tokens = translator.source_tokenizer.tokenize([text]).to_list()[0]
        rows.append(tokens + [first + id_ for id_ in ids])
    length = max(map(len, rows))
    return np.array([row + [PAD_ID] * (length - len(row)) for row in rows])


def log_probs_by_the_model(translator, source, targets):
    """Log-probabilities of targets by the whole model, EOS included."""
    labels = translator.target_tokenizer.tokenize(targets).to_tensor(PAD_ID).numpy()
    target = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=BOS_ID)
    logits = translator.model({"source": source, "target": target})
    logits = keras.ops.convert_to_numpy(logits).astype("float64")
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(logits, labels[..., None], axis=2)[..., 0]
    return np.where(labels != PAD_ID, picked, 0).sum(axis=1)


def test_scores_are_those_of_the_whole_model(translator):
    source = source_ids(translator, TEXTS, FEATURES_OF_TEXTS)
    expected = log_probs_by_the_model(translator, source, TARGETS)
    received = [x for x, _ in translator.score(TRIPLES, batch_size=4)]
    np.testing.assert_allclose(received, expected, rtol=1e-4)
    # Features count, and missing or unknown ones each in their way.
    others = [
        [x for x, _ in translator.score([(*row[:2], features) for row in TRIPLES])]
        for features in ("V;größer;PST", " ; ", "?")
    ]
    pairs = translator.score([row[:2] for row in TRIPLES])
    np.testing.assert_allclose(others[1], [x for x, _ in pairs], rtol=1e-5)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert not np.allclose(others[one], others[other], rtol=1e-4)
    blank = translator(TEXTS, features=[""] * len(TEXTS))
    assert translator(TEXTS) == blank


# Of joined ones `tests/export/test_features.py` has an export.
@pytest.mark.parametrize("translator", ["gated", "hard"], indirect=True)
def test_all_ways_to_ask_agree(translator, tmp_path, export_only):
    export_only("serving_default", "score", "align", "encode", "sample")
    ours = [best.text for best, *_ in translator.translate(TEXTS, SEARCH, **GIVEN)]
    translator.save(tmp_path / "run")
    again = Translator.load(tmp_path / "run")
    assert again.features == FEATURES
    path = translator.export(tmp_path / "saved", SEARCH)
    saved = Translator.load(path)
    assert translator.has_features and again.has_features and saved.has_features
    assert again.score(TRIPLES) == translator.score(TRIPLES)
    assert saved(TEXTS, **GIVEN) == ours
    inputs = {
        "text": strings(TEXTS),
        "target": strings(TARGETS),
        "features": strings(FEATURES_OF_TEXTS),
    }
    names = [x for x in ("score", "align", "encode") if x in saved.signatures]
    requests = [
        (name, {x: inputs[x] for x in saved.signatures[name].inputs}) for name in names
    ]
    # By TensorFlow's session as well, which has nothing but the graph.
    for request, by_session in zip(requests, run_session(path, requests), strict=True):
        expected = translator.run(*request)
        for outputs in (saved.run(*request), by_session):
            assert outputs.keys() == expected.keys()
            for key, values in expected.items():
                if values.dtype.kind == "f":
                    np.testing.assert_allclose(outputs[key], values, 1e-4, 1e-5)
                else:
                    np.testing.assert_array_equal(outputs[key], values)
    drawn = [x.sample(TEXTS, seed=3, **GIVEN) for x in (saved, translator)]
    for of_export, longer in zip(*drawn, strict=True):
        assert longer.text.startswith(of_export.text)


def test_features_are_labelled_positions_of_an_alignment():
    translator = tiny_translator(feature_vocabulary_size=NUM_FEATURES, features="gated")
    text, features = "a dögs", "N; größer;X"
    best = translator.translate([text], SEARCH, features=[features])[0][0]
    labels = ["</s>", "N", "größer", "<unknown>"]
    assert best.source_tokens[-4:] == labels
    assert best.alignment.shape == (len(best.target_tokens), len(best.source_tokens))
    np.testing.assert_allclose(best.alignment.sum(axis=1), 1, atol=1e-5)
    (alignment,) = translator.align([(text, best.text, features)])
    assert alignment.source_tokens == best.source_tokens
    size = len(text.encode())
    assert alignment.source_spans[-4:] == [(size, size)] * 4
    expected = [(0, 1), (1, 2), (2, 3), (3, 5), (5, 6), (6, 7)]
    assert alignment.source_spans[:-4] == expected
    np.testing.assert_array_equal(alignment.links, alignment.weights.argmax(axis=1))
    # Rows are independent, however many features others have.
    (alone,) = translator.align([("go", "heim", "")])
    assert alone.source_tokens == ["g", "o", "</s>", "<missing>"]
    together = translator.align([("go", "heim", ""), (text, "heim", features)])
    np.testing.assert_allclose(alone.weights, together[0].weights, atol=1e-6)


def test_a_long_text_never_cuts_features():
    translator = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    text_to_text = TextToText(
        [translator.model],
        translator.source_tokenizer,
        translator.target_tokenizer,
        SEARCH,
        Limits(max_tokens=5),
        features=FEATURES,
    )
    arguments = strings(["a dog runs", "go", "go"]), strings(["x"] * 3)
    outputs = text_to_text.align(*arguments, strings(["V;PST", "N", "N;" * 9]))
    tokens = [[x.decode() for x in row] for row in outputs["source_tokens"].numpy()]
    assert tokens[0][:7] == ["a", "▁", "d", "o", "</s>", "V", "PST"]
    assert tokens[2] == ["g", "o", "</s>", *["N"] * 5]
    assert outputs["truncated"].numpy().tolist() == [True, False, True]


def test_a_blank_text_has_a_blank_translation():
    translator = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    (best,) = translator.translate([" "], features=["V;PST"])[0]
    assert (best.text, best.score) == ("", 0)


def test_features_that_do_not_fit_are_refused(tiny_saved_model):
    plain, saved = tiny_translator(), Translator.load(tiny_saved_model)
    for translator in (plain, saved):
        assert not translator.has_features
        for call in (translator, translator.translate, translator.encode):
            with pytest.raises(ValueError, match="without features. Received: .*'V'"):
                call(["a"], features=["V"])
        with pytest.raises(ValueError, match="take two of each row"):
            translator.score([("a", "b", "V")])
    tokenizers = plain.source_tokenizer, plain.target_tokenizer
    text_to_text = TextToText([plain.model], *tokenizers, SEARCH)
    with pytest.raises(ValueError, match="without features"):
        text_to_text.translate(strings(["a"]), strings(["V"]))
    for function in signature_functions(text_to_text).values():
        assert "features" not in [spec.name for spec in function.specs]
    featured = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    with pytest.raises(ValueError, match="one string for each of the 2 texts.*3"):
        featured(["a", "b"], features=["V"] * 3)
    with pytest.raises(ValueError, match="`features` must be a list of strings"):
        featured(["a"], features="V")
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows"):
        featured.run("encode", {"text": strings(["a"]), "features": strings(["V"] * 2)})
    for features in (None, kseq2seq.FeatureVocabulary(["V"])):
        with pytest.raises(ValueError, match="source tokenizer.*with the features"):
            Translator(featured.model, *tokenizers, features)


def test_a_folder_keeps_no_features_of_another_model(tmp_path):
    tiny_translator(feature_vocabulary_size=NUM_FEATURES).save(tmp_path)
    assert (tmp_path / "features.json").is_file()
    tiny_translator().save(tmp_path)
    assert not (tmp_path / "features.json").is_file()
    assert Translator.load(tmp_path).features is None


def test_an_ensemble_and_a_preset_have_features(tmp_path):
    kinds = [
        tiny_translator(feature_vocabulary_size=NUM_FEATURES, features=kind)
        for kind in ("joined", "gated")
    ]
    together = Translator.ensemble(kinds, weights=[2, 1])
    ours, theirs = (np.array([x for x, _ in t.score(TRIPLES[:1])]) for t in kinds)
    # Of one step, the first target token, the probabilities are averaged.
    assert together.has_features and together.features == FEATURES
    score = together.score(TRIPLES[:1])[0][0]
    assert min(ours[0], theirs[0]) - 1 < score
    best = together.translate(TEXTS[:1], SEARCH, features=["N;PST"])[0][0]
    assert best.source_tokens[-2:] == ["N", "PST"]
    symbols = FEATURES.symbols
    for features, match in [
        (kseq2seq.FeatureVocabulary(["a", *symbols[1:]]), f"has {symbols[0]!r}, 'a'$"),
        (kseq2seq.FeatureVocabulary(symbols[::-1]), "same symbols in another order$"),
        (kseq2seq.FeatureVocabulary(symbols, "|"), r"models with ';' and '\|' between"),
    ]:
        others = Translator(
            kinds[0].model,
            kinds[0].source_tokenizer,
            kinds[0].target_tokenizer,
            features,
        )
        with pytest.raises(ValueError, match=f"must have the same features.*{match}"):
            Translator.ensemble([kinds[0], others])
    preset = kinds[1].save_to_preset(tmp_path / "preset")
    again = Translator.from_preset(preset)
    assert again.features == FEATURES
    assert again.score(TRIPLES) == kinds[1].score(TRIPLES)
    assert "`größer`" in (preset / "README.md").read_text(encoding="utf-8")
