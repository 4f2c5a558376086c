"""Functions from queries and keys to scores, and from scores to alignments.

Shapes are written in the letters of the glossary in `kseq2seq.layers`.
"""

from keras import backend, ops

from kseq2seq.utils import Tensor, custom_gradient

PROBABILITY_FNS = ("softmax", "sparsemax", "entmax15", "hardmax")


def project(inputs: Tensor, kernel: Tensor) -> Tensor:
    """The product of the last axis with a matrix, which XLA differentiates in loops.

    Where lengths are unknown, `ops.matmul` of more than two axes and a matrix becomes a
    `tensordot` on TensorFlow, whose gradient moves axes by computed numbers. In a loop
    these are no constants, and XLA refuses them. Einsum's gradient needs none.

    Args:
        inputs: Tensor of shape `(..., size)` with two to four axes.
        kernel: Tensor of shape `(size, units)`.

    Returns:
        Tensor of shape `(..., units)`.

    Raises:
        ValueError: If the last axis is not of the matrix's size.
    """
    check_size(inputs, kernel)
    if backend.backend() != "tensorflow" or len(inputs.shape) == 2:
        return ops.matmul(inputs, kernel)
    axes = "abc"[: len(inputs.shape) - 1]
    return ops.einsum(f"{axes}d,du->{axes}u", inputs, kernel)


def check_size(inputs: Tensor, kernel: Tensor) -> None:
    """Checks that vectors are of the size that a layer has weights for.

    Args:
        inputs: Tensor of shape `(..., size)`.
        kernel: Tensor of shape `(size, units)`.

    Raises:
        ValueError: If they are not, as far as it is known.

    Example:

    >>> check_size(ops.ones((2, 3, 5)), ops.ones((5, 7)))
    """
    size, expected = inputs.shape[-1], kernel.shape[0]
    if size not in (None, expected):
        raise ValueError(
            "A layer of attention has weights for the sizes of query, key and value "
            "that it was first called with: make another layer for others. Received: "
            f"vectors of size {size}, for weights of size {expected}"
        )


def project_energy(energy: Tensor, kernel: Tensor) -> Tensor:
    """`project` for energies of shape `(batch, target_length, source_length, units)`.

    Loops have one query at a time. For the whole target at once, on a CPU, einsum takes
    half as long again as the product that XLA refuses in loops alone.

    `ops.matmul` of Keras 3.12, the last one for Python 3.10, repeats the matrix along
    the axes ahead. Of four axes of which the second has size 1, such a product of
    TensorFlow 2.21 (oneDNN) writes beyond its memory when the others change.
    """
    if energy.shape[1] == 1:
        return project(energy, kernel)
    return ops.tensordot(energy, kernel, axes=1)


def additive_score(
    query: Tensor, key: Tensor, vector: Tensor, past: Tensor | None = None
) -> Tensor:
    """Bahdanau's score, `vector . tanh(query + key)`.

    Args:
        query: Projected queries, of shape `(batch, target_length, units)`.
        key: Projected keys, of shape `(batch, source_length, units)`.
        vector: Score vector, of shape `(units,)`.
        past: Tensor that is added inside of the tanh, of a shape that broadcasts to
            `(batch, target_length, source_length, units)`; or `None`.

    Returns:
        Scores before softmax, of shape `(batch, target_length, source_length)`.
    """
    energy = query[:, :, None, :] + key[:, None, :, :]  # (B, T, S, U)
    energy = ops.tanh(energy if past is None else energy + past)
    return ops.squeeze(project_energy(energy, vector[:, None]), axis=-1)


def dot_score(query: Tensor, key: Tensor) -> Tensor:
    """Luong's `dot` score, the inner product of query and key.

    Args:
        query: Tensor of shape `(batch, target_length, units)`.
        key: Tensor of shape `(batch, source_length, units)`.

    Returns:
        Scores before softmax, of shape `(batch, target_length, source_length)`.

    Raises:
        ValueError: If query and key are of unequal size.
    """
    sizes = query.shape[-1], key.shape[-1]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            "A dot product needs a query and a key of equal size; a layer with weights "
            "has those of the sizes that it was first called with. "
            f"Received: query of size {sizes[0]}, key of size {sizes[1]}"
        )
    return ops.matmul(query, ops.swapaxes(key, 1, 2))


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over source positions; positions where `mask` is False get 0.

    A row with no position left gets all zeros rather than a uniform guess.
    The exponentials are taken in float32 even where the scores are not.

    Args:
        scores: Tensor of shape `(batch, target_length, source_length)`.
        mask: Boolean tensor of shape `(batch, source_length)`, or `None`.

    Returns:
        Alignment, of the shape and dtype of `scores`.
    """
    return masked_probabilities(scores, mask)


def masked_probabilities(
    scores: Tensor,
    mask: Tensor | None = None,
    probability_fn: str = "softmax",
    temperature: float = 1.0,
) -> Tensor:
    """The alignment of scores; positions where `mask` is False get 0.

    A row with no position left gets all zeros rather than a uniform guess.
    Computed in float32 even where the scores are not.

    Args:
        scores: Tensor of shape `(..., source_length)`.
        mask: Boolean tensor of a shape that broadcasts to that of `scores`, or of
            shape `(batch, source_length)` for scores of three axes; or `None`.
        probability_fn: `"softmax"`, `"sparsemax"`, `"entmax15"` or `"hardmax"`.
        temperature: Number that the scores are divided by.

    Returns:
        Alignment, of the shape and dtype of `scores`.
    """
    dtype = backend.standardize_dtype(scores.dtype)
    scores = ops.cast(scores, sum_dtype(dtype))
    if temperature != 1.0:
        scores = scores / temperature
    function = _FUNCTIONS[probability_fn]
    if mask is None:
        return ops.cast(function(scores), dtype)
    real = ops.cast(mask, "bool")
    if len(real.shape) < len(scores.shape):
        real = real[:, None, :]  # (B, 1, S)
    # Twice, since a row with no position left would be shared out among all.
    alignment = function(ops.where(real, scores, -1e9))
    return ops.cast(ops.where(real, alignment, 0.0), dtype)


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the probability simplex nearest to the scores; mostly zeros.

    In place of `keras.ops.sparsemax`, whose rows need not sum to 1: for scores of 1
    and 0.9 Keras 3.15 gives 0.05 and 0, where 0.55 and 0.45 are right.

    Args:
        scores: Tensor of shape `(..., source_length)`, in float32.

    Returns:
        Tensor of the same shape, whose rows sum to 1.

    Reference:
        [Martins & Astudillo, 2016](https://arxiv.org/abs/1602.02068), section 2.
    """
    return _sparse(scores, lambda above: (above, ops.cast(above > 0, above.dtype)))


