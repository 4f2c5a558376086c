"""Monotonic alignments against loops written from the paper, and against tfa."""

import numpy as np
import pytest
import tensorflow as tf

import reference
from kseq2seq.layers import (
    hard_alignment,
    parallel_alignment,
    successive_alignments,
)

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DV, U = 2, 3, 5, 7, 13, 17
HOLES = np.array([[True, False, True, True, False], [False, False, True, False, True]])
LONG = 500


def onehot(batch, length):
    return np.eye(1, length, dtype="float32").repeat(batch, axis=0)


def draw_choices(kind, shape):
    """Probabilities in float32, of the kinds that a closed form finds hard."""
    rng = np.random.default_rng(0)
    uniform = rng.uniform(size=shape)
    edges = np.array([0, 1e-6, 1 - 1e-6, 1])
    kinds = {
        "any": uniform,
        "small": uniform / 100,
        "near_edges": reference.sigmoid(10 * rng.normal(size=shape)),
        "edges": edges[rng.integers(4, size=shape)],
        "ones_far_apart": np.where(uniform > 0.98, 1, uniform / 100),
        "zeros": 0 * uniform,
    }
    return kinds[kind].astype("float32")


KINDS = ["any", "small", "near_edges", "edges", "ones_far_apart", "zeros"]


def draw_previous(shape):
    """Alignments that sum to less than 1."""
    rng = np.random.default_rng(1)
    alpha = np.full(shape[-1], 10 / shape[-1])
    return (0.9 * rng.dirichlet(alpha, size=shape[:-1])).astype("float32")


@pytest.mark.parametrize("kind", KINDS)
def test_one_alignment_is_what_the_paper_defines(kind):
    choice, previous = draw_choices(kind, (B, T, 11)), draw_previous((B, T, 11))
    actual = np.asarray(parallel_alignment(choice, previous))
    for where in np.ndindex(B, T):
        (expected,) = reference.expected_choices(choice[where][None], previous[where])
        np.testing.assert_allclose(actual[where], expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_successive_alignments_are_what_the_paper_defines(kind):
    for length in (1, 2, T, 11):
        choice, first = draw_choices(kind, (B, T, length)), draw_previous((B, length))
        mask = np.array([[True, False, True], [False, True, True]])
        actual = successive_alignments(choice, first)
        masked = np.asarray(successive_alignments(choice, first, mask))
        for b in range(B):
            expected = reference.expected_choices(choice[b], first[b])
            np.testing.assert_allclose(actual[b], expected, atol=1e-6)
            # A masked output has an alignment, but is not followed.
            expected = reference.expected_choices(choice[b][mask[b]], first[b])
            np.testing.assert_allclose(masked[b][mask[b]], expected, atol=1e-6)
            for i in np.flatnonzero(~mask[b]):
                ahead = [*np.flatnonzero(mask[b][:i]), i]
                expected = reference.expected_choices(choice[b][ahead], first[b])[-1]
                np.testing.assert_allclose(masked[b, i], expected, atol=1e-6)


def recurrence(choice, previous, factors):
    """Alignments of one output each, and gradients of their sum times `factors`.

    Section 2.3, equations 11 to 14, in float64; and the chain rule by hand.
    """
    p, previous = choice.astype("float64"), previous.astype("float64")
    q = np.zeros_like(p)
    for j in range(p.shape[-1]):
        passed = (1 - p[..., j - 1]) * q[..., j - 1] if j else 0
        q[..., j] = passed + previous[..., j]
    of_p, of_previous = np.zeros_like(p), np.zeros_like(p)
    of_next = of_next_p = 0
    for j in reversed(range(p.shape[-1])):
        of_p[..., j] = factors[..., j] * q[..., j] - of_next_p * q[..., j]
        of_next = factors[..., j] * p[..., j] + (1 - p[..., j]) * of_next
        of_previous[..., j] = of_next_p = of_next
    return p * q, of_p, of_previous


@pytest.fixture(scope="module", params=["static", "dynamic", "xla"])
def long_outputs(request):
    """Function to alignments and gradients, of sources of one or of any length."""

    def call(choice, previous, factors):
        with tf.GradientTape() as tape:
            tape.watch([choice, previous])
            alignment = parallel_alignment(choice, previous)
            loss = tf.reduce_sum(alignment * factors)
        return alignment, *tape.gradient(loss, [choice, previous])

    shape = (1, B, LONG) if request.param == "static" else (None, None, None)
    signature = [tf.TensorSpec(shape)] * 3
    return tf.function(
        call, signature, jit_compile=request.param == "xla", autograph=False
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_over_a_long_source(long_outputs, kind):
    shape = (1, B, LONG)
    choice, previous = draw_choices(kind, shape), draw_previous(shape)
    factors = np.random.default_rng(2).normal(size=shape).astype("float32")
    expected = recurrence(choice, previous, factors)
    for x, y in zip(long_outputs(choice, previous, factors), expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def closed_form(p, previous):
    """`mode="parallel"` of tfa, in float32: see goldens/README.md, section 7."""
    ahead = np.pad(1 - p, [(0, 0), (1, 0)], constant_values=1)[:, :-1]
    tiny = np.finfo("float32").tiny
    product = np.exp(np.cumsum(np.log(np.clip(ahead, tiny, 1)), axis=-1))
    return p * product * np.cumsum(previous / np.clip(product, 1e-10, 1), axis=-1)


def test_the_closed_form_of_tfa_loses_what_is_here_kept(goldens_root):
    golden = np.load(goldens_root / "monotonic_attention.npz")
    p, previous = golden["p_edge"], golden["prev"]
    theirs = golden["parallel__p_edge__prev"]
    np.testing.assert_allclose(closed_form(p, previous), theirs, atol=1e-5)
    ours = parallel_alignment(p[None], previous[None])[0]
    assert np.abs(theirs - ours).max() > 0.2
    # At p of 1/2, nothing of what lies behind some 40 positions is left there.
    p, previous = np.full((1, LONG), 0.5, "float32"), draw_previous((1, LONG))
    assert closed_form(p, previous).sum() < 0.2
    ours = parallel_alignment(p[None], previous[None])
    assert np.sum(ours) > 0.89


def test_alignments_equal_tensorflow_addons(goldens_root):
    golden = np.load(goldens_root / "monotonic_attention.npz")
    functions = {
        "parallel": parallel_alignment,
        "recursive": parallel_alignment,
        "hard": hard_alignment,
    }
    seen = set()
    for name in golden:
        mode, *others = name.split("__")
        if others and name[:15] != "parallel__p_edge":
            actual = functions[mode](*(golden[x][None] for x in others))[0]
            if name.startswith("parallel__p_edge"):  # which is wrong there
                name = name.replace("parallel", "recursive")
            np.testing.assert_allclose(actual, golden[name], atol=1e-5)
            seen.add(mode)
    assert seen == set(functions)


def test_products_of_what_is_passed_by_equal_tensorflow_addons(goldens_root):
    golden = np.load(goldens_root / "safe_cumprod.npz")
    x = np.clip(golden["x"], 0, 1)
    # From the first position on, what gets to a position is what all ahead passed.
    actual = parallel_alignment(1 - x[None], onehot(3, x.shape[1])[None])[0]
    expected = (1 - x) * golden["exclusive1_reverse0"]
    np.testing.assert_allclose(actual, expected, atol=1e-6)
