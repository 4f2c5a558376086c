"""A search in words, for READMEs and model cards."""

from kseq2seq.decoding import Search


def search_in_words(search: Search) -> str:
    """A search as a part of a sentence.

    Args:
        search: A `kseq2seq.Search`.

    Example:

    >>> print(search_in_words(Search(beam_size=1, max_length=40)))
    greedy search; for a source of n tokens at most min(40, 2 n + 20) tokens
    >>> search = Search(beam_size=1, pattern="[0-9]+", no_repeat_ngram=3)
    >>> search_in_words(search).split("; ")[2:]
    ['no 3 tokens twice', 'outputs that match `[0-9]+`']
    """
    if search.beam_size == 1:
        kept = "greedy search"
    else:
        kept = (
            f"beam search of {search.beam_size}, length penalty "
            f"{search.length_penalty:g}, coverage penalty {search.coverage_penalty:g}"
        )
    least = shortest_in_words(search)
    least = f", and at least {least}" if least else ""
    most = longest_in_words(search)
    rules = _rules_in_words(search)
    return f"{kept}; for a source of n tokens at most {most} tokens{least}{rules}"


def _rules_in_words(search):
    rules = []
    if search.length_normalization == "mean" and search.beam_size > 1:
        rules.append("scores are means over tokens")
    if search.num_groups > 1:
        rules.append(f"{search.num_groups} groups, diversity {search.diversity:g}")
    if search.no_repeat_ngram:
        rules.append(f"no {search.no_repeat_ngram} tokens twice")
    if search.repetition_penalty != 1.0:
        rules.append(f"repetition penalty {search.repetition_penalty:g}")
    if search.pattern is not None:
        rules.append(f"outputs that match `{search.pattern}`")
    if search.forbidden_words:
        rules.append(f"without the words {', '.join(search.forbidden_words)}")
    if search.replace_unknown:
        rules.append("words of the source in the place of unknown tokens")
    return "".join(f"; {rule}" for rule in rules)


def longest_in_words(search: Search) -> str:
    """The most tokens of a translation; `kseq2seq.decoding.length_limits` has numbers.

    Args:
        search: A `kseq2seq.Search`.

    Example:

    >>> longest_in_words(Search(max_length_factor=1.5))
    'min(200, 1.5 n + 20)'
    """
    longest = f"{search.max_length_factor:g} n + {search.max_length_offset}"
    return f"min({search.max_length}, {longest})"


def shortest_in_words(search: Search) -> str:
    """The fewest tokens of a translation; empty if there may be any number.

    Args:
        search: A `kseq2seq.Search`.

    Example:

    >>> shortest_in_words(Search(min_length=2)), shortest_in_words(Search())
    ('max(2, 0 n)', '')
    """
    if not search.min_length and not search.min_length_factor:
        return ""
    return f"max({search.min_length}, {search.min_length_factor:g} n)"
