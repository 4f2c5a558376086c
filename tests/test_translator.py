"""The translator: what goes in and comes out, however it is batched and saved."""

import copy
import json
import pickle
import shutil
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Search, Translator, presets
from kseq2seq.models import precision
from kseq2seq.runs import save_model
from kseq2seq.utils import EOS_ID
from translators import PAIRS, TEXTS, tiny_translator

SEARCH = Search(beam_size=3, max_length=11)
GREEDY = Search(beam_size=1, max_length=17)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def assert_same(actual, expected, exact=False):
    """Same lists of translations; floats exactly so, or to 1e-5."""
    tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-5}
    assert len(actual) == len(expected)
    for row, expected_row in zip(actual, expected, strict=True):
        assert len(row) == len(expected_row)
        for one, other in zip(row, expected_row, strict=True):
            assert one[:1] + one[3:5] == other[:1] + other[3:5]
            for field in ("score", "log_prob", "alignment"):
                got, wanted = getattr(one, field), getattr(other, field)
                np.testing.assert_allclose(got, wanted, **tolerance, err_msg=field)


def test_each_text_gets_its_own_translation_however_batched(translator):
    actual = translator.translate(TEXTS, SEARCH)
    texts = [best.text for best, *_ in actual]
    assert len(set(texts)) == 5 and texts[0] == texts[4]
    assert [len(best) for best in actual] == [1] * len(TEXTS)
    assert_same(translator.translate(TEXTS, SEARCH, batch_size=2), actual)
    assert_same(translator.translate(TEXTS[::-1], SEARCH, batch_size=1), actual[::-1])


def test_call_gives_the_best_of_the_default_search(translator):
    actual = translator.translate(TEXTS[:2], Search(beam_size=2))
    assert translator(iter(TEXTS[:2]), beam=2) == [best.text for best, *_ in actual]
    assert translator([]) == [] == translator.translate([])


def test_tokens_are_those_of_the_text(translator):
    for text, (best,) in zip(TEXTS, translator.translate(TEXTS, SEARCH), strict=True):
        assert best.source_tokens == [*text.replace(" ", "▁"), "</s>"]
        target = "".join(best.target_tokens)
        assert target.removesuffix("</s>") == best.text.replace(" ", "▁")


def test_alignments_have_a_row_for_each_token(translator):
    for (best,) in translator.translate(TEXTS, SEARCH):
        shape = (len(best.target_tokens), len(best.source_tokens))
        assert best.alignment.shape == shape
        np.testing.assert_allclose(best.alignment.sum(axis=1), 1, atol=1e-6)
    for (best,) in tiny_translator(attention="none").translate(TEXTS[:2], SEARCH):
        assert best.alignment is None


def test_what_greedy_search_finds_is_scored_alike(translator):
    texts = [
        *filter(None, TEXTS),
        *["the cat", "dogs", "a bird sees", "home we go", "sees", "birds run"],
    ]
    actual = translator.translate(texts, GREEDY)
    ended = [
        (text, best)
        for text, (best,) in zip(texts, actual, strict=True)
        if best.target_tokens[-1] == "</s>"
    ]
    assert len(ended) > 2 and len({best.score for _, best in ended}) > 1
    pairs = [(text, best.text) for text, best in ended]
    scored = translator.score(pairs, batch_size=2)
    for (log_prob, length), (_, best) in zip(scored, ended, strict=True):
        np.testing.assert_allclose(log_prob, best.log_prob, rtol=1e-5, atol=1e-5)
        assert best.score == best.log_prob and length == len(best.target_tokens)
    assert translator.score([]) == []


def test_lengths_keep_to_the_search(translator):
    search = Search(
        1, min_length_factor=0.5, max_length_factor=0.75, max_length_offset=1
    )
    for (best,) in translator.translate([text for text in TEXTS if text], search):
        source, target = len(best.source_tokens), len(best.target_tokens)
        assert round(0.5 * source) <= target <= round(0.75 * source + 1)


