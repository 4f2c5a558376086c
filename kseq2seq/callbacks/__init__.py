"""Callbacks for `model.fit`: scores of translations, averages of weights."""

from kseq2seq.callbacks.averaged_weights import AveragedWeights
from kseq2seq.callbacks.decode_and_score import DecodeAndScore

__all__ = ["AveragedWeights", "DecodeAndScore"]
