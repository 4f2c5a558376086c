"""Word vectors in the format of word2vec and GloVe."""

import numpy as np
import pytest

from kseq2seq.data import DataError, load_word_vectors
from word_vectors import write

LINES = [
    "the 0.1 -2 3e-1",
    "dog 4 5 6",
    "Straße 7 8 9",
    ". . . 10 11 12",  # a word with blanks, as in GloVe 840B
    "dog 13 14 15",
    "a\u2028b 16 17 18",  # which is no end of line
]
VECTORS = {
    "the": [0.1, -2, 0.3],
    "dog": [4, 5, 6],
    "Straße": [7, 8, 9],
    ". . .": [10, 11, 12],
    "a\u2028b": [16, 17, 18],
}


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.gz"])
@pytest.mark.parametrize("header", [None, f"{len(LINES)} 3"])
# The program of word2vec writes a blank at the end of each line.
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_words_are_read(tmp_path, name, header, end):
    path = write(tmp_path / name, LINES, header, end)
    actual = load_word_vectors(str(path), [*VECTORS, "cat", "strasse", "the"])
    assert list(actual) == list(VECTORS)
    for word, vector in actual.items():
        assert vector.dtype == "float32"
        np.testing.assert_array_equal(vector, np.float32(VECTORS[word]))


def test_only_what_is_asked_for_is_kept_and_parsed(tmp_path):
    path = write(tmp_path / "vectors.txt", [*LINES, "cat one two three"])
    path.write_bytes(path.read_bytes() + b"\xff\xfe 1 2 3\n")  # no UTF-8
    actual = load_word_vectors(path, ["dog"])
    assert list(actual) == ["dog"]
    assert load_word_vectors(path, []) == {}


@pytest.mark.parametrize("lines", [["dog 1 2"], ["1 2", "dog 1 2"]])
def test_a_byte_order_mark_is_no_letter(tmp_path, lines):
    path = write(tmp_path / "vectors.txt", lines)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_word_vectors(path, ["dog"])["dog"].tolist() == [1, 2]


def test_the_last_line_needs_no_end(tmp_path):
    path = write(tmp_path / "vectors.txt", LINES)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert "a\u2028b" in load_word_vectors(path, VECTORS)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "vectors.txt: expected a word.*Received: an empty file; fetch it anew"),
        (["2 3"], "vectors.txt: expected a word.*: a line of sizes alone; fetch"),
        (["dog"], "vectors.txt, line 1: expected a word and its values.*0 values"),
        (
            ["the 1 2", "dog 1"],
            "line 2: expected a word and 2 values.*: delete the line.*1 values.*'dog'",
        ),
        (["the 1 2", "dog 1 2 3"], "line 2: expected a word and 2 .*3 values.*'dog'"),
        (["the 1 2", "", "dog 1 2"], "line 2: expected a word and 2 values.*0 values"),
        (["2 2", "the 1 2", "dog 1"], "line 3: expected a word and 2 values"),
        (
            ["the 1 2", "dog 1 x"],
            "line 2: expected numbers .*delete.*. Received: 'x'",
        ),
        (
            ["the 1 2", "dog nan 1"],
            "line 2: expected numbers .*delete.*. Received: 'nan'",
        ),
        (
            ["the 1 2", "dog inf 1"],
            "line 2: expected numbers .*delete.*. Received: 'inf'",
        ),
        (
            ["the 1 2", "dog 1 -4e38"],
            "line 2: expected numbers .*delete.*. Received: '-4e38'",
        ),
        (
            ["the 1 2", "dog  1"],
            "line 2: expected numbers .*delete.*. Received: ''",
        ),
        (["the\t1\t2", "dog\t1\t2"], "line 1: expected a word and its .* blanks"),
        (
            ["3 2", "the 1 2", "dog 1 2"],
            "line 3: expected 3 vectors.* Received: 2; fetch",
        ),
        (
            ["1 2", "the 1 2", "dog 1 2"],
            "line 3: expected 1 vectors.* Received: 2; fetch",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, lines, message):
    path = write(tmp_path / "vectors.txt", lines)
    with pytest.raises(DataError, match=message):
        load_word_vectors(path, ["dog"])


def test_a_single_word_is_no_list_of_words(tmp_path):
    with pytest.raises(ValueError, match="put a single one into a list.*'dog'"):
        load_word_vectors(tmp_path / "vectors.txt", "dog")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="vectors.txt: no such file. Expected .* fetch"):
        load_word_vectors(tmp_path / "vectors.txt", ["dog"])
    path = write(tmp_path / "vectors.gz", [f"word{i} {i} 2 3" for i in range(997)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"vectors.gz, after line \d+: damaged file"):
        load_word_vectors(path, ["dog"])
    path.write_bytes(b"the 1 2 3\n")
    with pytest.raises(DataError, match="vectors.gz, after line 0: damaged file"):
        load_word_vectors(path, ["dog"])
    path.write_bytes(whole[:50] + bytes(100) + whole[150:])
    with pytest.raises(DataError, match=r"vectors.gz, after line \d+: damaged file"):
        load_word_vectors(path, ["dog"])