def test_no_translation_is_shorter_than_the_least(translator):
    least = 1 + max(
        len(best.target_tokens)
        for (best,) in translator.translate(TEXTS, Search(1, max_length_offset=1))
    )
    search = Search(1, min_length=least, min_length_factor=0.1, max_length_offset=99)
    for (best,) in translator.translate([text for text in TEXTS if text], search):
        assert len(best.target_tokens) >= least


def test_a_blank_text_has_the_blank_translation_and_no_other(translator):
    search = Search(beam_size=3, num_hypotheses=3, max_length=11, min_length=2)
    texts = ["", " \t", "\u200b", "\ufeff\u00ad\n", "\u2060\u200e", "\0", "a"]
    *blank, other = translator.translate(texts, search)
    for actual in blank:
        (only,) = actual
        assert only[:5] == ("", 0.0, 0.0, ["</s>"], ["</s>"])
        assert only.alignment.shape == (1, 1)
    assert len(other) == 3 and all(one.text for one in other)


def test_unusual_characters_do_not_disturb_their_neighbours(translator):
    strange = ["a\0b", "\0", "犬", "\ud800", " a  dog ", "</s>"]
    actual = translator.translate([*strange, *TEXTS], SEARCH)
    assert_same(actual[len(strange) :], translator.translate(TEXTS, SEARCH))
    tokens = [best.source_tokens for best, *_ in actual]
    assert tokens[0] == ["a", "<unk>", "b", "</s>"]
    assert tokens[1] == ["</s>"] and tokens[2] == ["<unk>", "</s>"]
    assert {*tokens[3]} == {"<unk>", "</s>"}


def test_what_training_does_to_the_weights_is_seen():
    translator = tiny_translator()
    texts = [TEXTS[0], TEXTS[2]]
    assert all(translator(texts, beam=1))
    bias = translator.model.get_layer("projection").bias
    bias.assign(1000.0 * tf.one_hot(EOS_ID, bias.shape[0]))
    assert translator(texts, beam=1) == ["", ""]
    # One that has diverged translates to nothing, rather than failing.
    for variable in translator.model.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan))
    assert translator(texts, beam=1) == ["", ""]


