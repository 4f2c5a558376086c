"""Corpora that the section [data] names."""

import pytest

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.trainer import batches, find_recipe
from kseq2seq.trainer.settings import DataSettings, read_settings

ROWS = {
    "a.tsv": "1\tone\tX\n",
    "b.tsv": "2\ttwo\tY\n",
    "a.src": "3\n",
    "a.tgt": "three\n",
    "b.src": "4\n",
    "b.tgt": "four\n",
    "q.tsv": 'Zahl\tWort\n"6\t7"\t"six, seven"\n',
    "c.jsonl": '{"d": "5", "w": "five"}\n',
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"train": ("[ab].tsv",), "columns": (1, 0), "features_column": 2},
            [([("one", "1", "X"), ("two", "2", "Y")], 1.0)],
        ),
        (
            {"train": ("a.tsv", "b.tsv"), "weights": (3, 0.5)},
            [([("1", "one")], 3), ([("2", "two")], 0.5)],
        ),
        (
            {"format": "parallel", "train": ("a.src", "a.tgt", "b.src", "b.tgt")},
            [([("3", "three"), ("4", "four")], 1.0)],
        ),
        (
            {"train": ("q.tsv",), "header": True, "quoting": True},
            [([("6\t7", "six, seven")], 1.0)],
        ),
        (
            {"format": "jsonl", "train": ("*.jsonl",), "columns": ("w", "d")},
            [([("five", "5")], 1.0)],
        ),
    ],
    ids=["pattern", "weights", "parallel", "quotes", "jsonl"],
)
def test_corpora(tmp_path, settings, expected):
    for name, text in ROWS.items():
        (tmp_path / name).write_text(text)
    made = batches.make_corpora(DataSettings(**{"format": "tsv", **settings}), tmp_path)
    assert [(sorted(data.sample(x)), x.weight) for x in made] == expected


def test_signs_of_patterns_in_names_that_there_are(tmp_path):
    folder = tmp_path / "d[1]"
    folder.mkdir()
    for name in ("a[1].tsv", "b.tsv", "a[1].src", "b.src", "a[1].tgt", "b.tgt"):
        (folder / name).write_text(f"{name}\tone\n")

    def rows(format_, *train):
        settings = DataSettings(format=format_, train=train)
        (corpus,) = batches.make_corpora(settings, folder)
        return sorted(row[0].split("\t")[0] for row in data.sample(corpus))

    assert rows("tsv", "a[1].tsv") == ["a[1].tsv"]
    assert rows("tsv", "b.tsv") == ["b.tsv"]
    assert rows("tsv", "*.tsv") == ["a[1].tsv", "b.tsv"]
    assert rows("parallel", "a[1].src", "a[1].tgt") == ["a[1].src"]
    assert rows("parallel", "*.src", "*.tgt") == ["a[1].src", "b.src"]
    # A pattern of others, while no file has the name.
    assert rows("tsv", "[b].tsv") == ["b.tsv"]
    with pytest.raises(data.DataError, match=r"c\[1\]\.tsv: no such file"):
        rows("tsv", "c[1].tsv")


def test_sizes_that_have_no_effect_are_told(tmp_path, caplog):
    tokenizer = train_tokenizer(["ab"], kind="character")
    sides = tokenizer, tokenizer, None
    for changes, told in (
        ([], False),
        (["batches.batch_tokens=90"], False),
        (["batches.batch_tokens=90", "batches.batch_size=7"], True),
    ):
        settings = read_settings(find_recipe("dates"), changes)
        batches.make_training_batches(settings, tmp_path, [("a", "b")], sides)
        assert ("batch_size = 7 has no effect beside" in caplog.text) is told


def test_splits_of_tfds(tmp_path):
    settings = DataSettings(format="tfds", name="set", source="pt", train=("a", "b"))
    (corpus,) = batches.make_corpora(settings, tmp_path)
    assert [part.name for part in corpus.parts] == ["set, a", "set, b"]
    assert corpus.parts[1].rows.args == ("set", "b", "pt", None)
