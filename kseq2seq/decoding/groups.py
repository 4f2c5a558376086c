"""Selection in groups of slots that avoid each other's tokens."""

import numpy as np
from keras import ops

from kseq2seq.decoding.candidates import best_tokens, pick
from kseq2seq.decoding.selection import end_finished
from kseq2seq.decoding.slots import (
    Rules,
    Selected,
    Slots,
    length_penalty,
    prefix_of,
    score,
)
from kseq2seq.utils import Tensor

# In the place of tokens that no group has to avoid.
NO_TOKEN = -1


def select_diverse(
    predicted: Tensor, slots: Slots, rules: Rules, position: Tensor
) -> Selected:
    """The best continuations within each group of slots, one group after the other.

    A group ranks continuations by their scores, for which it subtracts `diversity` from
    the log-probability for each hypothesis of the groups before that goes on by the
    same token at this step. What it returns are scores without that.

    Reference:
        [Vijayakumar et al., 2018](https://arxiv.org/abs/1610.02424), algorithm 1, with
        the Hamming diversity.
    """
    batch, width, _ = ops.shape(predicted)
    size = width // rules.num_groups
    prefix = prefix_of(slots, rules, position)
    # Groups before the last choose `width - size` tokens at most, so that of the
    # `width` best of a hypothesis as many as a group has slots are free of penalty.
    values, tokens = best_tokens(predicted, width, rules, prefix, slots.constraints)
    values, tokens = end_finished(values, tokens, slots)  # (B, K, C)
    totals = slots.log_probs[..., None] + values
    scores = score(totals, slots, rules)
    # What has ended is chosen again, and not by a token.
    weights = rules.diversity / length_penalty(slots.lengths, rules)
    weights = ops.where(slots.finished, 0.0, weights)[..., None]

    count = values.shape[-1]
    flat = (batch, size * count)
    selected, avoided = [], []
    for first in range(0, width, size):
        own = slice(first, first + size)
        ranks = scores[:, own]
        if avoided:
            others = ops.concatenate(avoided, axis=1)[:, None, None]
            uses = ops.sum(
                ops.cast(ops.equal(tokens[:, own, :, None], others), "float32"), axis=-1
            )
            ranks = ranks - weights[:, own] * uses
        _, best = ops.top_k(ops.reshape(ranks, flat), size)
        best = ops.cast(best, "int32")
        parents = best // count
        chosen = [
            pick(ops.reshape(leaf[:, own], flat), best)
            for leaf in (tokens, totals, scores)
        ]
        selected.append((parents + first, *chosen))
        is_used = ops.logical_and(
            chosen[1] > -np.inf, ops.logical_not(pick(slots.finished[:, own], parents))
        )
        avoided.append(ops.where(is_used, chosen[0], NO_TOKEN))
    parents, tokens, totals, scores = (
        ops.concatenate(parts, axis=1) for parts in zip(*selected, strict=True)
    )
    return parents, tokens, totals, scores