def test_a_model_that_has_diverged_is_refused(tmp_path):
    translator = tiny_translator()
    translator.save(tmp_path / "run")
    kernel = next(x for x in translator.model.weights if x.name == "kernel")
    values = keras.ops.convert_to_numpy(kernel).copy()
    values[1, 2] = np.nan
    kernel.assign(values)
    message = "weights that are numbers.*lower learning rate.*NaN in 1 of .*kernel"
    vocabularies = translator.source_tokenizer, translator.target_tokenizer
    with pytest.raises(ValueError, match=message):
        Translator(translator.model, *vocabularies)
    with pytest.raises(ValueError, match=message):
        translator.export(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    save_model(translator.model, tmp_path / "run" / "model.keras")
    with pytest.raises(ValueError, match=message):
        Translator.load(tmp_path / "run")
    # A bias of -inf is a way to rule an output out.
    other = tiny_translator().model
    other.get_layer("projection").bias.assign(
        np.where(np.arange(vocabularies[1].vocabulary_size) == EOS_ID, -np.inf, 0.0)
    )
    (best,) = Translator(other, *vocabularies).translate(TEXTS[:1], GREEDY)[0]
    assert len(best.target_tokens) == 17


def test_save_and_load(translator, tmp_path):
    translator.save(tmp_path / "new" / "run")
    loaded = Translator.load(tmp_path / "new" / "run")
    names = sorted(path.name for path in (tmp_path / "new" / "run").iterdir())
    assert names == ["model.keras", "source.model", "target.model"]
    expected = translator.translate(TEXTS, SEARCH)
    assert_same(loaded.translate(TEXTS, SEARCH), expected, exact=True)


def test_half_precision_is_loaded_in_float32(tmp_path):
    ours = tiny_translator(policy="mixed_bfloat16")
    ours.save(tmp_path)
    loaded = Translator.load(tmp_path)
    assert precision.is_float32(loaded.model) and not precision.is_float32(ours.model)
    exact = precision.float32_copy(ours.model)
    tokenizers = ours.source_tokenizer, ours.target_tokenizer
    expected = Translator(exact, *tokenizers).score(PAIRS)
    assert loaded.score(PAIRS) == expected
    rounded = [log_prob for log_prob, _ in ours.score(PAIRS)]
    wanted = [log_prob for log_prob, _ in expected]
    np.testing.assert_allclose(rounded, wanted, rtol=0.05)
    assert np.abs(np.subtract(rounded, wanted)).max() > 1e-3


def test_a_path_is_no_shortlist(translator):
    parts = translator.model, translator.source_tokenizer, translator.target_tokenizer
    with pytest.raises(ValueError, match=r"load_shortlist.*'runs/a' of type str"):
        Translator(*parts, shortlist="runs/a")


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.keras.*saved_model\.pb.*nil"):
        Translator.load(tmp_path / "nil")
    (tmp_path / "model.keras").touch()
    with pytest.raises(FileNotFoundError, match="by from_preset. .* no folder"):
        Translator.load(tmp_path / "model.keras")


def test_a_preset_is_loaded_as_it_was_saved(translator, tmp_path):
    folder = translator.save_to_preset(tmp_path / "greetings", licence="apache-2.0")
    loaded = Translator.from_preset(folder)
    assert loaded.score(PAIRS) == translator.score(PAIRS)
    assert type(Translator.load(folder)) is Translator
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: kseq2seq\n")
    assert "\nlicense: apache-2.0\n---\n\n# greetings\n" in card
    assert "language" not in card and str(tmp_path) not in card
    assert 'Translator.from_preset("greetings")' in card
    assert "Nothing is recorded." in card
    parameters = sum(np.size(x) for x in translator.model.get_weights())
    assert f"{parameters:,} parameters in float32" in card


def test_a_preset_of_a_preset_keeps_its_records(tmp_path):
    dates = Translator.from_preset("dates")
    folder = dates.save_to_preset(tmp_path / "copy")
    again = Translator.from_preset(folder)
    assert again.run_folder == folder
    for name in ("settings.json", "training.json", "scores.json", "history.json"):
        copied, original = folder / name, dates.run_folder / name
        assert copied.read_bytes() == original.read_bytes()
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "exact_match|" in card and "license:" not in card


def test_float16_has_half_of_the_bytes_and_rounded_weights(tmp_path):
    translator = tiny_translator(units=94)
    before = translator.model.get_weights()
    whole = translator.save_to_preset(tmp_path / "whole")
    half = translator.save_to_preset(tmp_path / "half", weights="float16")
    sizes = [(x / "model.keras").stat().st_size for x in (half, whole)]
    assert sizes[0] < 0.6 * sizes[1]
    loaded = Translator.from_preset(half)
    assert precision.is_float32(loaded.model)
    for weight, actual in zip(before, loaded.model.get_weights(), strict=True):
        rounded = np.asarray(weight, np.float16).astype(np.float32)
        np.testing.assert_array_equal(actual, rounded)
    assert "in float16" in (half / "README.md").read_text(encoding="utf-8")
    bias = translator.model.get_layer("projection").bias
    bias.assign(np.full(bias.shape, 1e5))
    with pytest.raises(ValueError, match=r"at most 65,504.*store float32"):
        translator.save_to_preset(tmp_path / "large", weights="float16")
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"weights": "int8"}, "`weights` must be one of float32, float16"),
        ({"licence": "a: b"}, r"`licence` must be a name.*'apache-2\.0'.*'a: b'"),
        ({"licence": 5}, "`licence` must be `None` or a string.*licence=5 of type int"),
    ],
)
def test_save_to_preset_refuses(translator, tmp_path, options, match):
    with pytest.raises(ValueError, match=match):
        translator.save_to_preset(tmp_path / "new", **options)
    assert [*tmp_path.iterdir()] == []


