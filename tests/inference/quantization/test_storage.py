"""Weights stored in fewer bits, against the rounded weights of the model."""

import keras
import numpy as np
import pytest

from kseq2seq import Search
from kseq2seq.inference import TextToText, store_weights
from loaders import strings
from translators import TEXTS, tiny_translator

TARGETS = ["ein Hund", "", "die Katze", "wir gehen heim", "heim", "x"]


def text_to_text(translator, weights="float32"):
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    search = Search(beam_size=3, max_length=11)
    return TextToText([translator.model], *tokenizers, search, weights=weights)


@pytest.mark.parametrize(("weights", "error"), [("float16", 1e-3), ("int8", 1 / 127)])
def test_stored_weights_are_near(weights, error):
    translator = tiny_translator(units=22, embedding_size=17)
    models = [translator.model]
    stored = store_weights(models, weights)
    assert len(stored) > 5 and store_weights(models, "float32") == []
    for variable, restore in stored:
        values = keras.ops.convert_to_numpy(variable)
        axis = 1 if variable.name == "embeddings" else 0
        largest = np.abs(values).max(axis=axis, keepdims=True)
        assert np.abs(restore() - values).max() > 0
        assert (np.abs(restore() - values) <= 0.51 * error * largest + 1e-7).all()
    # Computed with as if the model's own were rounded so.
    ours = text_to_text(translator, weights)
    outputs = ours.score(strings(TEXTS), strings(TARGETS))
    exact = text_to_text(translator).score(strings(TEXTS), strings(TARGETS))
    for variable, restore in stored:
        variable.assign(restore())
    rounded = text_to_text(translator).score(strings(TEXTS), strings(TARGETS))
    np.testing.assert_allclose(outputs["log_prob"], rounded["log_prob"], rtol=1e-5)
    assert np.abs(outputs["log_prob"] - exact["log_prob"]).max() > 1e-5
    with pytest.raises(ValueError, match="float32, float16, int8.*weights='int4'"):
        store_weights(models, "int4")
