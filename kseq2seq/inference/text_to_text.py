"""`TextToText`: what is asked of a model, as functions in TensorFlow's graph."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import keras
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.decoding import (
    Hypotheses,
    Search,
    Step,
    constraints_of_search,
    length_limits,
    search_ids,
)
from kseq2seq.inference.quantization import quantized_halves
from kseq2seq.inference.rows import (
    best_score,
    blank_for_blank,
    check_rows,
    finite,
    longest,
    offsets,
    score_rows,
    uniform_numbers,
)
from kseq2seq.inference.search_arguments import nbest_count
from kseq2seq.inference.step_graph import trace_halves
from kseq2seq.inference.tokenizer_graphs import IDS, TokenizerGraphs, one_graph
from kseq2seq.inference.vocabulary_selection import select_vocabulary
from kseq2seq.models import (
    MEAN,
    Mixture,
    copied_ids_of,
    final_states,
    start_search,
    vocabulary_sizes,
)
from kseq2seq.runs import Shortlist
from kseq2seq.tokenizers import FeatureVocabulary, Limits, Tokenizer, target_spans
from kseq2seq.utils import PAD_ID, Tensor

COUNT = tf.TensorSpec([], tf.int32)
# At a lower one the most probable token is drawn anyway.
LEAST_TEMPERATURE = 1e-4


class TextToText(TokenizerGraphs):
    """Text in, text out: a model or an ensemble with its tokenizers and its search.

    `Translator` and the signatures of a SavedModel are its methods. They take and give
    tensors, whose first axis is the batch, and rows are independent. Bytes that are not
    UTF-8, and NUL, are unknown characters (or, to a tokenizer that falls back on bytes,
    bytes). A text of white space, zero-width and control characters alone has the empty
    translation, with score 0; one for which the search allows none has the empty one
    with the lowest float32, since JSON has no infinity. What is longer is cut.

    Args:
        models: List of what `kseq2seq.build_model` returned; several are an ensemble.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        search: The `kseq2seq.Search` of translations, whose `num_hypotheses` the n best
            have.
        limits: The `kseq2seq.Limits` of texts; none if `None`.
        weights: "float32", or "float16" or "int8" for matrices stored in fewer bits.
        products: "float32", or "int8" for products with large matrices.
        mixture: The `kseq2seq.models.Mixture` of the models. A language model has a
            part in searches alone.
        features: The `kseq2seq.FeatureVocabulary`; `None` for models without features,
            whose methods take none.
        shortlist: The `kseq2seq.runs.Shortlist` of searches with `shortlist=True`;
            `None` if there are none.

    Attributes:
        default_search: The `Search`.
        has_features: Whether the methods take features beside texts, which are missing
            where they are `None`.
        has_attention: Whether there are alignments.
        vocabulary_sizes: The numbers of source ids, features included, and target ids.

    Raises:
        ValueError: If the search needs alignments and a model has no attention, the
            models' vocabularies differ, or a word is none of those above.

    Example:

    >>> import kseq2seq
    >>> source, target = kseq2seq.train_tokenizers(
    ...     [("a dog", "ein Hund"), ("a cat", "eine Katze")], kind="character"
    ... )
    >>> model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(
    ...     source_vocabulary_size=source.vocabulary_size,
    ...     target_vocabulary_size=target.vocabulary_size,
    ...     units=8,
    ...     embedding_size=4,
    ... ))
    >>> text_to_text = TextToText([model], source, target, Search(max_length=7))
    >>> sorted(text_to_text.translate(tf.constant(["a dog", "a cat"])))
    ['score', 'translation']
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        search: Search,
        limits: Limits | None = None,
        weights: str = "float32",
        products: str = "float32",
        mixture: Mixture = MEAN,
        features: FeatureVocabulary | None = None,
        shortlist: Shortlist | None = None,
    ) -> None:
        copied_ids = [copied_ids_of(model) for model in models]
        super().__init__(
            source_tokenizer,
            target_tokenizer,
            features,
            limits,
            search.max_length,
            # A model that does not copy has no alignment to find copies by.
            copied_ids=None if None in copied_ids else copied_ids[0],
        )
        self.default_search = search
        self.vocabulary_sizes = vocabulary_sizes(models[0])
        self._models = models
        self._shortlist, self._types = shortlist, (weights, products)
        halves = partial(quantized_halves, models, weights, products)
        self._own = trace_halves(halves(mixture._replace(fusion=None)), search)
        fused = mixture.fusion is not None
        self._fused = trace_halves(halves(mixture), search) if fused else None
        self.has_attention = self._own.has_attention

    # ---- Signatures ----

    def translate(
        self, text: Tensor, features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The best translation of each text, and the search's score.

        Args:
            text: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `translation`, strings of shape `(batch,)`, and `score`, float32 of
            shape `(batch,)`.
        """
        source = self.source_ids(text, features)
        best = self.search_ids(source.ids, 1)
        translation = self.write_all(text, source, best, self.default_search)[:, 0]
        return {"translation": translation, "score": best_score(best)}

    def nbest(self, text: Tensor, features: Tensor | None = None) -> dict[str, Tensor]:
        """The best translations of each text, and their scores.

        Args:
            text: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `translations`, strings, and `scores`, float32, each `(batch, n)`.
            n is the search's `num_hypotheses`, or, where that is 1, its `beam_size`.
        """
        search = self.default_search
        count = nbest_count(search)
        source, shape = self.source_ids(text, features), [-1, count]
        hypotheses = self.search_ids(source.ids, count)
        translations = self.write_all(text, source, hypotheses, search)
        return {
            "translations": tf.reshape(translations, shape),
            "scores": tf.reshape(tf.maximum(hypotheses.scores, tf.float32.min), shape),
        }

    def translate_align(
        self, text: Tensor, features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The best translation of each text, and which tokens belong together.

        Args:
            text: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of what `translate` and `align` give.
        """
        source = self.source_ids(text, features)
        best = self.search_ids(source.ids, 1)
        ids = best.ids[:, 0, : longest(best.lengths)]
        # Once more, for the winner alone: that is cheaper than to keep the alignments
        # of all hypotheses on the way.
        forced = self.force_ids(source.ids, ids)
        write = self.writer(text, source, forced.alignments, self.default_search)
        translation = write(ids)
        return {
            "translation": translation,
            "score": best_score(best),
            "truncated": source.truncated,
            **self._alignment(source, forced, ids),
            **offsets("target", *target_spans(write, ids, translation)),
        }

    def align(
        self, text: Tensor, target: Tensor, features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Which tokens of given texts and translations belong together.

        Args:
            text: String tensor of shape `(batch,)`.
            target: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `alignment`, float32 of shape `(batch, target_length,
            source_length)`; `links`, int32 of shape `(batch, target_length)`, the
            source token that each target token attends to most, -1 in padding;
            `truncated`, booleans of shape `(batch,)`; and, for `source` and `target`,
            `*_tokens`, strings, `*_starts` and `*_ends`, int32, all of shape `(batch,
            length)`, and `num_*_tokens`, int32 of shape `(batch,)`.
        """
        source, labels, forced = self._forced(text, target, features)
        return {
            "truncated": source.truncated | labels.truncated,
            **self._alignment(source, forced, labels.ids),
            **offsets("target", labels.starts, labels.ends),
        }

    def score(
        self, text: Tensor, target: Tensor, features: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Log-probabilities of given translations, EOS included.

        Args:
            text: String tensor of shape `(batch,)`.
            target: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `log_prob` and `perplexity`, float32, `num_tokens`, int32, and
            `truncated`, booleans, all of shape `(batch,)`. Of a translation that is
            impossible, by entmax, they are the lowest and the highest number of
            float32.
        """
        source, labels, forced = self._forced(text, target, features)
        truncated = source.truncated | labels.truncated
        return {**score_rows(forced), "truncated": truncated}

    def encode(self, text: Tensor, features: Tensor | None = None) -> dict[str, Tensor]:
        """The encoder's output for each text.

        Args:
            text: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `state`, float32 of shape `(batch, size)`, and `truncated`, booleans
            of shape `(batch,)`; with attention also `memory`, as in `Encoded`, float32
            of shape `(batch, source_length, memory_dim)`, and `memory_mask`, booleans
            of shape `(batch, source_length)`.
        """
        source = self.source_ids(text, features)
        encoded = self._own.encode(source.ids)
        state = final_states(self._models, encoded)
        outputs = {"state": state, "truncated": source.truncated}
        if self.has_attention:
            values = [tf.cast(x["value"], tf.float32) for x in encoded["memory"]]
            mask = source.ids != PAD_ID
            memory = tf.where(mask[..., None], tf.concat(values, axis=-1), 0.0)
            outputs.update(memory=memory, memory_mask=mask)
        return outputs

    def sample(
        self,
        text: Tensor,
        temperature: Tensor,
        top_k: Tensor,
        top_p: Tensor,
        seed: Tensor,
        features: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """A translation of each text drawn at random, and its log-probability.

        A number out of range counts as the nearest within it. The same seed draws the
        same for the same row.

        Args:
            text: String tensor of shape `(batch,)`.
            temperature: float32 of shape `(batch,)`.
            top_k: int32 of shape `(batch,)`; 0 leaves all tokens.
            top_p: float32 of shape `(batch,)`; 1 leaves all tokens.
            seed: int64 of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, or `None`.

        Returns:
            Dict of `translation`, strings, and `log_prob`, float32, of shape
            `(batch,)`.
        """
        given = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        text = check_rows(text, seed=seed, **given)
        source, search = self.source_ids(text, features), self.default_search
        own = constraints_of_search(search, self.copies)
        constraints = [*own, *self.text_rules(search)]
        most = max([search.max_length, *(x.least_room for x in constraints)])
        sampled = decoding.sample(
            *self.start_own(source.ids, self.needs_alignments(search)),
            uniform=uniform_numbers(seed, most)[..., None],
            temperature=tf.maximum(finite(temperature, 1.0), LEAST_TEMPERATURE),
            top_k=tf.where(top_k < 1, tf.int32.max, top_k),
            top_p=tf.clip_by_value(finite(top_p, 1.0), 1e-6, 1.0),  # leaves a token
            **length_limits(source.ids, search, constraints),
            constraints=constraints,
        )
        sampled = blank_for_blank(sampled, source.ids)
        return {
            "translation": self.write_all(text, source, sampled, search)[:, 0],
            "log_prob": tf.maximum(sampled.log_probs[:, 0], tf.float32.min),
        }

    # ---- Graphs that a SavedModel holds once ----

    @one_graph(IDS, COUNT)
    def search_ids(self, source: Tensor, num_hypotheses: Tensor | int) -> Hypotheses:
        """The best hypotheses by the default search, with alignments if needed.

        Args:
            source: Ids of shape `(batch, source_length)`.
            num_hypotheses: Number of those wanted, a scalar.
        """
        search, needed = self.default_search, self.needs_alignments(self.default_search)
        # The coverage penalty needs them on the way.
        start = partial(
            self.start,
            alignments=needed or search.coverage_penalty > 0,
            shortlist=search.shortlist,
        )
        constraints = self.text_rules(search)
        hypotheses = search_ids(
            start, source, search, num_hypotheses, constraints, copies=self.copies
        )
        if not needed:
            hypotheses = hypotheses._replace(alignments=None)
        return blank_for_blank(hypotheses, source)

    @one_graph(IDS, IDS)
    def force_ids(self, source: Tensor, target: Tensor) -> Hypotheses:
        """Given targets as hypotheses.

        Args:
            source: Ids of shape `(batch, source_length)`.
            target: Ids of shape `(batch, target_length)`.
        """
        return decoding.force(*self.start_own(source, alignments=True), target)

    def start(
        self,
        source: Tensor,
        alignments: bool,
        shortlist: bool = False,
        wanted: Sequence[Tensor] = (),
    ) -> tuple[Step, Any]:
        """The step function and the first states of a search.

        Args:
            source: Ids of shape `(batch, source_length)`.
            alignments: Whether the search is to collect alignments.
            shortlist: Whether it is among the pieces of the shortlist alone.
            wanted: Target ids that it needs beside these, each of shape `(batch,
                count)`.

        Returns:
            A tuple `(step, initial_state)`, as `kseq2seq.decoding` takes them.

        Raises:
            ValueError: If there is no shortlist, or none for models like these.
        """
        if shortlist:
            encoded, selection = self._own.encode(source), self._selection
            return selection.start(encoded, source, alignments, wanted)
        if self._fused is None:
            return self.start_own(source, alignments)
        encode, step, _ = self._fused
        return start_search(
            encode, step, source, alignments, may_shrink=True, gives_logits=False
        )

    def start_own(self, source: Tensor, alignments: bool) -> tuple[Step, Any]:
        """The result of `start`, by the translation models alone."""
        encode, step, _ = self._own
        return start_search(encode, step, source, alignments, may_shrink=True)

    @cached_property
    def _selection(self):
        models, encode = self._models, self._own.encode
        return select_vocabulary(models, self._shortlist, encode, *self._types)

    def _forced(self, text, target, features):
        text = check_rows(text, target=target)
        source, labels = self.source_ids(text, features), self.read_target(target)
        return source, labels, self.force_ids(source.ids, labels.ids)

    def _alignment(self, source, forced, ids):
        """Tokens of both sides, of target ids `(B, T)`, and what links them."""
        alignment = forced.alignments[:, 0, : tf.shape(ids)[1]]  # (B, T, S)
        real = source.ids != PAD_ID
        # Padding gets no attention, but neither must it win where all get none.
        seen = tf.where(real[:, None], alignment, -1.0)
        links = tf.argmax(seen, axis=2, output_type=tf.int32)
        return {
            "source_tokens": self.source_pieces(source.ids),
            "target_tokens": self.target_pieces(ids),
            "alignment": alignment,
            "links": tf.where(ids == PAD_ID, -1, links),
            "num_source_tokens": tf.reduce_sum(tf.cast(real, "int32"), axis=1),
            "num_target_tokens": forced.lengths[:, 0],
            **offsets("source", source.starts, source.ends),
        }
