"""Word links: the format of Pharaoh, and the words of pieces."""

import pytest

from kseq2seq.data import (
    DataError,
    format_links,
    parse_links,
    read_linked,
    read_links,
    words_of_spans,
)


def test_links_are_read_as_they_stand(tmp_path):
    path = tmp_path / "test.links"
    path.write_text("0-0\t12-3  4p5\n\n1?0 0-1\n")
    first, second, third = read_links(path)
    assert first == ({(0, 0), (12, 3)}, {(0, 0), (12, 3), (4, 5)})
    assert second == (frozenset(), frozenset())
    assert third == ({(0, 1)}, {(0, 1), (1, 0)})
    pairs = [(" ".join("abcdefghijklm"), "a b c d e f"), ("a", "b"), ("a\tb", "c d")]
    assert read_links(path, pairs) == [first, second, third]


@pytest.mark.parametrize("links", [{(1, 2), (0, 11), (0, 3)}, set()])
def test_what_is_written_is_read(links):
    assert parse_links(format_links(links)).sure == links


@pytest.mark.parametrize(
    ("text", "pairs", "match"),
    [
        ("0-0\n1-\n", None, r"test\.links:2: links must be two .*Received: '1-'"),
        ("0-0 1:2\n", None, r"test\.links:1: links must.*Received: '1:2'"),
        ("0-0-1\n", None, r"Received: '0-0-1'"),
        ("٣-0\n", None, r"Received: '٣-0'"),
        ("0-0\n0-2\n", [("a", "b"), ("a b", "c d")], r":2: .*Received: 0-2 of 2 and 2"),
        ("2?0\n", [("a b", "c d e")], r":1: links must be between.*2-0 of 2 and 3"),
        ("0-0\n", [("a", "b")] * 2, r"links: expected a line .* 2 pairs.*: 1 lines"),
    ],
)
def test_faults_are_told_with_file_and_line(tmp_path, text, pairs, match):
    path = tmp_path / "test.links"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_links(path, pairs)


def test_parallel_files_lose_a_pair_with_its_links(tmp_path):
    paths = [tmp_path / f"train.{x}" for x in ("en", "de", "links")]
    sides = "source\na dog\n\na cat\n", "target\nein Hund\nx\neine Katze\n"
    for path, text in zip(paths, (*sides, "\n0-0 1?1\n\n1-1 0-0\n"), strict=True):
        path.write_text(text)
    # Sure links alone.
    expected = [("a dog", "ein Hund", "0-0"), ("a cat", "eine Katze", "0-0 1-1")]
    assert read_linked(*paths) == expected
    paths[2].write_text("\n")
    with pytest.raises(DataError, match=r"train\.links: expected a line .* 4 pairs"):
        read_linked(*paths)


@pytest.mark.parametrize(
    ("text", "spans", "words"),
    [
        # Pieces with their blanks and without, EOS, and blanks alone.
        ("zwei Hunde", [(0, 2), (2, 4), (4, 7), (8, 10), (10, 10)], [0, 0, 1, 1, -1]),
        ("a  b", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 4)], [0, -1, -1, 1, -1]),
        # Spans count bytes.
        ("größer été", [(0, 5), (5, 8), (8, 11), (11, 14)], [0, 0, 1, 1]),
        (
            "ab 한  ",
            [(0, 0), (0, 2), (2, 6), (6, 7), (7, 8), (8, 8)],
            [-1, 0, 1, *[-1] * 3],
        ),
        ("", [(0, 0)], [-1]),
    ],
)
def test_a_piece_is_of_the_word_that_it_ends_in(text, spans, words):
    assert words_of_spans(text, spans) == words
