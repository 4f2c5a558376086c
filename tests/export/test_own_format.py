"""A format of one's own, by public names alone: a SavedModel from ids to ids."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search, models, utils
from kseq2seq.export import add_export, check_folder, search_function, search_in_words
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=3, max_length=11)
SPOKEN = [text for text in TEXTS if text]


def export_ids(folder, translator, search):
    """Writes the next version: what a file in `kseq2seq/export` would hold."""
    folder = check_folder(folder)
    model = models.portable_copy(translator.model)
    module = tf.Module()
    module.search = search_function(model, search, [None, None])
    module.variables_used = model.variables

    def save_graph(path):
        tf.saved_model.save(module, str(path / "graph"))

    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    about = {"format": "ids", "search": dataclasses.asdict(search)}
    files = {"README.md": f"# Ids to ids\n\nBy {search_in_words(search)}.\n"}
    return add_export(folder, tokenizers, files, about, check=save_graph)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def test_it_gives_what_python_gives(translator, tmp_path):
    path = export_ids(tmp_path / "ids", translator, SEARCH)
    assert path == tmp_path / "ids" / "1"
    loaded = tf.saved_model.load(str(path / "graph"))
    source = translator.source_tokenizer.tokenize(SPOKEN).to_tensor(utils.PAD_ID)
    outputs = {name: x.numpy() for name, x in loaded.search(source).items()}
    expected = translator.translate(SPOKEN, SEARCH)
    for row, (best,) in enumerate(expected):
        ids = outputs["ids"][row, 0, : outputs["lengths"][row, 0]]
        assert translator.target_tokenizer.pieces(ids.tolist()) == best.target_tokens
        np.testing.assert_allclose(outputs["scores"][row, 0], best.score, rtol=1e-5)


def test_the_files_beside_it_tell_what_it_is(translator, tmp_path):
    path = export_ids(tmp_path, translator, SEARCH)
    about = json.loads((path / "kseq2seq.json").read_text())
    assert about["format"] == "ids" and Search(**about["search"]) == SEARCH
    assert "beam search of 3" in (path / "README.md").read_text()
    names = {file.name for file in path.iterdir()} - {"graph"}
    assert names == {"README.md", "kseq2seq.json", "source.model", "target.model"}


def test_a_folder_of_saved_models_is_refused(translator, tmp_path):
    Path(tmp_path, "1").mkdir()
    Path(tmp_path, "1", "saved_model.pb").touch()
    with pytest.raises(ValueError, match="must hold no SavedModels"):
        export_ids(tmp_path, translator, SEARCH)
