"""Models of exact hard attention: training, search, padding, compiled steps."""

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq import decoding
from kseq2seq.models import start_decoding
from kseq2seq.utils import EOS_ID
from small_models import SOURCE, T, V, make_model, random_ids, random_model, train

WRITTEN = {"a": "AA", "b": "", "c": "CX"}


@pytest.mark.parametrize("name", ["hard", "hard_tied"])
def test_padding_changes_nothing(name):
    model = random_model(name)
    target = random_ids((T, T), T, V)
    wider = np.pad(SOURCE, ((0, 0), (0, 2)))
    before, after = (model({"source": x, "target": target}) for x in (SOURCE, wider))
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_compiled_training_is_the_same():
    trained = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(7)
        model = make_model("hard", cell="lstm", bidirectional=False)
        train(model, steps=1, jit_compile=jit_compile)
        trained.append(model.get_weights())
    for received, expected in zip(*trained, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-4)


def test_a_beam_search_sums_over_alignments():
    """All hypotheses of up to three tokens: their probabilities are the model's."""
    model, source = random_model("hard"), SOURCE[:1]
    step, state = start_decoding(model)(source)
    best = decoding.beam_search(
        step, state, beam_size=7, max_length=3, num_hypotheses=7, length_penalty=0.0
    )
    hypotheses = (np.asarray(x)[0] for x in (best.ids, best.lengths, best.scores))
    for ids, length, score in zip(*hypotheses, strict=True):
        written = ids[:length]
        target = np.concatenate([[2], written[:-1]])[None].astype("int32")
        log_probs = np.asarray(model({"source": source, "target": target}))[0]
        log_probs = log_probs[np.arange(length), written].sum()
        np.testing.assert_allclose(score, log_probs, atol=1e-4)
        assert EOS_ID not in written[:-1]


def test_it_learns_to_write_at_each_position():
    """Letters that become none, one or two: with the default settings."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice([*"abcdef"], rng.integers(2, 7))) for _ in range(700)]
    pairs = [(x, "".join(WRITTEN.get(y, y.upper()) for y in x)) for x in words]
    pairs = [x for x in pairs if x[1]]
    source, target = kseq2seq.train_tokenizers(pairs, kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        embedding_size=16,
        units=32,
        hard_attention="monotonic_first_order",
    )
    model = kseq2seq.build_model(config)
    batches = kseq2seq.data.batches(pairs[50:], source, target, buckets=(14,), seed=1)
    model.compile(kseq2seq.Adam(0.008), kseq2seq.MaskedCrossentropy())
    model.fit(batches, epochs=9, shuffle=False, verbose=0)
    translator = kseq2seq.Translator(model, source, target)
    best = [x[0] for x in translator.translate([x for x, _ in pairs[:50]])]
    right = [x.text == wanted for x, (_, wanted) in zip(best, pairs, strict=False)]
    assert np.mean(right) >= 0.9
    positions = [np.argmax(x.alignment[:-1], axis=1) for x in best]
    assert np.mean([(np.diff(x) >= 0).all() for x in positions]) >= 0.9
