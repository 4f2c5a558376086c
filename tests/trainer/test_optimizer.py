"""The optimizer of the settings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import trainer
from kseq2seq.models import load_model
from kseq2seq.trainer import pipeline
from kseq2seq.trainer.optimizer import leave_out_vectors, make_optimizer
from small_models import make_model, training_batch

DATES = trainer.find_recipe("dates")


def settings(*changes):
    return trainer.read_settings(DATES, [*changes, "optimizer.warmup_steps=0"])


def test_settings_reach_the_optimizer():
    optimizer = make_optimizer(settings("optimizer.schedule=plateau"), 7)
    assert (optimizer.weight_decay, optimizer.gradient_accumulation_steps) == (
        None,
        None,
    )
    assert not optimizer.use_ema and round(float(optimizer.learning_rate), 6) == 0.003
    changes = ["optimizer.weight_decay=0.1", "optimizer.accumulation_steps=3"]
    optimizer = make_optimizer(settings(*changes, "training.ema=0.9"), 7)
    assert (optimizer.weight_decay, optimizer.gradient_accumulation_steps) == (0.1, 3)
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("optimizer.warmup_steps=11", "7 batches in all, too few for optimizer.warmup"),
        ("optimizer.accumulation_steps=11", "too few for optimizer.accumulation_steps"),
        ("training.ema=0.9", "too few for training.ema = 0.9, an average over some 10"),
    ],
)
def test_numbers_that_a_training_does_not_come_to_are_told(change, match, caplog):
    few = trainer.read_settings(DATES, ["optimizer.warmup_steps=0", change])
    make_optimizer(few, 11)
    assert not caplog.messages
    make_optimizer(few, 7)
    assert match in caplog.text


def weights_after_nothing(model):
    """Weights before and after an update by gradients of 0."""
    before = [x.numpy() for x in model.trainable_variables]
    zeros = [tf.zeros(x.shape) for x in model.trainable_variables]
    model.optimizer.apply(zeros, model.trainable_variables)
    return zip(before, model.trainable_variables, strict=True)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_matrices_decay_and_vectors_do_not(tmp_path, precision):
    """Also after the model was loaded from a checkpoint."""
    changes = ["optimizer.weight_decay=0.1", "optimizer.learning_rate=0.5"]
    changes += ["optimizer.schedule=constant", "model.units=6", "model.dropout=0.0"]
    read = settings(*changes, f"training.precision={precision}")
    sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    config = kseq2seq.Seq2SeqConfig(**sizes, **read.model)
    try:
        model = pipeline.make_model(read, config, 7)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    leave_out_vectors(loaded)
    for one in (model, loaded):
        for variable in one.trainable_variables:
            variable.assign(np.ones(variable.shape))
        for before, after in weights_after_nothing(one):
            share = 0.95 if before.ndim > 1 else 1.0
            np.testing.assert_allclose(after, before * share, rtol=1e-6)
    assert {len(x.shape) for x in model.trainable_variables} == {1, 2}


def test_accumulated_batches_are_one_batch():
    """Embeddings too, whose gradients come as rows."""
    inputs, labels = training_batch()
    joint = tf.data.Dataset.from_tensors((inputs, labels)).repeat(3)
    changes = ["optimizer.schedule=constant", "optimizer.accumulation_steps=2"]
    results = []
    for batches, given in ((joint.repeat(2), changes), (joint, changes[:1])):
        keras.utils.set_random_seed(0)
        model = make_model("normalized")
        optimizer = make_optimizer(settings(*given), 7)
        loss = kseq2seq.MaskedCrossentropy()
        model.compile(optimizer, loss)
        optimizer.build(model.trainable_variables)
        model.fit(batches, shuffle=False, verbose=0)
        results.append(model.get_weights())
        assert int(optimizer.iterations) == 3
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-5)
