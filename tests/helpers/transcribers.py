"""Small models of frames, and sources for them."""

import numpy as np

import kseq2seq
from kseq2seq import Search
from reference import randomize
from waves import wav

RATE, BANDS, SIZE = 8000, 11, 7
SEARCH = Search(beam_size=3, max_length=9)
# Of two thirds of a frame, so that the last position is not full.
WAVES = [wav(n, RATE, seed=n) for n in (3000, 1717, 50)]
FRAMES = [np.random.default_rng(n).normal(size=(n, SIZE)) for n in (23, 6, 1)]


def make_model(tokenizer, frame_size, **options):
    config = kseq2seq.Seq2SeqConfig(
        **{
            "source_frame_size": frame_size,
            "target_vocabulary_size": tokenizer.vocabulary_size,
            "units": 8,
            "embedding_size": 5,
            "encoder_layers": 2,
            "pyramidal_layers": 1,
            "convolutions": 1,
            "attention": "bahdanau",
            **options,
        }
    )
    model = kseq2seq.build_model(config)
    randomize(model, seed=3)
    return model
