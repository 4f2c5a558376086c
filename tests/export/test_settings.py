"""Fixed settings of an export, which stand in two files and are the same in both."""

import json

from kseq2seq import Limits, Search, Translator, __version__
from kseq2seq.export.settings import ExportSettings
from translators import tiny_translator

SEARCH = Search(beam_size=2, max_length=7, min_length=1)
LIMITS = Limits(max_bytes=50, max_tokens=20)


def test_both_files_of_an_export_tell_the_settings(tmp_path, export_only):
    export_only("serving_default")
    translator = tiny_translator(units=16, embedding_size=16)
    path = translator.export(tmp_path, SEARCH, LIMITS, weights="float16")
    about = json.loads((path / "assets.extra" / "kseq2seq.json").read_text())
    expected = ExportSettings(SEARCH, LIMITS, "float16", "float32").as_dict()
    assert about == expected and about["kseq2seq"] == __version__
    card = json.loads((path / "model_card.json").read_text())
    assert card["search"] == about["search"] and card["limits"] == about["limits"]
    assert card["weights"]["dtype"] == "float16"
    assert card["weights"]["products"] == "float32"
    assert Translator.load(path).search == SEARCH
