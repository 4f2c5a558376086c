"""Callbacks for `model.fit`: scores of what is decoded, averages of weights."""

from kseq2seq.callbacks.averaged_weights import AveragedWeights
from kseq2seq.callbacks.decode_and_score import DecodeAndScore
from kseq2seq.callbacks.epoch_scores import EpochScores
from kseq2seq.callbacks.transcribe_and_score import TranscribeAndScore

__all__ = ["AveragedWeights", "DecodeAndScore", "EpochScores", "TranscribeAndScore"]
