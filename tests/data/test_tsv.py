import re

import pytest

from kseq2seq import data
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


@pytest.mark.parametrize("columns", [(0,), (0, -1), (0, 1, 2), (0, "1"), ()])
def test_columns_must_be_two(tmp_path, columns):
    with pytest.raises(ValueError, match=re.escape(f"columns={columns!r}")):
        data.read_tsv(tmp_path / "fra.txt", columns)
