"""Noise in batches: what changes, how often, and what never does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID

LETTERS = "abcdefghijklm"


@pytest.fixture(scope="module")
def plain():
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(0)

    def text():
        return "".join(rng.choice(list(LETTERS), rng.integers(1, 11)))

    pairs = [(text(), text()) for _ in range(997)]
    tokenizer = train_tokenizer([LETTERS], kind="character")
    return data.batches(pairs, tokenizer, tokenizer, batch_size=61)


def arrays(dataset):
    return [
        (inputs["source"].numpy(), inputs["target"].numpy(), labels.numpy())
        for inputs, labels in dataset
    ]


def letters(ids):
    return ids >= 4


@pytest.mark.parametrize("name", ["source_mask", "target_mask"])
def test_a_share_of_the_tokens_is_hidden(plain, name):
    noisy = data.add_noise(plain, **{name: 0.3}, seed=5)
    assert noisy.cardinality() == plain.cardinality()
    assert noisy.element_spec == plain.element_spec
    before, after = arrays(plain), arrays(noisy)
    side = ["source_mask", "target_mask"].index(name)
    hidden = total = 0
    for old, new in zip(before, after, strict=True):
        for place, (a, b) in enumerate(zip(old, new, strict=True)):
            if place != side:
                np.testing.assert_array_equal(a, b)
        a, b = old[side], new[side]
        changed = a != b
        assert (b[changed] == UNK_ID).all() and letters(a)[changed].all()
        hidden, total = hidden + changed.sum(), total + letters(a).sum()
    assert hidden / total == pytest.approx(0.3, abs=0.02)
    assert any((x[1][:, 0] == BOS_ID).all() for x in after)


def test_neighbours_are_swapped(plain):
    before = arrays(plain)
    after = arrays(data.add_noise(plain, source_swap=0.2, seed=5))
    swaps = chances = 0
    for (a, *rest), (b, *others) in zip(before, after, strict=True):
        for x, y in zip(rest, others, strict=True):
            np.testing.assert_array_equal(x, y)
        for old, new in zip(a.tolist(), b.tolist(), strict=True):
            end = old.index(EOS_ID)
            assert new[end:] == old[end:]
            chances += max(0, end - 1)
            place = 0
            while place < end:
                if new[place] == old[place]:
                    place += 1
                else:  # two tokens in each other's place
                    assert new[place : place + 2] == old[place : place + 2][::-1]
                    place, swaps = place + 2, swaps + 1
    # Fewer than drawn: none overlap, and equal neighbours do not show.
    assert 0.1 < swaps / chances < 0.2


def test_what_stands_behind_eos_stays(plain):
    source = tf.constant([[4, 5, EOS_ID, 20, 21, PAD_ID]])
    inputs = {"source": source, "target": source}
    dataset = tf.data.Dataset.from_tensors((inputs, source)).repeat(50)
    options = {"source_mask": 0.9, "target_mask": 0.9, "source_swap": 0.9}
    for noisy, labels in data.add_noise(dataset, **options, seed=1):
        np.testing.assert_array_equal(noisy["source"][:, 2:], source[:, 2:])
        np.testing.assert_array_equal(noisy["target"][:, 2:], source[:, 2:])
        np.testing.assert_array_equal(labels, source)


def test_it_is_another_in_each_epoch_and_the_same_by_a_seed(plain):
    def sources(dataset):
        return np.concatenate([source.ravel() for source, _, _ in arrays(dataset)])

    def noisy():
        keras.utils.set_random_seed(3)
        return data.add_noise(plain, source_mask=0.3, seed=7)

    dataset = noisy()
    first, second = sources(dataset), sources(dataset)
    assert (first != second).any()
    np.testing.assert_array_equal(sources(noisy()), first)


def test_rates_are_checked(plain):
    for name in ("source_mask", "target_mask", "source_swap"):
        with pytest.raises(ValueError, match=rf"{name}.*1\.5"):
            data.add_noise(plain, **{name: 1.5})
    with pytest.raises(ValueError, match="seed.*'a'"):
        data.add_noise(plain, seed="a")
    for ids in ([0, -1], [0.5]):
        with pytest.raises(ValueError, match="`copied_ids` must be a list of integers"):
            data.add_noise(plain, shared_mask=0.5, copied_ids=ids)


def test_each_source_id_has_a_copied_one():
    source = tf.constant([[4, 5, EOS_ID, 9]])  # of which 9 is a feature
    rows = ({"source": source, "target": source}, source)
    batches = tf.data.Dataset.from_tensors(rows)
    enough, few = ([0, 1, 0, 3, 4, 5][:count] for count in (6, 5))
    options = {"shared_mask": 0.5, "seed": 3}
    assert len(arrays(data.add_noise(batches, **options, copied_ids=enough))) == 1
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="`copied_ids` must have .*: 5 ids"
    ):
        arrays(data.add_noise(batches, **options, copied_ids=few))


def test_shared_symbols_are_hidden_on_both_sides():
    """In half of the rows, wherever they stand, and by ids of the other side."""
    source = tf.constant([[4, 5, 6, 4, EOS_ID, 9], [7, EOS_ID, 9, 9, 9, 9]] * 500)
    labels = tf.constant([[12, 11, 12, 15, EOS_ID], [14, 10, EOS_ID, 0, 0]] * 500)
    target = tf.concat([tf.fill([1000, 1], BOS_ID), labels[:, :-1]], axis=1)
    rows = ({"source": source, "target": target}, labels)
    batches = tf.data.Dataset.from_tensors(rows)
    copied_ids = [0, 1, 0, 3, 12, 15, 13, 14]
    noisy = data.add_noise(batches, shared_mask=0.5, copied_ids=copied_ids, seed=3)
    ((new_source, new_target, new_labels),) = arrays(noisy)
    hidden = new_labels == UNK_ID
    # What the source has as 4, 5 and 7; there is no 6 in the target, and no 11.
    assert np.mean(hidden[::2, 0]) == pytest.approx(0.5, abs=0.05)
    assert np.mean(hidden[::2, 3]) == pytest.approx(0.5, abs=0.05)
    assert np.mean(hidden[::2, 0] & hidden[::2, 3]) == pytest.approx(0.25, abs=0.05)
    np.testing.assert_array_equal(hidden[::2, 0], hidden[::2, 2])
    for place, letter in ((0, 0), (1, 3), (3, 0)):
        np.testing.assert_array_equal(
            new_source[::2, place] == UNK_ID, hidden[::2, letter]
        )
    np.testing.assert_array_equal(new_source[1::2, 0] == UNK_ID, hidden[1::2, 0])
    assert not hidden[:, 1].any() and not hidden[::2, 4].any()
    np.testing.assert_array_equal(new_source[:, 2], source[:, 2])
    np.testing.assert_array_equal(new_source[:, 4:], source[:, 4:])
    np.testing.assert_array_equal(new_target[:, 1:], new_labels[:, :-1])
    assert (new_target[:, 0] == BOS_ID).all()
