import csv
import io
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kseq2seq import data
from kseq2seq.data.tsv import iter_tsv
from packed import write

FRA = 'Go.\tVa !\tCC-BY 2.0 (France) #2877272\nHi.\tSalut "toi" !\tCC-BY\n'


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".zip"])
def test_read_tsv(tmp_path, suffix):
    path = write(tmp_path / f"fra{suffix}", FRA)
    assert data.read_tsv(path) == [("Go.", "Va !"), ("Hi.", 'Salut "toi" !')]
    assert data.read_tsv(path, columns=[2, 0])[1] == ("CC-BY", "Hi.")


def test_read_tsv_names_the_line_without_the_column(tmp_path, caplog):
    path = write(tmp_path / "fra.txt", "a\tb\tc\n\n\td\te\nf\tg\n")
    assert data.read_tsv(path) == [("a", "b"), ("f", "g")]
    assert "left out 2 of 4" in caplog.text and "number 2." in caplog.text
    message = r"fra.txt:4: column 2 .*at least 3 columns.*Received: 2 in 'f\\tg'"
    with pytest.raises(data.DataError, match=message):
        data.read_tsv(path, columns=(0, 2))


@pytest.mark.parametrize(
    "columns", [(0,), (0, -1), (0, 1, -2), (0, 1, 2, 3), (0, "1"), ()]
)
def test_columns_must_be_two(tmp_path, columns):
    with pytest.raises(ValueError, match=re.escape(f"columns={columns!r}")):
        data.read_tsv(tmp_path / "fra.txt", columns)


# --- headers ---


@pytest.mark.parametrize(
    "header",
    ["source\ttarget", "English\tFrench", "en\tfr", "SRC_TEXT\tTGT_TEXT",
     "English sentence\tFrench translation", "word\tpronunciation"],
)  # fmt: skip
def test_a_first_line_that_names_columns_is_no_pair(tmp_path, caplog, header):
    path = write(tmp_path / "fra.txt", header + "\n" + FRA)
    pairs = [("Go.", "Va !"), ("Hi.", 'Salut "toi" !')]
    assert data.read_tsv(path) == pairs
    assert f"{path}: left out the first line, which names" in caplog.text
    names = tuple(header.split("\t"))
    assert data.read_tsv(path, header=False) == [names, *pairs]
    assert data.read_tsv(path, header=True) == pairs
    assert list(iter_tsv(path, header=False)) == [names, *pairs]
    assert list(iter_tsv(path, header=True)) == list(iter_tsv(path)) == pairs
    assert data.read_tsv(path, names) == data.read_tsv(path, names, True) == pairs
    for read in (data.read_tsv, lambda *x: list(iter_tsv(*x))):
        with pytest.raises(ValueError, match="`header` cannot be False with names in"):
            read(path, names, False)
    assert data.read_tsv(path, names[::-1]) == [pair[::-1] for pair in pairs]
    sides = zip(names, *data.read_tsv(path), strict=True)
    files = [
        write(tmp_path / f"side{n}", "\n".join(side)) for n, side in enumerate(sides)
    ]
    caplog.clear()
    assert data.read_parallel(*files) == pairs
    assert "names columns" in caplog.text
    path = write(tmp_path / "fra.txt", header + "\n")
    with pytest.raises(data.DataError, match="expected pairs. Received: names"):
        data.read_tsv(path)


def test_other_first_lines_are_pairs(tmp_path, caplog):
    for line in ("Go.\tVa !", "source\tsource", "en\tEH N", "English\tanglais",
                 # Words that are names or codes of languages, too.
                 "It.\tEs.", "He\tit", "He\tIt", "French.\tDa.", "German\tde",
                 "Question?\tAnswer!", "text\tid"):  # fmt: skip
        path = write(tmp_path / "fra.txt", f"{line}\n{FRA}")
        assert data.read_tsv(path)[0] == tuple(line.split("\t"))
    assert not caplog.messages


def test_names_of_columns(tmp_path):
    path = write(tmp_path / "fra.txt", "id\tEN\tFR\tFR\n1\ta\tb\tc\n")
    assert data.read_tsv(path, ["EN", "id"]) == [("a", "1")]
    for names in (("EN", "DE"), ("EN", "FR")):
        with pytest.raises(data.DataError, match="fra.txt:1: .*'EN' and .*'id', 'EN'"):
            data.read_tsv(path, names)
    for name in ("header", "quoting"):
        with pytest.raises(ValueError, match=f"`{name}` must be True or False"):
            data.read_tsv(path, **{name: "yes"})


# --- CSV ---

CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0\ufeff"), max_size=7
).map(lambda text: text + "x")


@settings(deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4),
    st.sampled_from(",;\t"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
@example([("Go, now", 'She said "no"'), ("a;b\tc", "d\ne")], ",", csv.QUOTE_MINIMAL)
def test_csv_is_read_as_python_reads_it(tmp_path_factory, pairs, delimiter, quotes):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quotes, lineterminator="\n")
    writer.writerows([("source", "target"), *pairs])
    for name in ("pairs.csv", "pairs.CSV.gz"):
        path = write(tmp_path_factory.mktemp("csv") / name, text.getvalue())
        assert data.read_tsv(path) == data.read_tsv(path, ("source", "target")) == pairs


