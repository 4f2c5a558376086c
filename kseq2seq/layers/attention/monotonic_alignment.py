"""Alignments that only go forward over the source: no weights, no state.

Shapes are written in the letters of the glossary in `kseq2seq.layers`. In the letters
of Raffel et al., `p_j` is the probability to stop at source position j once there,
`alpha_{i,j}` the probability that output i reads position j, and `q_{i,j}` the
probability that output i gets as far as position j:

    q_{i,j} = (1 - p_{i,j-1}) q_{i,j-1} + alpha_{i-1,j}
    alpha_{i,j} = p_{i,j} q_{i,j}

The paper solves this in closed form as `p cumprod(1 - p) cumsum(alpha_{i-1} /
cumprod(1 - p))`, whose denominator is 0 soon after a p near 1 and after some tens of
positions in any case. All functions here add and multiply only, so nothing is lost at
any length, and p may be exactly 0, as it is at padding, or exactly 1.
"""

from keras import ops

from kseq2seq.layers.attention.scores import permute_source
from kseq2seq.layers.recurrent import scan
from kseq2seq.utils import Tensor


def parallel_alignment(choice: Tensor, previous: Tensor) -> Tensor:
    """One output's expected alignment, all source positions at once.

    The recurrence of `q` is a chain of linear functions, and functions of neighbours
    are joined by doubling: about `log2(source_length)` rounds.

    Args:
        choice: The probabilities p, of shape `(batch, num_queries, source_length)`.
        previous: The alignment of the output before, of the same shape.

    Returns:
        Tensor of the same shape.

    Reference:
        - [Raffel et al., 2017](https://arxiv.org/abs/1704.00784), section 2.3.
        - [Kogge & Stone, 1973](https://doi.org/10.1109/TC.1973.5009159), for
          recurrences by doubling.
    """
    positions = ops.arange(ops.shape(choice)[-1])

    def shifted(x, distance):
        kept = ops.cast(positions >= distance, x.dtype)
        return kept * ops.roll(x, distance, axis=-1)

    def join(distance, passed, reached):
        reached = reached + passed * shifted(reached, distance)
        return 2 * distance, passed * shifted(passed, distance), reached

    length = choice.shape[-1]
    state = (1, shifted(1 - choice, 1), previous)
    if length is None:  # in a graph of TensorFlow, of sources of any length
        state = ops.while_loop(
            lambda distance, *_: distance < ops.shape(choice)[-1],
            join,
            state,
            maximum_iterations=31,  # of an int32; XLA must know of an end
        )
    else:
        while state[0] < length:
            state = join(*state)
    return choice * state[-1]


def successive_alignments(
    choice: Tensor, previous: Tensor, query_mask: Tensor | None = None
) -> Tensor:
    """Expected alignments of outputs that follow each other.

    The value at `(i, j)` needs those at `(i, j - 1)` and `(i - 1, j)` alone, so that
    all on one diagonal are computed at once: `target_length + source_length` steps.

    Args:
        choice: The probabilities p, of shape `(batch, target_length,
            source_length)`; 0 or 1 where alignments are hard.
        previous: The alignment ahead of the first output, of shape `(batch,
            source_length)`.
        query_mask: Boolean tensor of shape `(batch, target_length)`: the outputs
            that those behind them follow. `None` for all True.

    Returns:
        Tensor of the shape of `choice`.
    """
    batch, target_length, source_length = ops.shape(choice)
    steps = target_length + source_length - 1
    if query_mask is None:
        query_mask = ops.ones((batch, target_length), "bool")
    query_mask = ops.cast(query_mask, "bool")
    # Row i starts i steps late.
    delayed = ops.pad(choice, [(0, 0), (0, 0), (0, target_length)])
    delayed = ops.reshape(delayed, (batch, target_length * (steps + 1)))
    delayed = ops.reshape(
        delayed[:, : target_length * steps], (batch, target_length, steps)
    )
    previous = ops.pad(previous, [(0, 0), (0, target_length - 1)])
    zeros = ops.zeros((batch, target_length), choice.dtype)

    # One diagonal; of each output, a position on: what went by here, and what it left.
    def step(carry, inputs):
        (passed, followed), (first, choice) = carry, inputs  # (B, T)
        before = ops.concatenate([first[:, None], followed[:, :-1]], axis=-1)
        reached = passed + before
        alignment = choice * reached
        followed = ops.where(query_mask, alignment, before)
        return ((1 - choice) * reached, followed), alignment

    inputs = ops.swapaxes(previous, 0, 1), ops.transpose(delayed, (2, 0, 1))
    _, outputs = scan(step, (zeros, zeros), inputs)  # (steps, B, T)
    # And back.
    outputs = ops.transpose(outputs, (1, 2, 0))
    outputs = ops.reshape(outputs, (batch, target_length * steps))
    outputs = ops.pad(outputs, [(0, 0), (0, target_length)])
    outputs = ops.reshape(outputs, (batch, target_length, steps + 1))
    return outputs[:, :, :source_length]


