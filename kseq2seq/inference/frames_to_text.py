"""`FramesToText`: a model that reads frames, as functions in the graph."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.decoding import Hypotheses, Search, search_ids
from kseq2seq.inference.quantization import quantized_halves
from kseq2seq.inference.rows import (
    best_score,
    blank_for_blank,
    check_rows,
    longest,
    nbest_rows,
    score_rows,
)
from kseq2seq.inference.search_arguments import nbest_count
from kseq2seq.inference.step_graph import trace_step
from kseq2seq.inference.text_rules import text_constraints
from kseq2seq.inference.tokenizer_graphs import IDS, one_graph
from kseq2seq.inference.waveforms import read_wav
from kseq2seq.layers import FrameMask, LogMel
from kseq2seq.models import Mixture, frame_size, start_search, time_reduction
from kseq2seq.tokenizers import Tokenizer, tokenize_truncated
from kseq2seq.utils import EOS_ID, PAD_ID, UNK_ID, Tensor

COUNT = tf.TensorSpec([], tf.int32)


class FramesToText:
    """Frames in, text out: a model or an ensemble with its tokenizer and its search.

    `Transcriber` and the signatures of its SavedModel are its methods. A source is
    given as two tensors, frames and how many there are, or, with `log_mel`, as one: the
    bytes of WAV files. Rows are independent. A source without frames has the empty
    text, with score 0.

    Args:
        models: List of what `kseq2seq.build_model` returned for frames of one size;
            several are an ensemble.
        tokenizer: The `kseq2seq.Tokenizer` of the target.
        search: The `kseq2seq.Search`. Its lengths relative to the source count
            positions of the memory, into which the model joins several frames.
        log_mel: The `kseq2seq.layers.LogMel` that makes frames of waveforms; `None` for
            sources that are frames.
        weights: "float32", or "float16" or "int8" for matrices stored in fewer bits.
        shares: The share of each in the mean of probabilities; the same if `None`.

    Attributes:
        default_search: The `Search`.
        log_mel: The layer, or `None`.
        frame_size: Size of a frame.
        frame_specs: The `tf.TensorSpec`s of frames and their mask.
        reduction: Number of frames that become one position of the memory.
        has_attention: Whether there are alignments.

    Raises:
        ValueError: If the models read no frames or those of different sizes, or the
            search needs alignments and a model has no attention.

    Example:

    >>> import kseq2seq
    >>> tokenizer = kseq2seq.tokenizers.train_tokenizer(["abc"], kind="character")
    >>> model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(
    ...     source_frame_size=7,
    ...     target_vocabulary_size=tokenizer.vocabulary_size,
    ...     units=8,
    ...     embedding_size=4,
    ... ))
    >>> frames_to_text = FramesToText([model], tokenizer, Search(max_length=7))
    >>> sorted(frames_to_text.transcribe(tf.ones((2, 5, 7)), tf.constant([5, 3])))
    ['score', 'text']
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        tokenizer: Tokenizer,
        search: Search,
        log_mel: LogMel | None = None,
        weights: str = "float32",
        shares: Sequence[float] | None = None,
    ) -> None:
        kinds = {(time_reduction(model), frame_size(model)) for model in models}
        if len(kinds) > 1:
            raise ValueError(
                "Models of an ensemble must read frames of one size and join as many "
                f"to a position. Received: (frames joined, size) {sorted(kinds)}"
            )
        ((self.reduction, self.frame_size),) = kinds
        self.default_search = search
        self.log_mel: Any = log_mel
        self._tokenizer = tokenizer
        self._reduced_mask = FrameMask(self.reduction)
        encode, step = quantized_halves(models, weights, mixture=Mixture(shares))
        self.frame_specs = (
            tf.TensorSpec([None, None, self.frame_size], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
        )

        @one_graph(*self.frame_specs)
        def encode_frames(frames, mask):
            return encode({"frames": frames, "frame_mask": mask})

        self._encode = encode_frames
        self._step, self.has_attention = trace_step(encode_frames, step, search)
        self.search = one_graph(*self.frame_specs, COUNT)(self._search)
        self.force = one_graph(*self.frame_specs, IDS)(self._force)

    @property
    def source_specs(self) -> tuple[tf.TensorSpec, ...]:
        """The `tf.TensorSpec`s of a source, by their names."""
        if self.log_mel is not None:
            return (tf.TensorSpec([None], tf.string, "audio"),)
        return (
            tf.TensorSpec([None, None, self.frame_size], tf.float32, "frames"),
            tf.TensorSpec([None], tf.int32, "num_frames"),
        )

    # ---- Signatures ----

    def transcribe(self, *source: Tensor) -> dict[str, Tensor]:
        """The best text for each source, and the search's score.

        Args:
            *source: Tensors as of `source_specs`.

        Returns:
            Dict of `text`, strings of shape `(batch,)`, and `score`, float32 of shape
            `(batch,)`.
        """
        best = self.search(*self.read(*source), 1)
        return {"text": self.write(best.ids[:, 0]), "score": best_score(best)}

    def nbest(self, *source: Tensor) -> dict[str, Tensor]:
        """The best texts for each source, and their scores.

        Args:
            *source: Tensors as of `source_specs`.

        Returns:
            Dict of `texts`, strings of shape `(batch, n)`, and `scores`, float32 of
            shape `(batch, n)`; where there are fewer, they are empty and the lowest
            number of float32. n is the search's `num_hypotheses`, or, where that is 1,
            its `beam_size`.
        """
        search = self.default_search
        count = nbest_count(search)
        hypotheses = self.search(*self.read(*source), count)
        texts, scores = nbest_rows(self.write, hypotheses, count)
        return {"texts": texts, "scores": scores}

    def transcribe_align(self, *source: Tensor) -> dict[str, Tensor]:
        """The best text for each source, and where its tokens were read.

        Args:
            *source: Tensors as of `source_specs`.

        Returns:
            Dict of what `transcribe` gives; `tokens`, strings of shape `(batch,
            length)`; `num_tokens`, int32 of shape `(batch,)`; `alignment`, float32 of
            shape `(batch, length, positions)`; `frames`, int32 of shape `(batch,
            length)`, the middle of what each token attends to most, -1 in padding; and,
            with `log_mel`, `times`, the same in seconds.
        """
        frames, mask = self.read(*source)
        best = self.search(frames, mask, 1)
        ids = best.ids[:, 0, : longest(best.lengths)]
        # Once more, for the winner alone: that is cheaper than to keep the alignments
        # of all hypotheses on the way.
        forced = self.force(frames, mask, ids)
        alignments: Any = forced.alignments
        alignment = alignments[:, 0, : tf.shape(ids)[1]]  # (B, T, S)
        outputs = {
            "text": self.write(ids),
            "score": best_score(best),
            "tokens": self.pieces(ids),
            "num_tokens": best.lengths[:, 0],
            "alignment": alignment,
        }
        first = tf.argmax(alignment, axis=2, output_type=tf.int32) * self.reduction
        # The last position may be of fewer frames.
        num_frames = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1, keepdims=True)
        last = tf.minimum(first + self.reduction, tf.maximum(1, num_frames))
        middle = (first + last) // 2
        outputs["frames"] = tf.where(ids == PAD_ID, -1, middle)
        if self.log_mel is not None:
            seconds = tf.cast(middle, tf.float32) * self.log_mel.seconds_per_frame
            outputs["times"] = tf.where(ids == PAD_ID, -1.0, seconds)
        return outputs

    def score(self, *source_and_target: Tensor) -> dict[str, Tensor]:
        """Log-probabilities of given texts, EOS included.

        Args:
            *source_and_target: Tensors as of `source_specs`, and a string tensor of
                shape `(batch,)`.

        Returns:
            Dict of `log_prob` and `perplexity`, float32, and `num_tokens`, int32, of
            shape `(batch,)`, as of `TextToText.score`.
        """
        *source, target = source_and_target
        return self.score_frames(*self.read(*source), target)

    # ---- What they are made of ----

    def read(self, *source: Tensor) -> tuple[Tensor, Tensor]:
        """A source as frames and their mask.

        Args:
            *source: Tensors as of `source_specs`.

        Returns:
            A tuple of float32 of shape `(batch, num_frames, frame_size)` and booleans
            of shape `(batch, num_frames)`.
        """
        if self.log_mel is not None:
            (audio,) = source
            samples, mask = read_wav(audio, self.log_mel.sample_rate)
            frames, frame_mask = self.log_mel(samples, mask)
            frames = tf.cast(frames, tf.float32)
            silent = tf.logical_not(tf.reduce_any(mask, axis=1, keepdims=True))
            return frames, tf.logical_and(frame_mask, tf.logical_not(silent))
        frames, num_frames = source
        num_frames = check_rows(num_frames, "num_frames", frames=frames)
        length = tf.shape(frames)[1]
        message = "`num_frames` must be from 0 to the number of frames that are given."
        tf.debugging.assert_non_negative(num_frames, message)
        tf.debugging.assert_less_equal(num_frames, length, message)
        return frames, tf.sequence_mask(num_frames, length)

    @one_graph(IDS)
    def write(self, ids: Tensor) -> Tensor:
        """Target ids, of shape `(batch, length)`, as texts, of shape `(batch,)`."""
        return self._tokenizer.detokenize(ids)

    @one_graph(IDS)
    def pieces(self, ids: Tensor) -> Tensor:
        """The pieces of target ids, of shape `(batch, length)`, as strings."""
        return self._tokenizer.piece_strings(ids)

    def search_frames(
        self, frames: Tensor, mask: Tensor, search: Search, alignments: bool = True
    ) -> dict[str, Tensor]:
        """The best texts for frames by any search.

        Args:
            frames: float32 of shape `(batch, num_frames, frame_size)`.
            mask: Booleans of shape `(batch, num_frames)`.
            search: A `kseq2seq.Search`.
            alignments: Whether to collect alignments, where there are any.

        Returns:
            Dict of `texts`, strings of shape `(batch, n)`, and what
            `kseq2seq.decoding.Hypotheses` has.
        """
        hypotheses = self._hypotheses(frames, mask, search, None, alignments)
        count = hypotheses.scores.shape[1]
        texts, _ = nbest_rows(self.write, hypotheses, count)
        tensors = hypotheses._asdict().items()
        return {"texts": texts, **{x: y for x, y in tensors if y is not None}}

    def score_frames(
        self, frames: Tensor, mask: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """The outputs of `score`, for frames.

        Args:
            frames: float32 of shape `(batch, num_frames, frame_size)`.
            mask: Booleans of shape `(batch, num_frames)`.
            target: String tensor of shape `(batch,)`.
        """
        target = check_rows(target, "target", frames=frames)
        ids = tokenize_truncated(self._tokenizer, target, None).ids
        return score_rows(self.force(frames, mask, ids))

    def _search(self, frames, mask, count):
        """The best hypotheses by the default search, without alignments."""
        return self._hypotheses(frames, mask, self.default_search, count, False)

    def _hypotheses(self, frames, mask, search, count, alignments) -> Hypotheses:
        if search.shortlist:
            raise ValueError(
                "`search` must have shortlist=False for frames, which are no pieces of "
                "a source. Received: shortlist=True"
            )
        if search.replace_unknown:
            raise ValueError(
                "`search` must have replace_unknown=False for frames, in which there "
                "are no words to copy. Received: replace_unknown=True"
            )

        # The coverage penalty needs them on the way.
        collected = alignments or search.coverage_penalty > 0

        def start(_):
            return self._start(frames, mask, collected)

        # What a search reads of ids is where there are any.
        positions = tf.where(self._reduced_mask(mask), UNK_ID, PAD_ID)
        is_blank = tf.logical_not(tf.reduce_any(mask, axis=1, keepdims=True))
        first = tf.where(is_blank, EOS_ID, UNK_ID)
        positions = tf.concat([first, positions[:, 1:]], axis=1)
        constraints = text_constraints(search, self._tokenizer)
        hypotheses = search_ids(start, positions, search, count, constraints)
        if not alignments:
            hypotheses = hypotheses._replace(alignments=None)
        return blank_for_blank(hypotheses, positions)

    def _force(self, frames, mask, ids):
        """Given targets as hypotheses."""
        return decoding.force(*self._start(frames, mask, alignments=True), ids)

    def _start(self, frames, mask, alignments):
        # One frame at least, which is real: attention has something to see. It is 0,
        # whatever stands in the padding of a source without frames.
        frames = tf.where(mask[..., None], frames, tf.zeros([], frames.dtype))
        missing = tf.maximum(1 - tf.shape(frames)[1], 0)
        frames = tf.pad(frames, [[0, 0], [0, missing], [0, 0]])
        mask = tf.pad(mask[:, 1:], [[0, 0], [1, 0]], constant_values=True)
        return start_search(
            lambda source: self._encode(*source),
            self._step,
            (frames, mask),
            alignments,
            may_shrink=True,
        )
