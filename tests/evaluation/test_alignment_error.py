"""Alignment error rates, beside values that were counted by hand."""

import math

import pytest

from kseq2seq.data import parse_links
from kseq2seq.evaluation import alignment_error_rate


def test_the_rate_is_that_of_the_definition():
    predicted = [{(0, 0), (1, 1), (1, 2), (4, 3)}, [(2, 0), (2, 0)], set()]
    sure = [[(0, 0), (1, 1), (3, 3)], {(2, 0)}, {(5, 5)}]
    possible = [[(1, 2)], {(2, 0), (1, 0)}, {(6, 6)}]
    # 5 predicted and 5 sure links; 3 of them are both, 4 are at least possible.
    rate = alignment_error_rate(predicted, sure, possible)
    assert rate == pytest.approx((30, 80, 60))
    assert str(rate) == "alignment_error_rate = 30.00 (precision 80.00, recall 60.00)"
    # Without possible ones it is 1 less the F-measure: 2 * 3 / 10.
    assert alignment_error_rate(predicted, sure) == pytest.approx((40, 60, 60))


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [([[(0, 1)]], (0, 100, 100)), ([[(1, 0)]], (100, 0, 0))],
    ids=["right", "wrong"],
)
def test_what_is_all_right_and_all_wrong(predicted, expected):
    assert alignment_error_rate(predicted, [[(0, 1)]]) == expected


def test_of_no_links_there_is_no_precision():
    rate = alignment_error_rate([[]], [[(0, 0)]])
    assert rate[::2] == (100, 0) and math.isnan(rate.precision)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"each pair of texts\. Received: 1, 2 and 2"):
        alignment_error_rate([[]], [[(0, 0)], []])
    with pytest.raises(ValueError, match=r"`sure` must have a link.*2 pairs without"):
        alignment_error_rate([[], []], [[], []], [[(0, 0)], []])
    read = [parse_links("0-0 1-1")]
    for links in (["0-0"], read, [[(0, "0")]], [{(0, 0, 1)}], [[3]]):
        with pytest.raises(ValueError, match=r"`predicted` must hold links.* take"):
            alignment_error_rate(links, [[(0, 0)]])
    with pytest.raises(ValueError, match="`sure` must hold links for each pair"):
        alignment_error_rate([[(0, 0)]], read)
    assert alignment_error_rate([[[0, 0]]], [x.sure for x in read]).precision == 100
