"""Results of rows, made of what graphs give."""

import numpy as np

from kseq2seq.inference import results

ALPHABET = "?!.$abcdefgh"


def pieces(ids):
    return [ALPHABET[x] for x in ids]


def capitals(ids):
    return [ALPHABET[x].upper() for x in ids]


def row_of(**changes):
    """The outputs of a search for a row, with three slots for hypotheses."""
    rng = np.random.default_rng(7)
    row = {
        "source": np.array([5, 4, 3, 0, 0]),
        "lengths": np.array([3, 2, 0]),
        "ids": np.array([[6, 7, 3, 0], [9, 8, 0, 0], [0, 0, 0, 0]]),
        "translations": [b"cd", "ü".encode(), b""],
        "scores": np.array([-0.5, -2.0, -np.inf], "float32"),
        "log_probs": np.array([-1.5, -3.0, -np.inf], "float32"),
        "alignments": rng.random((3, 4, 5)),
    }
    return {**row, **changes}


def test_translations_have_their_own_tokens_and_weights():
    row = row_of()
    first, second = results.translations_of_row(row, pieces, capitals)
    assert (first.text, first.score, first.log_prob) == ("cd", -0.5, -1.5)
    assert (second.text, second.score, second.log_prob) == ("ü", -2.0, -3.0)
    assert first.source_tokens == second.source_tokens == ["b", "a", "$"]
    assert first.target_tokens == ["C", "D", "$"]
    assert second.target_tokens == ["F", "E"]
    np.testing.assert_array_equal(first.alignment, row["alignments"][0, :3, :3])
    np.testing.assert_array_equal(second.alignment, row["alignments"][1, :2, :3])


def test_where_nothing_is_possible_the_first_one_stands():
    row = row_of(lengths=np.zeros(3, int), translations=[b"", b"", b""])
    (only,) = results.translations_of_row(row, pieces, capitals)
    assert (only.text, only.target_tokens, only.alignment.shape) == ("", [], (0, 3))


def test_without_attention_there_is_no_alignment():
    row = row_of()
    del row["alignments"]
    translations = results.translations_of_row(row, pieces, capitals)
    assert [x.alignment for x in translations] == [None, None]


def test_bytes_that_are_no_utf_8_are_replaced():
    assert results.decoded_text("größer".encode()) == "größer"
    assert results.decoded_text(b"a\xffb") == "a\ufffdb"


def test_an_alignment_leaves_out_padding():
    weights = np.random.default_rng(11).random((5, 7))
    row = {
        "num_source_tokens": 3,
        "num_target_tokens": 2,
        "source_tokens": np.array([b"a", "ö".encode(), b"$", *[b""] * 4], object),
        "target_tokens": np.array([b"c", b"$", *[b""] * 3], object),
        "source_starts": np.array([0, 1, 3, 0, 0, 0, 0]),
        "source_ends": np.array([1, 3, 3, 0, 0, 0, 0]),
        "target_starts": np.array([0, 1, 0, 0, 0]),
        "target_ends": np.array([1, 1, 0, 0, 0]),
        "alignment": weights,
        "links": np.array([1, 2, -1, -1, -1]),
    }
    alignment = results.alignment_of_row(row)
    assert alignment.source_tokens == ["a", "ö", "$"]
    assert alignment.target_tokens == ["c", "$"]
    assert alignment.source_spans == [(0, 1), (1, 3), (3, 3)]
    assert alignment.target_spans == [(0, 1), (1, 1)]
    assert alignment.links == [1, 2]
    np.testing.assert_array_equal(alignment.weights, weights[:2, :3])
