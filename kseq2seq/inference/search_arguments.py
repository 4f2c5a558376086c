"""Arguments of searches: a `Search`, a beam size, a number of translations."""

from typing import Any

from kseq2seq.decoding import Search


def check_search(search: Any) -> Search:
    """The search, or the default one.

    Args:
        search: A `kseq2seq.Search`, or `None`.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> check_search(None).beam_size
    5
    """
    if search is None:
        return Search()
    if isinstance(search, Search):
        return search
    raise ValueError(
        "`search` must be a `kseq2seq.Search`, such as Search(beam_size=5). "
        f"Received: search={search!r}"
    )


def search_of_beam(beam: Any, method: str) -> Search:
    """The search of a beam size, or the default one.

    Args:
        beam: An integer of at least 1, or `None`.
        method: The call that takes a `Search`, for the error.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> search_of_beam(3, "translate(texts, search)").beam_size
    3
    """
    if isinstance(beam, Search):
        raise ValueError(
            "`beam` must be a beam size, an integer; a `Search` goes to "
            f"`{method}`. Received: beam={beam!r:.80}"
        )
    return Search() if beam is None else Search(beam_size=beam)


def nbest_count(search: Search) -> int:
    """Number of translations that the signatures `nbest` and `alternatives` give.

    Args:
        search: The `kseq2seq.Search` of the signatures.

    Example:

    >>> nbest_count(Search(beam_size=4, num_hypotheses=2)), nbest_count(Search())
    (2, 5)
    """
    several = search.num_hypotheses > 1
    return search.num_hypotheses if several else search.beam_size
