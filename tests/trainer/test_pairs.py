"""Parts of the data: read, held out, drawn."""

import pytest

from kseq2seq.trainer import pairs
from kseq2seq.trainer.settings import DataSettings

ROWS = [(f"source {n % 101}", f"target {n}") for n in range(211)]


@pytest.fixture
def read_parts(tmp_path):
    """Reads the parts of a data set whose rows are given."""

    def read(rows=(), **data):
        (tmp_path / "rows.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
        given = {"format": "tsv", "train": ("rows.tsv",), "held_out": 7, **data}
        return pairs.read_parts(DataSettings(**given), tmp_path)

    return read


def sizes(parts):
    return [len({source for source, _ in part}) for part in parts]


def test_no_source_is_in_two_parts(read_parts):
    parts = read_parts(ROWS)
    assert sizes(parts) == [87, 7, 7]
    assert len({source for part in parts for source, _ in part}) == 101
    assert sorted(pair for part in parts for pair in part) == sorted(ROWS)


def test_parts_that_are_given_are_taken_as_they_are(read_parts):
    train, _, test = read_parts(ROWS, test=("rows.tsv", "rows.tsv"))
    assert test == ROWS + ROWS
    assert len({source for source, _ in train}) == 94
    assert read_parts(ROWS, validation=("rows.tsv",)) == (ROWS, ROWS, [])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (5, [3, 1, 1]),
        (50, [40, 5, 5]),
        (101, [81, 10, 10]),
        (30000, [26000] + [2000] * 2),
    ],
)
def test_a_share_is_held_out_by_default(read_parts, count, expected):
    rows = [(f"source {n}", "target") for n in range(count)]
    default = DataSettings().held_out
    assert sizes(read_parts(rows, held_out=default)) == expected


@pytest.mark.parametrize(
    ("count", "held_out", "remedy"),
    [
        (4, 0.1, "which takes 1, 2 times. Give more data, or name files in data.valid"),
        (4, 3, "which takes 3, 2 times. Give more data, or name files"),
        (5, 3, "which takes 3, 2 times. Make it smaller, or give more data, or name"),
    ],
)
def test_a_share_is_made_smaller_only_where_it_can(read_parts, count, held_out, remedy):
    rows = [(f"source {n}", "target") for n in range(count)]
    with pytest.raises(ValueError, match=remedy):
        read_parts(rows, held_out=held_out)


def test_limit_draws_sources_with_all_their_targets(read_parts):
    train, validation, test = read_parts(ROWS, limit=5)
    assert sizes((train, validation, test)) == [5] * 3
    for source in {source for source, _ in train}:
        assert [x for x in train if x[0] == source] == [
            x for x in ROWS if x[0] == source
        ]
    assert train == sorted(train, key=ROWS.index)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({"train": ()}, "data.train must name what to train on"),
        ({"format": "tfds", "train": ()}, "for the format 'tfds'"),
        ({"held_out": 30}, "101 sources for training. Received: 30, which takes 30, 2"),
        ({"held_out": 0.26}, "Received: 0.26, which takes 26, 2 times"),
        ({"format": "dates"}, "'dates' reads no files"),
        ({"format": "parallel"}, "two files a part, source and target"),
        ({"train": ("absent",)}, "absent: no such file. .* --data names. Received: "),
        ({"train": ("no*.tsv",)}, r"no such file.*set data.stream = true\. Received: "),
        ({"columns": (0, 2)}, "column 2"),
    ],
)
def test_errors_of_data(read_parts, data, match):
    with pytest.raises(ValueError, match=match):
        read_parts(ROWS, **data)
