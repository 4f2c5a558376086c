"""Layers, losses, models and decoding need no more than Keras, NumPy and a backend."""

from backends import run_on

# What `pip install kseq2seq` brings besides, and the packages of extras.
REFUSED = [
    "ai_edge_litert",
    "babel",
    "flask",
    "huggingface_hub",
    "matplotlib",
    "onnx",
    "sacrebleu",
    "sentencepiece",
    "tensorboard",
    "tensorflow",
    "tensorflow_datasets",
    "tensorflow_serving",
    "tensorflow_text",
    "tf2onnx",
    "torch",
    "tqdm",
]

SCRIPT = f"""
import sys

refused = {REFUSED}
# An import of a module that is `None` here fails as if it were not installed.
sys.modules.update(dict.fromkeys(refused))

import keras
import numpy as np

import kseq2seq
from kseq2seq import decoding, layers, losses, models

assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
config = kseq2seq.Seq2SeqConfig(
    source_vocabulary_size=11, target_vocabulary_size=13, embedding_size=6, units=8
)
model = kseq2seq.build_model(config)
model.compile(
    kseq2seq.Adam(0.02),
    loss=kseq2seq.MaskedCrossentropy(),
    weighted_metrics=[kseq2seq.TokenAccuracy(), kseq2seq.Perplexity()],
)
source = np.random.default_rng(0).integers(4, 11, (64, 5))
source[::2, 3:] = 0  # padding
words = np.where(source, source % 9 + 4, 0)
target = np.concatenate([np.full((64, 1), 2), words], 1)
labels = np.concatenate([words, np.zeros((64, 1), int)], 1)
labels[np.arange(64), (words > 0).sum(1)] = 3
history = model.fit(
    {{"source": source, "target": target}}, labels, epochs=4, batch_size=16, verbose=0
).history
assert history["loss"][-1] < history["loss"][0] - 0.1, history
assert np.allclose(np.exp(history["loss"]), history["perplexity"], rtol=0.05), history

step, states = models.start_decoding(model)(source[:4])
best = decoding.beam_search(step, states, beam_size=3, length_penalty=0.0, max_length=6)
ids = np.asarray(best.ids)[:, 0]
# The search's log-probability is the one that the whole model gives.
given = np.concatenate([np.full((4, 1), 2), ids[:, :-1]], 1)
logits = np.asarray(model.predict_on_batch({{"source": source[:4], "target": given}}))
log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
each = np.take_along_axis(log_probs, ids[:, :, None], 2)[:, :, 0]
expected = np.where(ids != 0, each, 0).sum(1)
assert np.allclose(np.asarray(best.log_probs)[:, 0], expected, atol=1e-4), expected

inputs = keras.Input((None, 4))
outputs = layers.LuongAttention("general")(inputs, inputs)
assert keras.Model(inputs, outputs)(np.ones((2, 3, 4))).shape == (2, 3, 4)
assert not [name for name in refused if sys.modules[name] is not None]
"""


def test_train_and_search_with_jax_alone():
    run_on("jax", SCRIPT)