def hard_alignment(choice: Tensor, previous: Tensor) -> Tensor:
    """The first position that is chosen, from the previous one on; no gradient passes.

    Args:
        choice: 1 at positions that may be read and 0 elsewhere, of shape `(batch,
            num_queries, source_length)`.
        previous: The alignment of the output before, of the same shape: 1 at one
            position, or 0 everywhere.

    Returns:
        Tensor of the same shape, all zero where nothing is chosen.

    Reference:
        [Raffel et al., 2017](https://arxiv.org/abs/1704.00784), algorithm 1.
    """
    choice = ops.stop_gradient(choice * ops.cumsum(previous, axis=-1))
    others = ops.pad((1 - choice)[..., :-1], [(0, 0), (0, 0), (1, 0)], "constant", 1)
    # By logarithms, -inf for 0, since ONNX and LiteRT have no `cumprod`; rounding may
    # have made the sum of `previous`, and so a choice, more than 1.
    passed = ops.exp(ops.cumsum(ops.log(ops.maximum(others, 0)), axis=-1))
    return ops.stop_gradient(choice * passed)


def chunk_alignment(choice: Tensor, scores: Tensor, mask: Tensor, size: int) -> Tensor:
    """Softmax over the chunk that ends at the chosen position, expected over choices.

    With `size` positions a chunk, and scores `u`:

        beta_j = sum over k in j .. j + size - 1 of
                 alpha_k exp(u_j) / sum over l in k - size + 1 .. k of exp(u_l)

    Positions where `mask` is False are left out, so that a chunk goes on beyond them.

    Args:
        choice: The alignment alpha, of shape `(batch, num_queries, source_length)`;
            zero where `mask` is False.
        scores: Tensor of the same shape, in float32.
        mask: Boolean tensor of shape `(batch, source_length)`.
        size: Number of positions in a chunk.

    Returns:
        Tensor of the same shape, whose rows sum to what those of `choice` do.

    Reference:
        [Chiu & Raffel, 2018](https://arxiv.org/abs/1712.05382), equations 11 to 13;
        its moving sums of exponentials may all be 0, which these are not.
    """
    positions = ops.cumsum(ops.ones_like(mask, "int32"), axis=-1)
    # Real positions first, in their order.
    order = ops.argsort(ops.where(mask, positions, positions + ops.shape(mask)[1]))
    back = ops.argsort(order)
    scores = ops.where(mask[:, None], scores, -1e9)
    choice = permute_source(choice, order, back)
    scores = permute_source(scores, order, back)
    behind = [(0, 0), (0, 0), (size - 1, 0)]
    chunks = _windows(ops.pad(scores, behind, "constant", -1e9), size)
    total = ops.logsumexp(chunks, axis=0)  # (B, T, S)
    # A score is part of the sums that it meets here, so that nothing exceeds 1.
    ahead = [(0, 0), (0, 0), (0, size - 1)]
    choices = _windows(ops.pad(choice, ahead), size)
    totals = _windows(ops.pad(total, ahead, "constant", 1e9), size)
    alignment = ops.sum(choices * ops.exp(scores - totals), axis=0)
    return permute_source(alignment, back, order)


def _windows(x, size):
    """Neighbours on a first axis of their own: from `(B, T, S + size - 1)`."""
    last = size - 1
    return ops.stack([x[:, :, i : i - last or None] for i in range(size)])
