"""Numbers of whole models, by which graphs of texts are tested."""

import keras
import numpy as np

from kseq2seq import Search
from kseq2seq.inference import TextToText
from kseq2seq.utils import BOS_ID, PAD_ID

SEARCH = Search(beam_size=3, max_length=11)
TARGETS = ["ein Hund", "", "die Katze", "wir gehen heim", "heim", "x"]


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def text_to_text(translators, search=SEARCH, **changes):
    first = translators[0]
    tokenizers = first.source_tokenizer, first.target_tokenizer
    models = [x.model for x in translators]
    return TextToText(models, *tokenizers, search, **changes)


def ids_of(translator, texts, targets):
    """Padded ids of both sides, by the tokenizers alone."""
    return (
        translator.source_tokenizer.tokenize(texts).to_tensor(PAD_ID).numpy(),
        translator.target_tokenizer.tokenize(targets).to_tensor(PAD_ID).numpy(),
    )


def whole_model_log_probs(translator, source, labels):
    """Log-probabilities of all tokens, `(B, T, V)`, by the model that is trained."""
    target = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=BOS_ID)
    logits = translator.model({"source": source, "target": target})
    return log_softmax(keras.ops.convert_to_numpy(logits).astype("float64"))
