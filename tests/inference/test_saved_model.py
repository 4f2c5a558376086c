"""SavedModels loaded again: the answers, and what is refused."""

import copy
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import SavedTranslator, Search, Translator
from kseq2seq.runs import EXPORT_SETTINGS_FILE
from loaders import strings
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=3, max_length=11)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def saved(tiny_saved_model):
    return tiny_saved_model


@pytest.fixture(scope="module")
def loaded(saved):
    return SavedTranslator(saved)


def test_load_takes_the_newest_whole_version(translator, saved, tmp_path):
    shutil.copytree(saved, tmp_path / "9")
    shutil.copytree(saved, tmp_path / "10")
    (tmp_path / "11").mkdir()
    loaded = Translator.load(tmp_path)
    assert isinstance(loaded, SavedTranslator)
    assert loaded.path == tmp_path / "10" and loaded.search == SEARCH
    expected = translator.translate([*TEXTS, "\ud800\0"], SEARCH)
    actual = loaded.translate([*TEXTS, "\ud800\0"], SEARCH, batch_size=2)
    assert [x.text for x, *_ in actual] == [x.text for x, *_ in expected]
    assert loaded(TEXTS) == [best.text for best, *_ in actual[:-1]]
    assert loaded([], beam=3) == []


def test_a_loaded_search_cannot_be_changed(saved, loaded, tmp_path):
    with pytest.raises(ValueError, match="beam size of the export, 3:.*beam=5"):
        loaded(TEXTS, beam=5)
    with pytest.raises(ValueError, match="that of the export.*beam_size=2"):
        loaded.translate(TEXTS, Search(beam_size=2))
    with pytest.raises(ValueError, match="list of strings"):
        loaded("a dog")
    shutil.copytree(saved, tmp_path / "1")
    shutil.rmtree(tmp_path / "1" / "assets.extra")
    loaded = Translator.load(tmp_path)
    assert loaded.search is None and len(loaded(TEXTS)) == len(TEXTS)
    with pytest.raises(ValueError, match="beam=3"):
        loaded(TEXTS, beam=3)


def test_what_is_no_saved_model_of_ours_is_refused(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold saved_model\.pb"):
        SavedTranslator(tmp_path)
    shutil.copytree(saved, tmp_path / "1")
    (tmp_path / "1" / "variables" / "variables.index").unlink()
    with pytest.raises(ValueError, match="not a whole SavedModel; export it again"):
        Translator.load(tmp_path)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a whole SavedModel"):
        Translator.load(tmp_path)
    other = keras.export.ExportArchive()
    other.add_endpoint("serve", lambda x: x, [tf.TensorSpec([None], name="x")])
    other.write_out(str(tmp_path / "2"), verbose=False)
    with pytest.raises(ValueError, match=r"'serving_default' from 'text'.*\['x'\]"):
        Translator.load(tmp_path)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_both_translators_give_the_n_best(translator, loaded, count):
    ours, theirs = (
        x.translate(TEXTS, SEARCH, batch_size=4, progress=False, num_hypotheses=count)
        for x in (translator, loaded)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert [x.text for x in one] == [x.text for x in other]
        scores = [[x.score for x in row] for row in (one, other)]
        np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-5)


def test_both_translators_complete(translator, loaded, tmp_path):
    prefixes = ["ein", None, "die V", "wir ", "犬", "e"]
    ours, theirs = (
        x.translate(TEXTS, SEARCH, num_hypotheses=1, prefix=prefixes)
        for x in (translator, loaded)
    )
    for (one,), (other,) in zip(ours, theirs, strict=True):
        assert one.text == other.text
        np.testing.assert_allclose(one.score, other.score, atol=1e-5)
    with pytest.raises(ValueError, match="`prefix` must come without `alignments`"):
        loaded.translate(TEXTS, prefix=prefixes, alignments=True)
    with pytest.raises(ValueError, match="must be one of complete.*'finish'"):
        translator.export(tmp_path / "other", extra_signatures=["finish"])


def test_both_translators_align(translator, loaded):
    both = translator, loaded
    ours, theirs = (x.translate(TEXTS, SEARCH, alignments=True) for x in both)
    for (one,), (other,) in zip(ours, theirs, strict=True):
        assert one.source_tokens == other.source_tokens
        assert one.target_tokens == other.target_tokens
        np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-5)
    for x in both:
        actual = x.translate(TEXTS[:2], SEARCH, alignments=False)
        assert [best.alignment for (best,) in actual] == [None, None]


def test_what_an_export_cannot_names_the_remedy(loaded, monkeypatch):
    for count in (0, 4, True, 2.0):
        with pytest.raises(
            ValueError, match=f"from 1 to 3.*load the run folder.*={count}"
        ):
            loaded.translate(TEXTS, num_hypotheses=count)
    with pytest.raises(ValueError, match="aligns the best.*run folder.*hypotheses=2"):
        loaded.translate(TEXTS, num_hypotheses=2, alignments=True)
    alone = {"serving_default": loaded.signatures["serving_default"]}
    monkeypatch.setattr(loaded, "signatures", alone)
    with pytest.raises(ValueError, match="from 1 to 1.*num_hypotheses=2"):
        loaded.translate(TEXTS, num_hypotheses=2)
    with pytest.raises(ValueError, match="has no attention.*Received: alignments=True"):
        loaded.translate(TEXTS, alignments=True)


def test_what_the_run_folder_alone_can_names_it(loaded):
    for name, value in {
        "forced": [["ein"]] * len(TEXTS), "allowed": ["ein"], "forced_in_order": True
    }.items():  # fmt: skip
        message = f"`{name}` must be left out.*Load the run folder.*: {name}="
        with pytest.raises(ValueError, match=message):
            loaded.translate(TEXTS, **{name: value})
    assert loaded.translate([], forced_in_order=False) == []
    with pytest.raises(AttributeError, match="'sample_distinct': .*the run folder"):
        loaded.sample_distinct(TEXTS, 2)
    assert not hasattr(loaded, "save") and copy.copy(loaded)(TEXTS) == loaded(TEXTS)


def test_inputs_are_checked(loaded):
    with pytest.raises(ValueError, match="'text' must be string: "):
        loaded.run("encode", {"text": [1, 2]})
    with pytest.raises(ValueError, match=r"'text' must have one axis.*shape=\(1, 1\)"):
        loaded.run("encode", {"text": [["a"]]})
    with pytest.raises(ValueError, match="same number of rows: give.*'target': 2"):
        loaded.run("score", {"text": strings(["a"]), "target": strings(["b", "c"])})
    with pytest.raises(ValueError, match="must be one of align, .*Received: 'parse'"):
        loaded.run("parse", {})
    with pytest.raises(ValueError, match="of 'encode' must be text. Received: none"):
        loaded.run("encode", {})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"search": {"beam": 5}}),
        json.dumps({"search": {"beam_size": 0}}),
        b"\xff",
    ],
)
def test_damaged_settings_are_named(saved, tmp_path, content):
    shutil.copytree(saved, tmp_path / "1")
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "1" / EXPORT_SETTINGS_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"kseq2seq\.json must be JSON.*or delete the"):
        SavedTranslator(tmp_path)


def test_settings_of_an_older_export_are_read(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "1")
    about = json.dumps({"search": {"beam_size": 3, "max_length": 11}})
    (tmp_path / "1" / EXPORT_SETTINGS_FILE).write_text(about)
    # Those wrote unknown tokens.
    search = dataclasses.replace(SEARCH, forbid_unknown=False)
    assert SavedTranslator(tmp_path).search == search
