"""The plain mechanisms learn as well; the others do so in their own tests."""

import pytest

from kseq2seq.layers import BahdanauAttention, LuongAttention
from learning import exact_match_after_training, random_tokens

LAYERS = {
    "bahdanau": lambda: BahdanauAttention(32, normalize=True),
    "luong_sparsemax": lambda: LuongAttention("general", probability_fn="sparsemax"),
}


def reversal(rng):
    source = random_tokens(rng, rng.integers(1, 11), 10)
    return source, source[::-1]


@pytest.mark.parametrize("name", LAYERS)
def test_reversal_is_learnt(name):
    share = exact_match_after_training(LAYERS[name](), reversal, 10, 300, 0.02)
    assert share >= 0.95
