"""Labels of which another one, or none, is padding."""

import keras
import numpy as np
import pytest

from kseq2seq.losses import MaskedCrossentropy, Perplexity, TokenAccuracy

B, T, V = 2, 5, 7
LOGITS = np.random.default_rng(0).normal(size=(B, T, V)).astype("float32")
# All labels are 0 at some position, which would not count by default.
LABELS = np.array([[0, 3, -1, 0, -1], [6, 0, 2, 1, 0]])


def expected(ignored):
    """Mean cross-entropy and accuracy by a plain loop, of the labels that count."""
    losses, correct = [], []
    for row in range(B):
        for time in range(T):
            label = LABELS[row, time]
            if label not in ignored:
                values = LOGITS[row, time].astype("float64")
                losses.append(np.log(np.exp(values).sum()) - values[label])
                correct.append(values.argmax() == label)
    return np.mean(losses), np.mean(correct)


def test_another_label_is_ignored():
    loss, accuracy = expected({-1})
    tokens, perplexity = TokenAccuracy(ignore_class=-1), Perplexity(ignore_class=-1)
    tokens.update_state(LABELS, LOGITS)
    perplexity.update_state(LABELS, LOGITS)
    received = MaskedCrossentropy(ignore_class=-1)(LABELS, LOGITS)
    assert float(received) == pytest.approx(loss, rel=1e-5)
    assert float(tokens.result()) == pytest.approx(accuracy)
    assert float(perplexity.result()) == pytest.approx(np.exp(loss), rel=1e-5)


def test_none_is_ignored():
    labels = np.maximum(LABELS, 0)
    received = MaskedCrossentropy(ignore_class=None)(labels, LOGITS)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(received) == pytest.approx(float(plain(labels, LOGITS)), rel=1e-6)
    accuracy = TokenAccuracy(ignore_class=None)
    accuracy.update_state(labels, LOGITS)
    share = np.mean(LOGITS.argmax(-1) == labels)
    assert float(accuracy.result()) == pytest.approx(share)


@pytest.mark.parametrize("kind", [MaskedCrossentropy, TokenAccuracy, Perplexity])
def test_the_setting_is_kept_and_checked(kind):
    made = kind.from_config(kind(ignore_class=-1).get_config())
    assert made.ignore_class == -1
    with pytest.raises(ValueError, match="`ignore_class` must be .* an integer"):
        kind(ignore_class="0")


def test_in_training_as_with_plain_logits():
    import kseq2seq

    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=11, target_vocabulary_size=V, embedding_size=3, units=4
    )
    keras.utils.set_random_seed(0)
    model = kseq2seq.build_model(config)
    ids = {"source": np.full((B, 3), 4), "target": np.full((B, T), 2)}
    loss = MaskedCrossentropy(ignore_class=-1)
    model.compile("sgd", loss, metrics=[Perplexity(ignore_class=-1)])
    evaluated = model.evaluate(ids, LABELS, verbose=0, return_dict=True)
    plain = float(loss(LABELS, model(ids)))
    assert evaluated["loss"] == pytest.approx(plain, rel=1e-5)
    assert evaluated["perplexity"] == pytest.approx(np.exp(plain), rel=1e-5)
