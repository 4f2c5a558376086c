"""Help on all settings, which is a file of settings itself."""

import dataclasses
import re

from kseq2seq import Search, Seq2SeqConfig, trainer
from kseq2seq.trainer.recipe_files import read_toml
from kseq2seq.trainer.settings import SECTIONS, read_settings


def test_the_help_is_a_file_of_all_defaults(tmp_path):
    path = tmp_path / "all.toml"
    path.write_text(trainer.describe_settings())
    read = read_settings(path)
    for name, cls in SECTIONS.items():
        assert getattr(read, name) == cls()
    assert Search(**read.search) == Search()
    sizes = {"source_vocabulary_size": 10, "target_vocabulary_size": 10}
    assert Seq2SeqConfig(**sizes, **read.model) == Seq2SeqConfig(**sizes)
    given = read_toml(path)
    for name, cls in SECTIONS.items():
        assert list(given[name]) == [field.name for field in dataclasses.fields(cls)]


def test_each_setting_has_help_and_what_it_may_be():
    text = trainer.describe_settings()
    lines = text.replace("\n#   ", " ").splitlines()
    settings = [i for i, line in enumerate(lines) if re.match(r"(# )?\w+ =", line)]
    assert len(settings) > 50
    for number in settings:
        assert re.fullmatch(r"# [^a-z].+ \(.+\)", lines[number - 1])
    words = " ".join(text.replace("\n#  ", "").split())
    assert "Passes over the data (an integer of at least 1) epochs = 10" in words
    assert "one of parallel, tsv, jsonl, tfds, dates" in words
    assert "vocabulary_size" not in words.partition("[model]")[2]
    assert "# encoder_units =" in text
    assert "the commands translate by them, too. [search]" in words
