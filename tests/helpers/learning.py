"""Whether a mechanism learns: a tiny model, and exact matches on unseen pairs."""

import keras
import numpy as np

from kseq2seq import Adam, decoding
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.models import build_model, start_decoding
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID

FIRST_ID = EOS_ID + 1  # of the tokens that are no special ones


def pad(rows, length):
    actual = np.full((len(rows), length), PAD_ID, "int32")
    for i, row in enumerate(rows):
        actual[i, : len(row)] = row
    return actual


def random_tokens(rng, length, num_tokens):
    """A sequence of `length` ids, of `num_tokens` different ones."""
    return rng.integers(FIRST_ID, FIRST_ID + num_tokens, size=length).tolist()


def id_batches(pairs):
    """Arrays `source` (with EOS), `target` (from BOS) and `label` (up to EOS)."""
    length = 1 + max(len(row) for pair in pairs for row in pair)
    return (
        pad([[*source, EOS_ID] for source, _ in pairs], length),
        pad([[BOS_ID, *target] for _, target in pairs], length),
        pad([[*target, EOS_ID] for _, target in pairs], length),
    )


def exact_match_after_training(
    attention,
    make_pair,
    num_tokens,
    steps,
    learning_rate=0.01,
    seed=0,
    make_unseen=None,
    **config,
):
    """Trains a tiny model on pairs made anew each step; share of exact matches.

    Args:
        attention: An attention layer that is not built.
        make_pair: Function from a NumPy random generator to a pair of source and
            target, lists of ids from `FIRST_ID` on, of at most `num_tokens` kinds.
        num_tokens: Number of ids from `FIRST_ID` on.
        steps: Number of training steps, of 64 pairs each.
        learning_rate: Where the learning rate starts; it falls to 0 as a cosine.
        seed: Seed of the weights and of the pairs.
        make_unseen: What makes the unseen pairs, such as longer ones; `make_pair` by
            default.
        **config: Settings of the `Seq2SeqConfig`.

    Returns:
        Share of 200 pairs whose greedy output is the whole target, of sources that
        were not trained on.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    size = FIRST_ID + num_tokens
    sizes = {"embedding_size": 16, "units": 32, "dropout": 0.0, **config}
    model = build_model(
        Seq2SeqConfig(
            source_vocabulary_size=size, target_vocabulary_size=size, **sizes
        ),
        attention=attention,
    )
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        Adam(schedule, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
    )
    # Else TensorFlow traces the first step twice.
    model.optimizer.build(model.trainable_variables)
    pairs = [make_pair(rng) for _ in range(64 * steps)]
    source, target, label = id_batches(pairs)
    model.fit(
        {"source": source, "target": target},
        label,
        sample_weight=(label != PAD_ID).astype("float32"),
        batch_size=64,
        shuffle=False,
        verbose=0,
    )
    rng, seen = np.random.default_rng(seed + 1000), {tuple(x) for x, _ in pairs}
    unseen = []
    while len(unseen) < 200:
        pair = (make_unseen or make_pair)(rng)
        unseen += [pair] if tuple(pair[0]) not in seen else []
    source, _, label = id_batches(unseen)
    step, state = start_decoding(model)(source)
    actual = decoding.greedy_search(step, state, max_length=label.shape[1])
    actual = keras.ops.convert_to_numpy(actual.ids)[:, 0]
    return np.mean(np.all(actual == label, axis=1))
