"""Models that copy: the target ids of what they copy."""

from collections.abc import Sequence

import keras

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import CopiedIds
from kseq2seq.utils import EOS_ID, PAD_ID, UNK_ID


def all_copied_ids(
    config: Seq2SeqConfig, copied_ids: Sequence[int] | None = None
) -> list[int]:
    """The target id that each source id is copied as, those of features included.

    Args:
        config: The config of a model that copies.
        copied_ids: As of `build_model`.

    Raises:
        ValueError: If `copied_ids` does not fit the vocabularies.

    Example:

    >>> config = Seq2SeqConfig(
    ...     source_vocabulary_size=6, target_vocabulary_size=6, copying=True
    ... )
    >>> all_copied_ids(config)
    [0, 1, 0, 3, 4, 5]
    """
    source, target = config.source_vocabulary_size, config.target_vocabulary_size
    if copied_ids is None and source == target:
        copied_ids = [PAD_ID, UNK_ID, PAD_ID, *range(EOS_ID, source)]
    given = list(copied_ids or ())
    if len(given) != source or max(given) >= target:
        received = "None" if copied_ids is None else f"{len(given)} ids"
        if given:
            received += f", the largest {max(given)}"
        raise ValueError(
            f"`copied_ids` must have for each of the {source} source ids a target id "
            f"below {target}: use kseq2seq.tokenizers.copied_ids(source, target). "
            f"Received: {received}"
        )
    return [*given, *[PAD_ID] * config.feature_vocabulary_size]


def copied_ids_of(model: keras.Model) -> list[int] | None:
    """The target id that a model copies each source id as.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        A list of ids, with `PAD_ID` for what is not copied; `None` of a model that does
        not copy.

    Example:

    >>> from kseq2seq import build_model
    >>> sizes = {"source_vocabulary_size": 6, "target_vocabulary_size": 6}
    >>> config = Seq2SeqConfig(**sizes, copying=True, embedding_size=4, units=6)
    >>> copied_ids_of(build_model(config))
    [0, 1, 0, 3, 4, 5]
    """
    layers = [x for x in model.layers if isinstance(x, CopiedIds)]
    return layers[0].target_ids if layers else None