def entmax15(scores: Tensor) -> Tensor:
    """Entmax of alpha 1.5: probabilities between those of softmax and sparsemax.

    As sparsemax it gives exact zeros, but fewer, and it is smooth:

        entmax15(z)[i] = max(z[i] / 2 - tau, 0) ** 2

    with the `tau` for which the sum is 1.

    Args:
        scores: Tensor of shape `(..., source_length)`, in float32.

    Returns:
        Tensor of the same shape, whose rows sum to 1.

    Example:

    >>> probabilities = entmax15(ops.convert_to_tensor([[1.0, 0.5, -2.0]]))
    >>> [round(float(x), 3) for x in probabilities[0]]
    [0.674, 0.326, 0.0]

    Reference:
        [Peters et al., 2019](https://arxiv.org/abs/1905.05702), section 3.1.
    """
    return _sparse(scores / 2, lambda above: (ops.square(above), 2 * above))


def _sparse(scores, function):
    """The values of `function` above the threshold for which their sum is 1.

    By bisection, not from sorted scores: over a large vocabulary the running sums that
    these need have too few digits in float32. `function` returns values and slopes.
    """
    # The highest is 0, so that the threshold lies between -1 and 0.
    scores = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    fixed = ops.stop_gradient(scores)
    threshold = ops.full_like(fixed[..., :1], -1.0)
    for bits in range(1, 25):  # as many as float32 has
        middle = threshold + 0.5**bits
        total, _ = _sums(fixed - middle, function)
        threshold = ops.where(total >= 1.0, middle, threshold)
    # Newton's method finds the rest, as a small difference, and has the gradient.
    above = scores - threshold
    above = above - ops.stop_gradient(_excess(above, function))
    return function(ops.relu(above - _excess(above, function)))[0]


def _sums(above, function):
    return [ops.sum(x, axis=-1, keepdims=True) for x in function(ops.relu(above))]


def _excess(above, function):
    """Newton's step: how far the threshold is too low."""
    total, slope = _sums(above, function)
    return (total - 1.0) / slope


def hardmax(scores: Tensor) -> Tensor:
    """1 at the highest score, the first of equal ones, and 0 elsewhere.

    No gradient passes through it.

    Args:
        scores: Tensor of shape `(..., source_length)`.

    Returns:
        Tensor of the shape and dtype of `scores`.
    """
    # `ops.argmax` looks at bits, for which ONNX and LiteRT have no operation.
    highest = ops.equal(scores, ops.max(scores, axis=-1, keepdims=True))
    so_far = ops.cumsum(ops.cast(highest, "int32"), axis=-1)
    first = ops.logical_and(highest, ops.equal(so_far, 1))
    return ops.cast(first, scores.dtype)


# Behind the functions that it names.
_FUNCTIONS = {
    "softmax": ops.softmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
    "hardmax": hardmax,
}


def sum_dtype(dtype: str) -> str:
    """The dtype for sums over many steps, which in half precision soon stop growing.

    Args:
        dtype: The dtype that a layer computes in.

    Example:

    >>> sum_dtype("bfloat16"), sum_dtype("float64")
    ('float32', 'float64')
    """
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def zero_padding(value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sets positions where `mask` is False to 0, whatever stood there.

    An alignment of 0 does not hide a value that is infinite or NaN, and a score
    that is replaced still passes such a value on to the gradient.

    Args:
        value: Tensor of shape `(batch, source_length, value_dim)`.
        mask: Boolean tensor of shape `(batch, source_length)`, or `None`.

    Returns:
        Tensor of the shape and dtype of `value`.
    """
    if mask is None:
        return value
    return ops.where(ops.cast(mask, "bool")[:, :, None], value, ops.zeros_like(value))


def permute_source(values: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Values of the source's positions in another order.

    The gradient is the permutation back: that of a general gather broadcasts shapes
    which XLA refuses in a loop.

    Args:
        values: Tensor of shape `(batch, target_length, source_length)`.
        order: Integer tensor of shape `(batch, source_length)`, a permutation in each
            row: entry `i` is the position that comes to place `i`.
        inverse: The inverse permutations, of the same shape.

    Returns:
        Tensor of the shape of `values`.
    """

    @custom_gradient
    def permute(values):
        return _gather(values, order), lambda upstream: _gather(upstream, inverse)

    return permute(values)


def _gather(values, order):
    return ops.take_along_axis(values, order[:, None], axis=2)
