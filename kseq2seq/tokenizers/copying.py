"""Copying: which pieces of the target are those of the source."""

from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID


def copied_ids(source: Tokenizer, target: Tokenizer) -> list[int]:
    """The target id that each source id is copied as: that of the same piece.

    A piece that the target's vocabulary lacks, and UNK, are copied as UNK. EOS is
    copied as EOS; PAD and BOS are not copied, and have `PAD_ID`.

    Args:
        source: The `Tokenizer` of the source.
        target: That of the target.

    Returns:
        A list of integers, one for each id of the source.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizers
    >>> source, target = train_tokenizers([("ab", "bc")], kind="character")
    >>> source.pieces(range(4, 6)), target.pieces(range(4, 6))
    (['a', 'b'], ['b', 'c'])
    >>> copied_ids(source, target)
    [0, 1, 0, 3, 1, 4]

    Reference:
        [See et al., 2017](https://arxiv.org/abs/1704.04368), section 2.2.
    """
    pieces = target.pieces(range(target.vocabulary_size))
    ids = {piece: id_ for id_, piece in enumerate(pieces) if id_ > EOS_ID}
    table = [ids.get(x, UNK_ID) for x in source.pieces(range(source.vocabulary_size))]
    special = {PAD_ID: PAD_ID, UNK_ID: UNK_ID, BOS_ID: PAD_ID, EOS_ID: EOS_ID}
    for id_, copied in special.items():
        table[id_] = copied
    return table
