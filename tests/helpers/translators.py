"""A translator so small that tests can afford it, with something to say."""

import keras

import kseq2seq
from kseq2seq.utils import UNK_ID

PAIRS = [
    ("a dog runs", "ein Hund rennt"),
    ("the cat sees a bird", "die Katze sieht einen Vogel"),
    ("we go home", "wir gehen heim"),
]
# Of different lengths, not in their order; one is empty, one is there twice.
TEXTS = ["a dog", "", "the birds see the cat", "we run home", "a dog", "go"]
# A Transformer's settings, in the place of a tiny translator's own.
TRANSFORMER = {
    "architecture": "transformer",
    "attention": "luong_scaled_general",
    "num_heads": 2,
    "units": 32,
}
# As the recipe `g2p` has it.
HARD_ATTENTION = {
    "attention": "luong_general",
    "hard_attention": "monotonic_first_order",
}
# Of a model with `feature_vocabulary_size=NUM_FEATURES`.
FEATURES = kseq2seq.FeatureVocabulary(["N", "PL", "PST", "V", "größer"])
NUM_FEATURES = FEATURES.vocabulary_size
# One for each text: known, missing, unknown, with blanks, and repeated ones.
FEATURES_OF_TEXTS = ["V;PST", "N", "", "N; größer ;PL", "X;V", "PL;PL"]


def tiny_translator(policy="float32", **changes):
    """A `Translator` of seeded weights, large enough that outputs differ."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return _tiny_translator(changes)
    finally:
        keras.config.set_dtype_policy(before)


def _tiny_translator(changes):
    source, target = kseq2seq.train_tokenizers(PAIRS, kind="character")
    settings = {"units": 10, "embedding_size": 6, "attention": "bahdanau", **changes}
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        **settings,
    )
    keras.utils.set_random_seed(3)
    model = kseq2seq.build_model(config)
    for variable in model.trainable_variables:
        variable.assign(variable * 3.0)
    if not config.tie_embeddings:
        # Not so large that rounding a weight to fewer bits would decide an answer.
        for name in ("source_embedding", "target_embedding"):
            rows = model.get_layer(name).embeddings
            rows.assign(rows * config.embedding_size**-0.5)
        # No unknown characters, so that a text's tokens are those it was made of.
        bias = model.get_layer("projection").bias
        values = keras.ops.convert_to_numpy(bias).copy()
        values[UNK_ID] = -50.0
        bias.assign(values)
    features = FEATURES if config.feature_vocabulary_size else None
    return kseq2seq.Translator(model, source, target, features)
