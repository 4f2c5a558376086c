"""Layers for sources of frames, such as speech: features, reduction of time, noise."""

from kseq2seq.layers.frames.convolution import FrameConvolution
from kseq2seq.layers.frames.log_mel import LogMel
from kseq2seq.layers.frames.reduction import FrameMask, FrameStack
from kseq2seq.layers.frames.spec_augment import SpecAugment

__all__ = [
    "FrameConvolution",
    "FrameMask",
    "FrameStack",
    "LogMel",
    "SpecAugment",
]
