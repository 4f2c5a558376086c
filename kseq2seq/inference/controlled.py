"""Searches whose outputs keep to what a user says of them."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from kseq2seq.decoding import (
    Constraint,
    ForcedPhrases,
    ForcedPrefix,
    Prefix,
    Search,
    length_limits,
    search_ids,
)
from kseq2seq.inference.prefixes import (
    forced_prefix,
    length_of_next,
    number_of_tokens,
    read_beginnings,
    with_beginnings,
)
from kseq2seq.inference.rows import blank_for_blank, check_rows
from kseq2seq.inference.search_arguments import nbest_count
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.utils import EOS_ID, PAD_ID, Tensor


class ControlledSearches:
    """Searches of a `TextToText` with given beginnings, words and lists of outputs.

    Args:
        text_to_text: The `TextToText`.

    Example:

    >>> from kseq2seq import Translator
    >>> translator = Translator.from_preset("dates")
    >>> tokenizers = translator.source_tokenizer, translator.target_tokenizer
    >>> searches = ControlledSearches(
    ...     TextToText([translator.model], *tokenizers, Search()))
    >>> outputs = searches.complete(tf.constant(["4 May 1989"]), tf.constant(["2"]))
    >>> outputs["translation"].numpy()[0][:1]
    b'2'
    """

    def __init__(self, text_to_text: TextToText) -> None:
        self._text_to_text = text_to_text
        self._pieces = text_to_text.target_texts()

    def complete(
        self, text: Tensor, prefix: Tensor, features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The best translation of each text that begins with a given text.

        The last word of a prefix may go on; a blank behind it ends the word.

        Args:
            text: String tensor of shape `(batch,)`.
            prefix: String tensor of shape `(batch,)`; an empty one for a row that is
                free.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `translation`, strings, `score`, float32, and `truncated`, booleans,
            all of shape `(batch,)`. Where the rules of the search allow none, it is
            empty, and the score is the lowest number of float32.
        """
        text = check_rows(text, prefix=prefix)
        search = self._text_to_text.default_search
        truncated = self._text_to_text.source_ids(text, features).truncated
        cut = self._text_to_text.read_target(prefix).truncated
        outputs = self.search_texts(text, search, False, features, prefix)
        return {
            "translation": outputs["translations"][:, 0],
            "score": tf.maximum(outputs["scores"][:, 0], tf.float32.min),
            "truncated": truncated | cut,
        }

    def alternatives(
        self, text: Tensor, prefix: Tensor, features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The best ways to go on from the beginning of a translation, each completed.

        The tokens that may stand next, by the rules of the search, are ranked by their
        probability, and the best translation with each of them is given.

        Args:
            text: String tensor of shape `(batch,)`.
            prefix: String tensor of shape `(batch,)`: what all alternatives begin with.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `translations`, strings of shape `(batch, n)`, and `scores`, float32
            of shape `(batch, n)`; where there are fewer, they are empty and the lowest
            number of float32. n is as for `TextToText.nbest`.
        """
        text = check_rows(text, prefix=prefix)
        text_to_text = self._text_to_text
        search = text_to_text.default_search
        count = nbest_count(search)
        source = text_to_text.source_ids(text, features)
        beginnings = read_beginnings(text_to_text, prefix, self._pieces)
        following = self._next_tokens(source, prefix, beginnings)
        # Each becomes a row of its own.
        text, prefix, source, beginnings = tf.nest.map_structure(
            lambda values: tf.repeat(values, count, axis=0),
            (text, prefix, source, beginnings),
        )
        ids = tf.reshape(following.ids, [-1, tf.shape(following.ids)[2]])
        best = search_ids(
            self._start(search, wanted=[ids]),
            source.ids,
            search,
            num_hypotheses=1,
            constraints=text_to_text.text_rules(search),
            prefix=ForcedPrefix(ids),
            copies=text_to_text.copies,
        )
        best = blank_for_blank(best, source.ids)
        texts = self._texts(text, source, best, search, prefix, beginnings)[:, 0]
        # An alternative of no probability has no tokens: as a prefix it would be free.
        is_there = tf.reshape(following.lengths, [-1]) > 0
        is_there &= best.lengths[:, 0] > 0
        scores = tf.where(is_there, best.scores[:, 0], tf.float32.min)
        return {
            "translations": tf.reshape(tf.where(is_there, texts, ""), [-1, count]),
            "scores": tf.reshape(scores, [-1, count]),
        }

    def _next_tokens(self, source, prefix, beginnings):
        """The `Hypotheses` of beginnings and the most probable tokens behind them."""
        text_to_text = self._text_to_text
        search = text_to_text.default_search
        constraint = forced_prefix(beginnings, self._pieces)
        constraints = text_to_text.text_rules(search)
        room = length_limits(source.ids, search, [constraint, *constraints])
        count = nbest_count(search)
        return search_ids(
            self._start(search, wanted=[beginnings.ids]),
            source.ids,
            dataclasses.replace(
                search, beam_size=count, num_hypotheses=count, num_groups=1
            ),
            constraints=[_WithRoom(x, room["max_length"]) for x in constraints],
            prefix=constraint,
            copies=text_to_text.copies,
            longest=length_of_next(beginnings, prefix),
        )

    def _start(self, search, wanted, alignments=False):
        """The start of a search that may give the ids `wanted`, for `search_ids`."""
        needs_alignments = self._text_to_text.needs_alignments(search)
        return partial(
            self._text_to_text.start,
            # The coverage penalty needs them on the way.
            alignments=alignments or needs_alignments or search.coverage_penalty > 0,
            shortlist=search.shortlist,
            wanted=wanted,
        )

    def search_texts(
        self,
        text: Tensor,
        search: Search,
        alignments: bool = True,
        features: Tensor | None = None,
        prefix: Tensor | None = None,
        forced: Tensor | None = None,
        allowed: Sequence[str] = (),
        in_order: bool = False,
    ) -> dict[str, Tensor]:
        """The best translations of each text by any search.

        Args:
            text: String tensor of shape `(batch,)`.
            search: A `kseq2seq.Search`.
            alignments: Whether to collect alignments, where there are any.
            features: String tensor of shape `(batch,)`, or `None`.
            prefix: String tensor of shape `(batch,)`: texts that the translations begin
                with; or `None`.
            forced: int32 tensor of shape `(batch, phrases, length)`: the ids of phrases
                that each translation holds, PAD behind them; or `None`.
            allowed: The only texts that there are; any if empty.
            in_order: Whether these phrases stand in their order.

        Returns:
            Dict of `translations`, strings of shape `(batch, n)`, `source`, ids of
            shape `(batch, source_length)`, and what `kseq2seq.decoding.Hypotheses` has.
        """
        text_to_text = self._text_to_text
        source = text_to_text.source_ids(text, features)
        beginnings = prefix_constraint = None
        wanted = []  # ids that a shortlist may lack
        if prefix is not None:
            beginnings = read_beginnings(text_to_text, prefix, self._pieces)
            prefix_constraint = forced_prefix(beginnings, self._pieces)
            wanted.append(beginnings.ids)
        constraints = text_to_text.text_rules(search)
        if forced is not None:
            constraints.append(ForcedPhrases(forced, in_order))
            wanted.append(tf.reshape(forced, [tf.shape(forced)[0], -1]))
        if allowed:
            if search.shortlist:
                raise ValueError(
                    "`allowed` must come without a shortlist, since its texts may need "
                    "any piece: search with shortlist=False. Received: shortlist=True"
                )
            constraints.append(text_to_text.allowed_texts(allowed))
        hypotheses = search_ids(
            self._start(search, wanted, alignments),
            source.ids,
            search,
            constraints=constraints,
            prefix=prefix_constraint,
            copies=text_to_text.copies,
        )
        hypotheses = blank_for_blank(hypotheses, source.ids)
        texts = self._texts(text, source, hypotheses, search, prefix, beginnings)
        if not alignments:
            hypotheses = hypotheses._replace(alignments=None)
        tensors = hypotheses._asdict().items()
        return {
            "translations": texts,
            "source": source.ids,
            **{name: tensor for name, tensor in tensors if tensor is not None},
        }

    def _texts(self, text, source, hypotheses, search, prefix, beginnings):
        """The texts of hypotheses, whose beginnings are the texts given, if any."""
        text_to_text = self._text_to_text
        texts = text_to_text.write_all(text, source, hypotheses, search)
        if beginnings is None:
            return texts
        # With EOS, so that nothing at the end is taken for cut.
        ids = tf.where(beginnings.ids == PAD_ID, EOS_ID, beginnings.ids)
        written = text_to_text.write(ids)[:, None]
        if text_to_text.needs_alignments(search):  # other words for each hypothesis
            lengths = number_of_tokens(beginnings.ids)[:, None, None]
            places = tf.range(tf.shape(hypotheses.ids)[2])
            cut = tf.where(places < lengths, hypotheses.ids, EOS_ID)
            begun = hypotheses._replace(ids=cut)
            written = text_to_text.write_all(text, source, begun, search)
        texts = with_beginnings(texts, prefix, written, text_to_text.writes_parts)
        # A blank source, or none that the search allows.
        is_nothing = (source.ids[:, :1] == EOS_ID) | (hypotheses.lengths == 0)
        return tf.where(is_nothing, "", texts)


class _WithRoom(Constraint):
    """A rule of whole outputs, of which a search writes the beginning alone."""

    def __init__(self, rule: Constraint, max_length: Tensor) -> None:
        self._rule, self._max_length = rule, max_length

    def initial_state(self, batch_size: int | Tensor) -> dict[str, Any]:
        """The most tokens of whole outputs, and the rule's state."""
        own = self._rule.initial_state(batch_size)
        return {"max_length": self._max_length, "own": own}

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        prefix = prefix._replace(max_length=state["max_length"])
        return self._rule.allowed(tokens, prefix, state["own"])

    def next_state(self, tokens: Tensor, state: Any) -> dict[str, Any]:
        """See `Constraint.next_state`."""
        return {**state, "own": self._rule.next_state(tokens, state["own"])}
