"""A trained model of frames with its tokenizer: frames or speech in, text out."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kseq2seq import export, plots
from kseq2seq.decoding import Search
from kseq2seq.inference import (
    FrameReader,
    FramesToText,
    Transcription,
    check_fork,
    check_search,
    enter_process,
    is_recording,
    rows_of_batches,
    search_of_beam,
    sources_and_texts,
    text_tensor,
    transcriptions_of_row,
    works_in_forks,
)
from kseq2seq.layers import LogMel
from kseq2seq.models import (
    check_no_nan,
    float16_copy,
    float32_copy,
    frame_size,
    is_float32,
    vocabulary_sizes,
)
from kseq2seq.runs import (
    MODEL_FILE,
    TARGET_FILE,
    load_log_mel,
    save_log_mel,
    save_model,
)
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.utils import PathLike, Tensor, check_choice

if TYPE_CHECKING:  # Matplotlib is slow to import
    from matplotlib.figure import Figure


class Transcriber:
    """Transcribes sequences of frames, such as those of speech.

    A source is an array of frames, of shape `(num_frames, size)`, or the path of a
    `.npy` or `.npz` file of one. With `log_mel` it may also be a waveform, an array of
    shape `(num_samples,)` from -1 to 1 or of 16-bit integers, the path of a WAV file,
    or the bytes of one.

    Args:
        model: A model of `kseq2seq.build_model` with `source_frame_size`, trained.
        tokenizer: The `kseq2seq.Tokenizer` of the target.
        log_mel: The `kseq2seq.layers.LogMel` by which the frames of the training were
            made; `None` for frames that were made otherwise.

    Attributes:
        model: The model.
        tokenizer: The tokenizer.
        log_mel: The layer, or `None`.

    Raises:
        ValueError: If the tokenizer or the layer is not of the model's size, the model
            reads no frames, or a weight is NaN, as of a training that diverged.

    Example:

    >>> import kseq2seq
    >>> tokenizer = kseq2seq.tokenizers.train_tokenizer(["abc"], kind="character")
    >>> model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(
    ...     source_frame_size=20,
    ...     target_vocabulary_size=tokenizer.vocabulary_size,
    ...     units=8,
    ...     embedding_size=4,
    ...     encoder_layers=2,
    ...     pyramidal_layers=1,
    ... ))
    >>> log_mel = kseq2seq.layers.LogMel(20, sample_rate=8000)
    >>> transcriber = Transcriber(model, tokenizer, log_mel)
    >>> len(transcriber([np.zeros(800), np.zeros((7, 20))], beam=2))
    2
    """

    def __init__(
        self, model: keras.Model, tokenizer: Tokenizer, log_mel: LogMel | None = None
    ) -> None:
        enter_process()
        if not frame_size(model):
            raise ValueError(
                "The model must read frames; one of texts runs in `kseq2seq.Translator"
                "`, and its run folder in `Translator.load`. Received: a model of texts"
            )
        _, size = vocabulary_sizes(model)
        if tokenizer.vocabulary_size != size:
            raise ValueError(
                f"`tokenizer` must have the {size} ids that the model was built with. "
                f"Received: {tokenizer.vocabulary_size} ids"
            )
        check_no_nan(model)
        self._reader = FrameReader(frame_size(model), log_mel)
        self.model = model
        self.tokenizer = tokenizer
        self.log_mel = log_mel
        self._frames_to_text = FramesToText([model], tokenizer, Search(), log_mel)
        # Graphs of what was asked for so far, with the model's own variables.
        self._searches: dict[tuple[Search, bool], Callable[..., Any]] = {}

    def __reduce__(self):
        return type(self), (self.model, self.tokenizer, self.log_mel)

    def __call__(self, sources: Iterable[Any], beam: int | None = None) -> list[str]:
        """The best text for each source.

        Args:
            sources: List of frames, waveforms, paths or bytes.
            beam: Beam size; 1 for greedy search. 5 if `None`.

        Returns:
            List of `str`, in the order of `sources`.
        """
        search = search_of_beam(beam, "transcribe(sources, search)")
        rows = self.transcribe(sources, search, alignments=False)
        return [best.text for best, *_ in rows]

    @works_in_forks
    def transcribe(
        self,
        sources: Iterable[Any],
        search: Search | None = None,
        batch_size: int = 16,
        progress: bool = False,
        alignments: bool = True,
    ) -> list[list[Transcription]]:
        """Texts with their scores, tokens and alignments, the best first.

        Args:
            sources: List of frames, waveforms, paths or bytes.
            search: A `kseq2seq.Search`; its defaults if `None`.
            batch_size: Sources at a time.
            progress: Whether to draw a progress bar on standard error.
            alignments: Whether to give alignments, where the model has attention.

        Returns:
            For each source a list of `search.num_hypotheses` `Transcription`s. There
            are fewer, but at least one, if the model gives the others the probability
            0.

        Raises:
            ValueError: If a source is none of these, not of the model's frame size, or
                has a number that is not finite, or `search` is no `Search`.
            FileNotFoundError: If there is no such file.
        """
        search = check_search(search)
        shape = getattr(sources, "shape", ())
        # Rows of one frame each are no waveforms either.
        is_single = len(shape) == 2 and shape[1] == self._reader.frame_size
        if is_single or not isinstance(sources, Iterable) or is_recording(sources):
            received = f"an array of shape {shape}" if shape else f"{sources!r:.80}"
            raise ValueError(
                "`sources` must be a list; put a single source into one. "
                f"Received: {received}"
            )
        frames = [self.frames(source) for source in sources]
        graph = self._search_graph(search, alignments)

        def run(rows):
            outputs = graph(*_padded([frames[row] for row in rows]))
            return {name: x.numpy() for name, x in outputs.items()}

        rows = rows_of_batches(run, frames, batch_size, progress)
        graphs, log_mel = self._frames_to_text, self.log_mel
        as_transcriptions = partial(
            transcriptions_of_row,
            pieces=self.tokenizer.pieces,
            reduction=graphs.reduction,
            seconds_per_frame=None if log_mel is None else log_mel.seconds_per_frame,
        )
        return [
            as_transcriptions(row, num_frames=len(own))
            for row, own in zip(rows, frames, strict=True)
        ]

    @works_in_forks
    def score(
        self,
        pairs: Iterable[tuple[Any, str]],
        batch_size: int = 16,
        progress: bool = False,
    ) -> list[tuple[float, int]]:
        """Log-probabilities of given texts.

        Args:
            pairs: List of tuples of a source and a `str`.
            batch_size: Pairs scored at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `(log_prob, num_tokens)`: the natural logarithm of the text's
            probability, EOS included, and the number of its tokens.
        """
        sources, texts = sources_and_texts(pairs)
        if not sources:
            return []
        frames = [self.frames(source) for source in sources]

        def run(rows):
            target = text_tensor([texts[row] for row in rows])
            batch = _padded([frames[row] for row in rows])
            outputs = self._frames_to_text.score_frames(*batch, target)
            return {name: x.numpy() for name, x in outputs.items()}

        rows = rows_of_batches(run, frames, batch_size, progress)
        return [(float(row["log_prob"]), int(row["num_tokens"])) for row in rows]

    @works_in_forks
    def frames(self, source: Any) -> np.ndarray:
        """The frames of a source, as the model reads them.

        Args:
            source: Frames, a waveform, or the path or the bytes of a WAV file.

        Returns:
            float32 array of shape `(num_frames, size)`.

        Raises:
            ValueError: If it is none of these.
            FileNotFoundError: If there is no such file.
        """
        return self._reader(source)

    def plot(
        self, source: Any, title: str | None = None, search: Search | None = None
    ) -> "Figure":
        """The alignment of a source with its text, below its frames.

        Args:
            source: Frames, a waveform, or the path or the bytes of a WAV file.
            title: Text above the figure, or `None`.
            search: A `kseq2seq.Search`; its defaults if `None`.

        Returns:
            The `matplotlib.figure.Figure`.

        Raises:
            ValueError: If the model has no attention.
        """
        frames = self.frames(source)
        ((best, *_),) = self.transcribe([frames], search)
        return self.plot_transcription(frames, best, title)

    def plot_transcription(
        self, source: Any, transcription: Transcription, title: str | None = None
    ) -> "Figure":
        """The alignment of a transcription, below the frames of its source.

        Args:
            source: Frames, a waveform, or the path or the bytes of a WAV file.
            transcription: One of its `Transcription`s.
            title: Text above the figure, or `None`.

        Returns:
            The `matplotlib.figure.Figure`.

        Raises:
            ValueError: If the model has no attention.
        """
        log_mel = self.log_mel
        return plots.frames_heatmap(
            self.frames(source),
            transcription.alignment,
            transcription.tokens,
            frames_per_position=self._frames_to_text.reduction,
            seconds_per_frame=None if log_mel is None else log_mel.seconds_per_frame,
            title=title,
        )

    @works_in_forks
    def export(
        self,
        folder: PathLike,
        search: Search | None = None,
        weights: str = "float32",
    ) -> Path:
        """Writes a SavedModel to text, as TensorFlow Serving loads it.

        With `log_mel` its signatures take `audio`, strings of shape `(batch,)`: the
        bytes of WAV files. Otherwise they take `frames`, float32 of shape `(batch,
        num_frames, size)`, and `num_frames`, int32 of shape `(batch,)`.
        `serving_default` gives `text` and `score`, `nbest` the best ones,
        `transcribe_align` where each token was read, in frames and in seconds, and
        `score` how probable a given `target` is.

        Args:
            folder: Path of the folder of versions; the next number under it is written
                whole or not at all.
            search: The `kseq2seq.Search` that is fixed in the graph; its defaults if
                `None`.
            weights: "float32", or "float16" or "int8" to keep matrices in fewer bits.

        Returns:
            The `Path` of the new version.

        Raises:
            OSError: If it cannot be written.
            ValueError: If `folder` is itself a SavedModel, or `weights` is none of
                these.
        """
        return export.export_transcriber(folder, self, search, weights)

    @works_in_forks
    def save(self, folder: PathLike, weights: str = "float32") -> None:
        """Writes model, tokenizer and layer into a folder, each beside and renamed.

        Args:
            folder: Path of the folder; made if it is not there.
            weights: "float32" for the model as it is, or "float16" for half of the
                bytes.
        """
        check_choice("weights", weights, ("float32", "float16"))
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(folder / TARGET_FILE)
        config = None if self.log_mel is None else self.log_mel.get_config()
        save_log_mel(folder, config)
        model = self.model if weights == "float32" else float16_copy(self.model)
        save_model(model, folder / MODEL_FILE)

    @classmethod
    def load(cls, folder: PathLike) -> "Transcriber":
        """A transcriber from a folder that `save` wrote.

        A model that was trained in half precision computes in float32 from here on.

        Args:
            folder: Path of the folder.

        Raises:
            FileNotFoundError: If there is none, or one of its files is missing.
        """
        check_fork()
        folder = Path(folder)
        if not (folder / MODEL_FILE).is_file():
            raise FileNotFoundError(
                "`folder` must be one that `Transcriber.save` wrote, with "
                f"{MODEL_FILE}. Received: {folder}"
            )
        # Importing the layers has registered them: no custom_objects are needed.
        model: Any = keras.saving.load_model(folder / MODEL_FILE, compile=False)
        if not is_float32(model):
            model = float32_copy(model)
        config = load_log_mel(folder)
        log_mel = None if config is None else LogMel.from_config(config)
        return cls(model, Tokenizer.load(folder / TARGET_FILE), log_mel)

    def _search_graph(self, search, alignments):
        """The graph of a search, traced when it is new."""
        key = search, alignments
        if key not in self._searches:

            def search_frames(frames, mask):
                return self._frames_to_text.search_frames(
                    frames, mask, search, alignments
                )

            specs = self._frames_to_text.frame_specs
            graph = tf.function(search_frames, input_signature=specs, autograph=False)
            self._searches[key] = graph.get_concrete_function()
        return self._searches[key]


def _padded(frames: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Frames of several sources as one tensor, and its mask."""
    lengths = [len(own) for own in frames]
    padded = np.zeros((len(frames), max(1, *lengths), frames[0].shape[1]), "float32")
    for row, own in zip(padded, frames, strict=True):
        row[: len(own)] = own
    mask = np.arange(padded.shape[1]) < np.array(lengths)[:, None]
    return tf.constant(padded), tf.constant(mask)