def test_quotes_of_csv_are_not_taken_for_text(tmp_path):
    for content, line in (
        ('Go.\tVa !\n"She said ""no"""\tNon\n', 2),
        ('"Go."\t"Va !"\n"Hi."\t"Salut !"\n', 1),
        ('Anglais\tFrançais\n"Go."\t"Va !"\n"Hi."\t"Salut !"\n', 2),
    ):
        path = write(tmp_path / "fra.tsv", content)
        message = rf"fra\.tsv:{line}: quotes look like those of CSV.*quoting=True or a"
        with pytest.raises(data.DataError, match=message):
            data.read_tsv(path)
        with pytest.raises(data.DataError, match=message):
            next(iter_tsv(path))
        read = data.read_tsv(path, quoting=True)
        expected = [*csv.reader(io.StringIO(content), delimiter="\t")]
        assert read == [tuple(row) for row in expected]
        as_text = [tuple(row.split("\t")) for row in content.splitlines()]
        assert data.read_tsv(path, quoting=False) == as_text
        assert list(iter_tsv(path, quoting=True)) == read
        assert list(iter_tsv(path, quoting=False)) == as_text


def test_quotes_of_text_are_kept(tmp_path):
    content = '"Go!" he said.\t"Va!"\n"Yes."\tOui.\n""\t"\n'
    path = write(tmp_path / "fra.tsv", content)
    expected = [tuple(row.split("\t")) for row in content.splitlines()]
    assert data.read_tsv(path) == expected


def test_one_row_in_quotes_says_nothing_of_the_file(tmp_path):
    for content in ('"Go."\t"Va !"\n', 'Go.\tVa !\n"Hi."\t"Salut !"\n'):
        path = write(tmp_path / "fra.tsv", content)
        expected = [tuple(row.split("\t")) for row in content.splitlines()]
        assert data.read_tsv(path) == expected


def test_quotes_are_text_where_one_cell_has_others(tmp_path):
    content = 'Why?\t"Why?""Because."\nHe said "no".\tNon.\n'
    path = write(tmp_path / "fra.tsv", content)
    expected = [("Why?", '"Why?""Because."'), ('He said "no".', "Non.")]
    assert data.read_tsv(path) == expected


def test_errors_of_csv(tmp_path):
    path = write(tmp_path / "a.csv", 'a,b\nc,d\n"e\nf,g\n')
    with pytest.raises(
        data.DataError, match=r"a\.csv:3: expected a row of CSV.*quotes"
    ):
        data.read_tsv(path)
    path = write(tmp_path / "a.csv", f"a,b\n{'c' * 131_073},d\n")
    with pytest.raises(data.DataError, match="Mend its .* raise csv.field_size_limit"):
        data.read_tsv(path)
    path = write(tmp_path / "a.csv", 'a, b\n"c",d\ne, "f, g"\n')
    with pytest.raises(data.DataError, match=r"a\.csv:3: .* Leave out the blank ahead"):
        data.read_tsv(path)
    assert data.read_tsv(path, quoting=False)[1] == ('"c"', "d")
    # A text that begins so.
    path = write(tmp_path / "a.csv", 'a," ""b"", c"\n')
    assert data.read_tsv(path) == [("a", ' "b", c')]
    path = write(tmp_path / "a.csv", "a;b\n\nc\n")
    with pytest.raises(data.DataError, match=r"a\.csv:3: .*2 columns with semicolons"):
        data.read_tsv(path)
    path = write(tmp_path / "a.txt", "a,b\n")
    with pytest.raises(data.DataError, match=r"a\.txt:1: .* of CSV ends in \.csv"):
        data.read_tsv(path)
    path = write(tmp_path / "empty.csv", "")
    with pytest.raises(data.DataError, match="an empty file"):
        data.read_tsv(path)


def test_invisible_sides_are_left_out(tmp_path, caplog):
    path = write(tmp_path / "fra.txt", "Go.\tVa !\nHi.\t\u200b\n\u2060\t\u00ad\n")
    assert data.read_tsv(path) == [("Go.", "Va !")]
    assert "left out 2 of 3" in caplog.text


def test_a_third_column_has_features(tmp_path, caplog):
    path = tmp_path / "german"
    rows = ["gehen\tV;PST\tging", "\tV\tx", "Hund\t\tHund", "", "sehen\tV\tsah"]
    path.write_text("\n".join(rows), encoding="utf-8")
    expected = [("gehen", "ging", "V;PST"), ("Hund", "Hund", ""), ("sehen", "sah", "V")]
    assert data.read_tsv(path, columns=(0, 2, 1)) == expected
    assert "left out 2 of 5 pairs" in caplog.text
    path.write_text("lemma\ttags\tform\n" + path.read_text(encoding="utf-8"))
    assert data.read_tsv(path, ("lemma", "form", "tags")) == expected
    assert data.read_tsv(path, (0, 2, 1)) == expected  # by its words a header
    with pytest.raises(data.DataError, match="column 3 .* is missing"):
        data.read_tsv(path, columns=(0, 2, 3))
