"""Section [batches] of the settings of a training."""

import dataclasses

from kseq2seq.data import DEFAULT_BUCKETS, DEFAULT_FRAME_BUCKETS
from kseq2seq.trainer.schema import integer, integers, number, one_or_two, setting


@dataclasses.dataclass(frozen=True)
class BatchSettings:
    """Section [batches]: batches of pairs."""

    batch_size: int = setting(64, integer(1), "Pairs of a batch")
    batch_tokens: int = setting(
        0,
        integer(),
        "Instead of batch_size: tokens of a batch on each side; 0 for none",
    )
    buckets: tuple[int, ...] = setting(
        DEFAULT_BUCKETS,
        integers(least=1),
        "Lengths in tokens that batches are padded to; longer pairs are left out",
    )
    frame_buckets: tuple[int, ...] = setting(
        DEFAULT_FRAME_BUCKETS,
        integers(least=1),
        "Of the formats wav and frames: likewise, lengths of sources in frames",
    )
    source_mask: float = setting(
        0.0, number(below=1), "Share of the source's tokens that are hidden in training"
    )
    target_mask: float = setting(
        0.0, number(below=1), "Likewise, of the tokens that the decoder reads"
    )
    source_swap: float = setting(
        0.0, number(below=1), "Share of the source's tokens that are swapped, likewise"
    )
    sampling_nbest_size: int | tuple[int, int] = setting(
        0,
        one_or_two(integer(-1, 512)),  # what SentencePiece takes
        "With kind unigram: number of best segmentations of a text, one of which is "
        "drawn in training; -1 for all, or for bpe; 0 for the best one alone",
    )
    sampling_alpha: float = setting(
        0.1,
        number(),
        "Smoothing of the draws: the smaller, the more alike the probabilities of "
        "segmentations; of bpe the share of merges that are left out",
    )
    shared_mask: float = setting(
        0.0,
        number(below=1),
        "Share of the symbols that a source and its target have in common that are "
        "hidden in both: with model.copying, unknown symbols are learnt to be copied",
    )