def layer_of_a_module(name):
    """A layer in a `.keras` file that names a class of some module."""
    module, _, cls = name.rpartition(".")
    return {"module": module, "class_name": cls, "config": {}, "registered_name": name}


def of_a_lambda():
    inputs = keras.Input((3,))
    function = keras.layers.Lambda(lambda x: x + Path("stolen").write_text("x"))
    return json.loads(keras.Model(inputs, function(inputs)).to_json())


@pytest.mark.parametrize(
    "make",
    [
        of_a_lambda,
        lambda: layer_of_a_module("this_runs_when_imported.Layer"),
        lambda: layer_of_a_module("os.system"),
        lambda: layer_of_a_module("keras.utils.get_file"),
    ],
)
def test_no_code_of_a_preset_is_run(translator, tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    config = make()
    (tmp_path / "stolen").unlink(missing_ok=True)  # Keras calls a layer to make it
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "this_runs_when_imported.py").write_text("open('stolen', 'w')")
    translator.save(tmp_path / "run")
    path = tmp_path / "run" / "model.keras"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)

    def save(folder):
        shutil.copytree(tmp_path / "run", folder, dirs_exist_ok=True)

    presets.write_preset(tmp_path / "preset", save)
    with pytest.raises(ValueError, match="preset: its model must be made of layers"):
        Translator.from_preset(tmp_path / "preset")
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize("side", ["source", "target"])
def test_tokenizers_must_fit_the_model(translator, side):
    tokenizers = {
        "source_tokenizer": translator.source_tokenizer,
        "target_tokenizer": translator.target_tokenizer,
    }
    size = tokenizers[f"{side}_tokenizer"].vocabulary_size
    other = kseq2seq.tokenizers.train_tokenizer(["ab"], kind="character")
    with pytest.raises(ValueError, match=rf"{side} tokenizer.* {size} .* 6 ids"):
        Translator(translator.model, **{**tokenizers, f"{side}_tokenizer": other})


def test_model_must_be_of_ours(translator):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="two")])
    with pytest.raises(ValueError, match="`build_model`.*two"):
        Translator(model, translator.source_tokenizer, translator.target_tokenizer)


def test_backend_must_be_tensorflow(translator, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow.*'jax'"):
        Translator(translator.model, *[translator.source_tokenizer] * 2)


def test_search_returns_no_more_than_it_keeps():
    with pytest.raises(ValueError, match="num_hypotheses=3, beam_size=2"):
        Search(beam_size=2, num_hypotheses=3)


def test_the_shortest_translation_is_no_longer_than_the_longest():
    with pytest.raises(ValueError, match="`max_length`; .*min_length=9, max_length=7"):
        Search(min_length=9, max_length=7)
    assert Search(min_length=7, max_length=7).min_length == 7


def test_a_mean_has_an_exponent():
    with pytest.raises(ValueError, match="length_penalty` must be above 0 with"):
        Search(length_normalization="mean", length_penalty=0.0)
    with pytest.raises(ValueError, match="one of wu, mean.*='average'"):
        Search(length_normalization="average")


def test_groups_of_a_beam_are_equal():
    with pytest.raises(ValueError, match="multiple.*beam_size=5, num_groups=2"):
        Search(num_groups=2)


def test_precision_is_that_of_the_model_whatever_the_global_policy():
    ours = tiny_translator(input_feeding=True)
    expected = ours.translate(TEXTS[:1], GREEDY)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        again = Translator(ours.model, ours.source_tokenizer, ours.target_tokenizer)
        assert_same(again.translate(TEXTS[:1], GREEDY), expected, exact=True)
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_translator_is_sent_to_a_process_that_was_spawned(
    translator, tiny_saved_model
):
    texts = ["the cat", "a dog"]
    expected = translator.translate(texts)
    sent = pickle.loads(pickle.dumps(translator))
    assert_same(sent.translate(texts), expected)
    assert_same(copy.deepcopy(translator).translate(texts), expected)
    saved = Translator.load(tiny_saved_model.parent)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for sent in (translator, saved):
            assert pool.submit(sent, texts).result(timeout=240) == sent(texts)
