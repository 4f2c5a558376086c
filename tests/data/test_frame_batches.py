"""Batches of frames, against a loop over the pairs."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from frame_pairs import LENGTHS, check_same, pairs_of_frames
from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID


@pytest.fixture(scope="module", name="pairs")
def pairs_():
    return pairs_of_frames()


@pytest.fixture(scope="module", name="tokenizer")
def tokenizer_():
    return train_tokenizer(["abc"], kind="character")


def test_frames_on_the_disk_must_be_finite_when_they_are_read(
    pairs, tokenizer, tmp_path
):
    data.write_frames(tmp_path / "f", pairs)
    frames = np.load(tmp_path / "f" / "frames.npy")
    frames[LENGTHS[0]] = np.nan
    np.save(tmp_path / "f" / "frames.npy", frames)
    dataset = data.frame_batches(data.read_frames(tmp_path / "f"), tokenizer)
    with pytest.raises(tf.errors.OpError, match=r"infinite ones in pairs\[1\]"):
        next(iter(dataset))


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_hold_each_pair_once(pairs, tokenizer, seed, caplog, tmp_path):
    data.write_frames(tmp_path / "f", pairs)
    with caplog.at_level(logging.WARNING, "kseq2seq"):
        dataset = data.frame_batches(
            data.read_frames(tmp_path / "f"),
            tokenizer,
            batch_size=2,
            buckets=(4, 8, 16),
            target_buckets=(3, 6),
            seed=seed,
        )
    assert "1 of 5 pairs are longer than the last bucket, 16 frames or 6" in caplog.text
    assert dataset.cardinality() == 2
    rows = []
    for inputs, labels in dataset:
        assert inputs["frames"].shape[1] in (4, 8, 16)
        for frames, mask, target, own in zip(
            *(inputs[name].numpy() for name in ("frames", "frame_mask", "target")),
            labels.numpy(),
            strict=True,
        ):
            length, count = mask.sum(), (own != 0).sum()
            np.testing.assert_array_equal(frames[length:], 0)
            assert mask[:length].all() and own[count - 1] == EOS_ID
            assert target[:count].tolist() == [BOS_ID, *own[: count - 1]]
            assert not target[count:].any()
            text = tokenizer.detokenize(own[None]).numpy()[0].decode()
            rows.append((frames[:length], text))
    expected = [pair for pair in pairs if len(pair[1]) < 6]
    if seed is not None:
        rows, expected = (
            sorted(x, key=lambda row: len(row[0])) for x in (rows, expected)
        )
    check_same(rows, expected)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"buckets": []}, "`buckets` must be a list of lengths in frames, at least"),
        ({"target_buckets": [0]}, "`target_buckets` must be .*at least 1"),
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"buckets": [1]}, "give longer ones. Received: 5 of 5 pairs are longer"),
    ],
)
def test_arguments_are_checked(pairs, tokenizer, options, match):
    with pytest.raises(ValueError, match=match):
        data.frame_batches(pairs, tokenizer, **options)


def test_batches_go_on_anywhere():
    tokenizer = train_tokenizer(["abc"], kind="character")
    pairs = [(np.full((n, 2), n), "abc"[: n % 3 + 1]) for n in range(1, 12)]
    batches = data.FrameBatches(pairs, tokenizer, batch_size=2, buckets=(16,), seed=3)

    def lengths(start, count):
        taken = batches.dataset(start).take(count)
        return [x["frame_mask"].numpy().sum(axis=1).tolist() for x, _ in taken]

    steps = batches.steps_per_pass
    all_ = lengths(0, 3 * steps)
    assert lengths(steps + 2, steps) == all_[steps + 2 : 2 * steps + 2]
    assert batches.place(5) == {}
    for number in range(3):
        of_pass = all_[number * steps : (number + 1) * steps]
        assert sorted(x for batch in of_pass for x in batch) == list(range(1, 12))
    assert all_[:steps] != all_[steps : 2 * steps]
