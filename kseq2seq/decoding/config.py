"""`Search`: the settings of a search, and searches by them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

from kseq2seq.decoding import searches
from kseq2seq.decoding.constraints import (
    AfterPrefix,
    Constraint,
    ForbiddenTokens,
    ForcedPrefix,
    NoRepeatedNgram,
    RepetitionPenalty,
    is_guided,
)
from kseq2seq.decoding.patterns import parse_pattern
from kseq2seq.decoding.replacements import check_replacements
from kseq2seq.decoding.rules import check_beam, check_lengths
from kseq2seq.decoding.slots import Hypotheses
from kseq2seq.decoding.step import StepFunction
from kseq2seq.utils import (
    PAD_ID,
    UNK_ID,
    Tensor,
    check_boolean,
    check_integer,
    check_number,
    check_words,
)


@dataclasses.dataclass(frozen=True)
class Search:
    """Settings of greedy and beam search.

    Lengths count tokens, EOS included. The longest translation of a source of
    `n` tokens has `max_length_factor * n + max_length_offset` of them, or `min_length`
    if that is more, and never more than `max_length`; the shortest has
    `min_length_factor * n` of them, and at least `min_length`.

    Args:
        beam_size: Number of hypotheses kept at each step; 1 for greedy search, whose
            scores are log-probabilities, whatever the penalties are.
        num_hypotheses: Number of hypotheses returned for each source.
        length_penalty: Exponent of `((5 + length) / 6)`; 0 prefers short ones.
        coverage_penalty: Weight of the coverage penalty; needs attention.
        max_length: The most tokens of any translation.
        max_length_factor: Tokens allowed for each token of the source.
        max_length_offset: Tokens allowed beside those.
        min_length: The fewest tokens of any translation.
        min_length_factor: Tokens demanded for each token of the source.
        length_normalization: `"mean"` for `length` in the place of
            `(5 + length) / 6`: at `length_penalty=1` the mean over the tokens.
        num_groups: Groups of the beam, each of which avoids the tokens of those before
            it; 1 for no such rule. `beam_size` is a multiple of it.
        diversity: Number subtracted from the log-probability of a token for each
            hypothesis of an earlier group that takes it.
        forbid_unknown: Whether to write the next best token in place of an unknown one.
            A model that copies writes what it copies, whatever this is.
        replace_unknown: Whether to write, in place of an unknown token, the source word
            that it attends to most. A dict gives replacements of source words; words
            that it lacks are copied. Needs attention, and `forbid_unknown=False`.
        no_repeat_ngram: Length in tokens of sequences that may not occur twice; 0 for
            no such rule.
        repetition_penalty: Factor of the log-probabilities of tokens that are there
            already, in the score too; 1 for none.
        pattern: Regular expression that translations match from end to end, in the
            syntax of `kseq2seq.decoding.pattern_automaton`; `None` for any translation.
            An unknown token never matches, not even `.`, whatever `forbid_unknown` is.
        forbidden_words: Words that do not occur as whole words. An entry that ends in
            a sign, such as "!", does not occur right beside a word either. Blanks
            around entries do not count.
        shortlist: Whether to search only among the pieces that the shortlist of
            `kseq2seq shortlist` has for the source. Not with `pattern`, which needs
            all pieces.

    Raises:
        ValueError: If a setting is out of range, or contradicts another one.

    Example:

    >>> Search(beam_size=1).num_hypotheses
    1

    Reference:
        [Wu et al., 2016](https://arxiv.org/abs/1609.08144), section 7;
        [Vijayakumar et al., 2018](https://arxiv.org/abs/1610.02424), algorithm 1. The
        constraints of `kseq2seq.decoding` name theirs.
    """

    beam_size: int = 5
    num_hypotheses: int = 1
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    max_length: int = 200
    max_length_factor: float = 2.0
    max_length_offset: int = 20
    min_length: int = 0
    min_length_factor: float = 0.0
    forbid_unknown: bool = True
    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0
    pattern: str | None = None
    forbidden_words: tuple[str, ...] = ()
    length_normalization: str = "wu"
    num_groups: int = 1
    diversity: float = 0.5
    shortlist: bool = False
    replace_unknown: bool | Mapping[str, str] | tuple[tuple[str, str], ...] = False

    def __post_init__(self):
        for name in ("beam_size", "num_hypotheses", "max_length"):
            self._check(check_integer, name, 1)
        for name in ("max_length_offset", "min_length", "no_repeat_ngram"):
            self._check(check_integer, name, 0)
        for name in (
            "length_penalty",
            "coverage_penalty",
            "max_length_factor",
            "min_length_factor",
        ):
            self._check(check_number, name, 0)
        self._check(check_number, "repetition_penalty", 1)
        if self.pattern == "":
            raise ValueError(
                "`pattern` must be a regular expression, not an empty one, which an "
                "empty text alone matches; None is for any translation. "
                "Received: pattern=''"
            )
        if self.pattern is not None:
            parse_pattern(self.pattern)
        words = check_words("forbidden_words", self.forbidden_words)
        if not all(word.strip() for word in words):
            raise ValueError(
                "`forbidden_words` must be words, none of them blank; leave those out. "
                f"Received: forbidden_words={words!r}"
            )
        # A blank at an end would have to stand beside another one.
        words = tuple(word.strip() for word in words)
        object.__setattr__(self, "forbidden_words", words)
        check_boolean("forbid_unknown", self.forbid_unknown)
        words = check_replacements(self.replace_unknown)
        object.__setattr__(self, "replace_unknown", words)
        if words and self.forbid_unknown:
            raise ValueError(
                "`replace_unknown` needs forbid_unknown=False, since there are no "
                "unknown tokens otherwise. Received: forbid_unknown=True"
            )
        check_boolean("shortlist", self.shortlist)
        if self.shortlist and self.pattern is not None:
            raise ValueError(
                "`shortlist` must be false with a `pattern`, which may need any piece; "
                f"leave out one of them. Received: pattern={self.pattern!r}"
            )
        if self.min_length > self.max_length:
            raise ValueError(
                "`min_length` must be at most `max_length`; change one of them. "
                f"Received: min_length={self.min_length}, max_length={self.max_length}"
            )
        check_lengths(self.length_penalty, self.length_normalization)
        check_beam(self.beam_size, self.num_hypotheses, self.num_groups, self.diversity)

    def _check(self, check, name, least):
        """Replaces a setting by its value as a Python number."""
        object.__setattr__(self, name, check(name, getattr(self, name), least))


def search_ids(
    start: Callable[[Tensor], tuple[StepFunction, Any]],
    source: Tensor,
    search: Search,
    num_hypotheses: int | Tensor | None = None,
    constraints: Sequence[Constraint] = (),
    prefix: ForcedPrefix | None = None,
    copies: bool = False,
    longest: Tensor | None = None,
) -> Hypotheses:
    """The best hypotheses for a batch of source ids.

    Args:
        start: Function from source ids to the step function and the initial state of
            their decoding; see `kseq2seq.models`.
        source: Ids of shape `(batch, source_length)`.
        search: A `Search`; its `pattern` and `forbidden_words`, which are about texts,
            are to come as `constraints`, and its `shortlist` is up to `start`.
        num_hypotheses: Takes the place of `search.num_hypotheses`, if given: a scalar
            int32 tensor, so that one graph serves any number.
        constraints: As in `greedy_search`.
        prefix: A `ForcedPrefix`, in which tokens may be repeated or unknown, whatever
            `search` says.
        copies: Whether the unknown token stands for what the model copies from the
            source, so that it is not forbidden.
        longest: int32 of shape `(batch,)`: the most tokens, whatever the other limits
            are; or `None`.

    Returns:
        `kseq2seq.decoding.Hypotheses` with n = `num_hypotheses`.
    """
    own = constraints_of_search(search, copies)
    if prefix is not None:
        own = [prefix, *(AfterPrefix(constraint, prefix.ids) for constraint in own)]
    constraints = (*own, *constraints)
    step, state = start(source)
    lengths = length_limits(source, search, constraints)
    if longest is not None:
        lengths["max_length"] = ops.minimum(lengths["max_length"], longest)
    if search.beam_size == 1 and not is_guided(constraints):
        return searches.greedy_search(step, state, constraints=constraints, **lengths)
    return searches.beam_search(
        step,
        state,
        beam_size=search.beam_size,
        num_hypotheses=search.num_hypotheses
        if num_hypotheses is None
        else num_hypotheses,
        length_penalty=search.length_penalty,
        coverage_penalty=search.coverage_penalty,
        length_normalization=search.length_normalization,
        num_groups=search.num_groups,
        diversity=search.diversity,
        source_mask=ops.not_equal(source, PAD_ID),
        constraints=constraints,
        **lengths,
    )


def constraints_of_search(search: Search, copies: bool = False) -> list[Constraint]:
    """The constraints that the fields of a `Search` stand for.

    Args:
        search: A `Search`.
        copies: As for `search_ids`.

    Example:

    >>> [type(x).__name__ for x in constraints_of_search(Search(no_repeat_ngram=3))]
    ['ForbiddenTokens', 'NoRepeatedNgram']
    """
    constraints: list[Constraint] = []
    if search.forbid_unknown and not copies:
        constraints.append(ForbiddenTokens([UNK_ID]))
    if search.no_repeat_ngram:
        constraints.append(NoRepeatedNgram(search.no_repeat_ngram))
    if search.repetition_penalty != 1.0:
        constraints.append(RepetitionPenalty(search.repetition_penalty))
    return constraints


def length_limits(
    source: Tensor, search: Search, constraints: Sequence[Constraint] = ()
) -> dict[str, Any]:
    """The `max_length` and `min_length` of a `Search` for a batch of source ids.

    Args:
        source: Ids of shape `(batch, source_length)`.
        search: A `Search`.
        constraints: `Constraint`s, for whose shortest hypotheses there is to be room.

    Returns:
        A dict of these two arguments of `greedy_search`: int32 tensors of shape
        `(batch,)`; 0 for no minimum.
    """
    mask = ops.not_equal(source, PAD_ID)
    longest = searches.relative_lengths(
        mask, search.max_length_factor, search.max_length_offset
    )
    shortest = searches.relative_lengths(mask, search.min_length_factor)
    least: Any = 0
    if search.min_length or search.min_length_factor:
        least = ops.maximum(shortest, search.min_length)
        least = ops.minimum(least, search.max_length)
    longest = ops.maximum(ops.minimum(longest, search.max_length), least)
    given = sum(x.lengths for x in constraints if isinstance(x, ForcedPrefix))
    for constraint in constraints:
        room = constraint.least_room
        if ops.is_tensor(room) or room:
            # What others need stands behind the prefix.
            behind = 0 if isinstance(constraint, ForcedPrefix) else given
            longest = ops.maximum(longest, room + behind)
    return {"max_length": longest, "min_length": least}
