"""Options of the search, which several verbs have."""

import argparse
from typing import TYPE_CHECKING, Any

from kseq2seq.cli.arguments import count, index, weight
from kseq2seq.runs import read_settings

if TYPE_CHECKING:
    from kseq2seq import Search

# Names of the options, which are those that `Search` has for them.
NAMES = (
    "beam_size",
    "num_hypotheses",
    "length_penalty",
    "coverage_penalty",
    "max_length",
    "max_length_factor",
    "max_length_offset",
    "min_length",
    "min_length_factor",
    "forbid_unknown",
    "no_repeat_ngram",
    "repetition_penalty",
    "pattern",
    "forbidden_words",
    "length_normalization",
    "num_groups",
    "diversity",
    "shortlist",
    "replace_unknown",
)


def add_search_options(
    parser: argparse.ArgumentParser, greedy: bool = False, ids: bool = False
) -> None:
    """Adds the options of the search but for `--n-best`.

    Args:
        parser: The parser of a verb.
        greedy: Whether there is no search but the greedy one, so that all but limits
            and rules is left out.
        ids: Whether the search is one from ids to ids, so that what needs the text of
            the source is left out.
    """
    group = parser.add_argument_group(
        "search", "The default of each is what the run was trained with."
    )
    if not greedy and not ids:
        _add_shortlist(group)
        _add_replacements(group)
    if not greedy:
        _add_beam(group)
    _add_lengths(group)
    _add_rules(group)


def _add_shortlist(group):
    group.add_argument(
        "--shortlist",
        action="store_true",
        default=None,
        help="search only among the pieces that the shortlist of 'kseq2seq shortlist' "
        "has for the source: faster with a large vocabulary; not for recordings",
    )


def _add_beam(group):
    """Adds the options of the beam and of its scores."""
    group.add_argument(
        "--beam",
        type=count,
        metavar="N",
        dest="beam_size",
        help="hypotheses kept at each step; 1 for greedy search",
    )
    group.add_argument(
        "--length-penalty",
        type=weight,
        metavar="X",
        help="exponent of (5 + length) / 6; 0 prefers short translations",
    )
    group.add_argument(
        "--coverage-penalty",
        type=weight,
        metavar="X",
        help="weight of the penalty for source tokens without attention",
    )
    group.add_argument(
        "--length-normalization",
        choices=["wu", "mean"],
        help="wu divides scores by a power of (5 + length) / 6, mean by one of the "
        "length itself",
    )
    group.add_argument(
        "--num-groups",
        type=count,
        metavar="N",
        help="groups of the beam that avoid each other's tokens",
    )
    group.add_argument(
        "--diversity",
        type=weight,
        metavar="X",
        help="subtracted from the log-probability of a token for each hypothesis "
        "of an earlier group that takes it",
    )


def _add_lengths(group):
    """Adds the options that say how long a translation may be."""
    group.add_argument(
        "--max-length", type=count, metavar="N", help="most tokens of a translation"
    )
    group.add_argument(
        "--max-length-factor",
        type=weight,
        metavar="X",
        help="most tokens of a translation for each token of its source",
    )
    group.add_argument(
        "--max-length-offset",
        type=index,
        metavar="N",
        help="tokens allowed beside those of --max-length-factor",
    )
    group.add_argument(
        "--min-length", type=index, metavar="N", help="fewest tokens of a translation"
    )
    group.add_argument(
        "--min-length-factor",
        type=weight,
        metavar="X",
        help="fewest tokens of a translation for each token of its source",
    )


def _add_replacements(group):
    group.add_argument(
        "--replace-unknown",
        nargs="?",
        const=True,
        metavar="DICTIONARY",
        help="write in place of an unknown token the source word that it attends to "
        "most, or that word's replacement in this file: on each line a word, a tab, "
        "its replacement; not for recordings",
    )


def _add_rules(group):
    """Adds the options that say what a translation may hold."""
    group.add_argument(
        "--forbid-unknown",
        action=argparse.BooleanOptionalAction,
        help="write no unknown tokens, but the next best ones",
    )
    group.add_argument(
        "--no-repeat-ngram",
        type=index,
        metavar="N",
        help="write no sequence of N tokens twice; 0 for no such rule",
    )
    group.add_argument(
        "--repetition-penalty",
        type=weight,
        metavar="X",
        help="factor of the log-probabilities of tokens that are there already, at "
        "least 1",
    )
    group.add_argument(
        "--pattern",
        metavar="REGEX",
        help="write only what matches this regular expression from end to end, such as "
        r"'\d{4}-\d{2}-\d{2}'",
    )
    group.add_argument(
        "--forbid-words",
        nargs="+",
        metavar="WORD",
        dest="forbidden_words",
        help="write none of these words",
    )


def add_n_best(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds the option `--n-best`.

    Args:
        parser: The parser of a verb.
        text: Their use by the verb.
    """
    parser.add_argument(
        "--n-best", type=count, metavar="N", dest="num_hypotheses", help=text
    )


def given_search_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the search that were given, by the names of `Search`.

    Args:
        options: Those of a verb.
    """
    values = {name: getattr(options, name, None) for name in NAMES}
    return {name: value for name, value in values.items() if value is not None}


def make_search(options: argparse.Namespace) -> "Search":
    """The search that the run was trained with, changed by the options.

    Args:
        options: Those of a verb, `path` being the run folder.

    Returns:
        A `kseq2seq.Search`.

    Raises:
        ValueError: If an option is out of range beside the others.
    """
    from kseq2seq import Search

    settings = read_settings(options.path).get("search", {})
    changes = given_search_options(options)
    if "num_hypotheses" in changes and "beam_size" not in changes:
        usual = settings.get("beam_size", Search.beam_size)
        changes["beam_size"] = max(usual, changes["num_hypotheses"])
    if "replace_unknown" in changes:
        changes.setdefault("forbid_unknown", False)
        if changes["replace_unknown"] is not True:
            from kseq2seq.data import read_tsv

            # "English" in the first line is a word like others.
            rows = read_tsv(changes["replace_unknown"], header=False, quoting=False)
            changes["replace_unknown"] = {row[0]: row[1] for row in rows}
    return Search(**{**settings, **changes})
