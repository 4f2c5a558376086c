"""Small models of frames, and sources for them."""

import numpy as np

import kseq2seq
from kseq2seq import Search, Transcriber, layers
from kseq2seq.tokenizers import train_tokenizer
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


def make_tokenizer():
    return train_tokenizer(["abc de"], kind="character")


def speech_transcriber(tokenizer):
    """A `Transcriber` of recordings."""
    log_mel = layers.LogMel(BANDS, RATE)
    return Transcriber(make_model(tokenizer, BANDS), tokenizer, log_mel)


def frames_transcriber(tokenizer):
    """A `Transcriber` of frames."""
    return Transcriber(make_model(tokenizer, SIZE), tokenizer)
