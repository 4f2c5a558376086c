"""Functions of rows, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.decoding import Hypotheses
from kseq2seq.inference import rows
from kseq2seq.utils import EOS_ID, PAD_ID

BATCH, COUNT, LENGTH, SOURCE = 3, 2, 5, 7
LOWEST, HIGHEST = np.finfo("float32").min, np.finfo("float32").max


@pytest.fixture
def hypotheses():
    rng = np.random.default_rng(3)
    lengths = np.array([[5, 2], [3, 0], [1, 4]], "int32")
    ids = rng.integers(4, 11, (BATCH, COUNT, LENGTH)).astype("int32")
    ids[np.arange(LENGTH) >= lengths[..., None]] = PAD_ID
    scores = -rng.random((BATCH, COUNT)).astype("float32")
    alignments = rng.random((BATCH, COUNT, LENGTH, SOURCE)).astype("float32")
    arrays = ids, lengths, scores, 2 * scores, alignments
    return Hypotheses(*map(tf.constant, arrays))


def test_other_numbers_of_rows_are_refused():
    rows.check_rows(tf.zeros([3]), seed=tf.zeros([3]), target=tf.zeros([3, 2]))
    message = "`seed` must have as many rows as `frames`"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        rows.check_rows(tf.zeros([3]), "frames", mask=tf.zeros([3]), seed=tf.zeros([2]))


@pytest.mark.parametrize("has_alignments", [True, False])
def test_a_blank_source_has_the_blank_hypothesis(hypotheses, has_alignments):
    if not has_alignments:
        hypotheses = hypotheses._replace(alignments=None)
    source = tf.constant([[5, 6, EOS_ID], [EOS_ID, 0, 0], [EOS_ID, 7, 0]])
    received = rows.blank_for_blank(hypotheses, source)
    for name, before in hypotheses._asdict().items():
        after = getattr(received, name)
        if before is None:
            assert after is None
        elif name == "alignments":
            for n in range(COUNT):
                count = hypotheses.lengths[0, n]
                np.testing.assert_array_equal(after[0, n, :count], before[0, n, :count])
                assert not np.any(after[0, n, count:])
        else:
            np.testing.assert_array_equal(after[0], before[0])
    for row in (1, 2):
        assert received.ids[row].numpy().tolist() == [[EOS_ID, 0, 0, 0, 0], [0] * 5]
        assert received.lengths[row].numpy().tolist() == [1, 0]
        assert received.scores[row].numpy().tolist() == [0.0, -np.inf]
        assert received.log_probs[row].numpy().tolist() == [0.0, -np.inf]
        if has_alignments:
            assert not np.any(received.alignments[row, :, 1:])


def test_texts_and_scores_of_all_hypotheses(hypotheses):
    scores = hypotheses.scores.numpy()
    scores[1, 1] = -np.inf
    texts, received = rows.nbest_rows(
        lambda ids: tf.strings.reduce_join(tf.strings.as_string(ids), axis=1),
        hypotheses._replace(scores=tf.constant(scores)),
        COUNT,
    )
    expected = ["".join(map(str, row)) for row in hypotheses.ids.numpy().reshape(-1, 5)]
    assert [x.decode() for x in texts.numpy().ravel()] == expected
    scores[1, 1] = LOWEST
    np.testing.assert_array_equal(received, scores)


def test_scores_of_targets_are_finite():
    log_probs = np.array([-3.5, -np.inf, 0.0, -1e30], "float32")
    lengths = np.array([7, 5, 0, 2], "int32")
    forced = Hypotheses(None, lengths[:, None], None, log_probs[:, None], None)
    outputs = rows.score_rows(forced)
    np.testing.assert_array_equal(outputs["num_tokens"], lengths)
    expected = [-3.5, LOWEST, 0.0, np.float32(-1e30)]
    np.testing.assert_array_equal(outputs["log_prob"], expected)
    expected = [np.exp(0.5), HIGHEST, 1.0, HIGHEST]
    np.testing.assert_allclose(outputs["perplexity"], expected, rtol=1e-6)


@pytest.mark.parametrize("lengths", [[], [0, 0], [3, 7, 5], [[2, 3], [11, 5]]])
def test_the_longest_is_at_least_1(lengths):
    expected = max([1, *np.ravel(lengths).astype(int).tolist()])
    assert rows.longest(tf.constant(lengths, "int32")) == expected


def test_what_is_not_finite_is_another_number():
    values = tf.constant([[1.5, np.nan], [np.inf, -np.inf], [HIGHEST, -2.0]])
    received = rows.finite(values, 7.0)
    np.testing.assert_array_equal(received, [[1.5, 7.0], [7.0, 7.0], [HIGHEST, -2.0]])


def test_numbers_of_a_row_are_its_seed_s_own():
    seeds = tf.constant([3, -5, 3, 2**62], "int64")
    numbers = rows.uniform_numbers(seeds, 1009).numpy()
    assert numbers.shape == (1009, 4) and numbers.dtype == "float32"
    for column, seed in enumerate(seeds.numpy()):
        alone = rows.uniform_numbers(tf.constant([seed]), 1009).numpy()
        np.testing.assert_array_equal(alone[:, 0], numbers[:, column])
    assert len({*numbers[0].tolist()}) == 3
    assert numbers.min() >= 0 and numbers.max() < 1
    # Of numbers that are drawn evenly; the deviation of the mean is 0.009.
    assert np.abs(numbers.mean(axis=0) - 0.5).max() < 0.04
    assert rows.uniform_numbers(tf.zeros([0], "int64"), 5).shape == (5, 0)


def test_what_is_made_of_checked_rows_waits_for_the_check():
    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([None])])
    def checked(first, second):
        return 2 * rows.check_rows(first, "first", second=second)

    (output,) = checked.get_concrete_function().graph.outputs
    while output.op.type != "Mul":
        output = output.op.inputs[0]
    given = [x.op for x in output.op.inputs]
    assert any(x.type == "Identity" and x.control_inputs for x in given)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`second` must have as"):
        checked(tf.zeros(3), tf.zeros(2))
