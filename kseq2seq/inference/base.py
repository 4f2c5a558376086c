"""`BaseTranslator`: the methods that both translators have."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq import plots
from kseq2seq.data import as_pairs, as_triples
from kseq2seq.decoding import Search
from kseq2seq.inference.batches import (
    check_texts,
    features_of_texts,
    length_sorted_batches,
    prefix_of_texts,
    tensors_of_rows,
)
from kseq2seq.inference.forks import enter_process, works_in_forks
from kseq2seq.inference.results import (
    LOWEST_SCORE,
    Alignment,
    Encoded,
    Translation,
    alignment_of_row,
    decoded_text,
)
from kseq2seq.utils import (
    Tensor,
    check_integer,
    check_number,
    check_string,
    is_blank,
)

if TYPE_CHECKING:  # Matplotlib is slow to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class BaseTranslator(ABC):
    """Base class of `Translator` and `SavedTranslator`.

    A subclass translates (`translate`, and `__call__` for the texts alone) and runs the
    signatures of a SavedModel (`run`), by which the other methods answer.

    Attributes:
        has_features: Whether the model reads features beside a text.
    """

    has_features: bool = False

    def __init__(self) -> None:
        enter_process()

    @abstractmethod
    def run(
        self, signature: str, inputs: Mapping[str, Tensor]
    ) -> dict[str, np.ndarray]:
        """The outputs of one of the signatures.

        Args:
            signature: Name of the signature; see `kseq2seq.inference.signatures`.
            inputs: Dict from the names of its inputs to arrays or tensors of shape
                `(batch,)`.

        Returns:
            Dict of NumPy arrays; strings are `bytes`, in arrays of objects.

        Raises:
            ValueError: If there is no such signature, or it takes other inputs.
        """

    @abstractmethod
    def __call__(
        self,
        texts: Iterable[str],
        beam: int | None = None,
        features: Iterable[str] | None = None,
    ) -> list[str]:
        """The best translation of each text.

        Args:
            texts: List of `str`.
            beam: Beam size; 1 for greedy search. That of the default search if `None`.
            features: List of `str`, the features of each text; missing if `None`.

        Returns:
            List of `str`, in the order of `texts`.

        Raises:
            ValueError: If `texts` is no list of strings, or there is no such beam.
        """

    @abstractmethod
    def translate(
        self,
        texts: Iterable[str],
        search: Search | None = None,
        batch_size: int = 64,
        progress: bool = False,
        num_hypotheses: int | None = None,
        alignments: bool | None = None,
        features: Iterable[str] | None = None,
        prefix: Iterable[str | None] | None = None,
    ) -> list[list[Translation]]:
        """Translations with their scores, the best first.

        Args:
            texts: List of `str`.
            search: A `kseq2seq.Search`; the default one if `None`.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.
            num_hypotheses: Number of translations of each text; that of the search if
                `None`.
            alignments: Whether to give tokens and alignments; `None` gives them if they
                come with the search.
            features: List of `str`, the features of each text; missing if `None`.
            prefix: List of `str`, what each translation begins with; `None` or an empty
                one where it is free. Its last word may go on; a blank ends it.

        Returns:
            For each text a list of `num_hypotheses` `Translation`s. There are fewer,
            but at least one, if the model gives the others the probability 0.

        Raises:
            ValueError: If an argument is not as described, or asks for what an export
                cannot do; the error names the remedy.
        """

    @works_in_forks
    def alternatives(
        self, text: str, prefix: str, k: int = 5, features: str | None = None
    ) -> list[Translation]:
        """The best continuations of the beginning of a translation, each complete.

        Args:
            text: The source.
            prefix: The beginning of all alternatives; "" for other first words.
            k: The most alternatives; there are no more than the beam size of the
                default search.
            features: The features of the text; missing if `None`.

        Returns:
            List of `Translation`s of which `text` and `score` are given, those with the
            most probable next token first. Equal texts come once.

        Raises:
            ValueError: If an argument is not as described, or a SavedModel was exported
                without the signature `alternatives`.
        """
        k = check_integer("k", k, 1)
        texts = [check_string("text", text)]
        others = None if features is None else [features]
        inputs = self._inputs_of_texts(texts, others, [prefix])
        (row,) = self._run_in_batches("alternatives", inputs, texts, 1, False)
        alternatives: dict[str, Translation] = {}
        for translation, score in zip(row["translations"], row["scores"], strict=True):
            if score > LOWEST_SCORE:
                written = decoded_text(translation)
                alternatives.setdefault(written, Translation(written, float(score)))
        return [*alternatives.values()][:k]

    @works_in_forks
    def score(
        self,
        pairs: Any,
        batch_size: int = 64,
        progress: bool = False,
    ) -> list[tuple[float, int]]:
        """Log-probabilities of given translations.

        Args:
            pairs: `(source, target)` strings, as `kseq2seq.data.as_pairs` takes them;
                of a model with features also `(source, target, features)`.
            batch_size: Pairs scored at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `(log_prob, num_tokens)`: the natural logarithm of the
            target's probability, EOS included, and the number of its tokens.
        """
        inputs = self._inputs_of_pairs(pairs)
        targets = inputs["target"]
        rows = self._run_in_batches("score", inputs, targets, batch_size, progress)
        return [(float(row["log_prob"]), int(row["num_tokens"])) for row in rows]

    @works_in_forks
    def align(
        self,
        pairs: Any,
        batch_size: int = 64,
        progress: bool = False,
    ) -> list[Alignment]:
        """Which tokens of given texts and translations belong together.

        Args:
            pairs: `(source, target)` strings, as `kseq2seq.data.as_pairs` takes them;
                of a model with features also `(source, target, features)`.
            batch_size: Pairs aligned at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `Alignment`s.

        Raises:
            ValueError: If the model has no attention.
        """
        inputs = self._inputs_of_pairs(pairs)
        targets = inputs["target"]
        rows = self._run_in_batches("align", inputs, targets, batch_size, progress)
        return [alignment_of_row(row) for row in rows]

    def plot(
        self,
        text: str,
        target: str | None = None,
        title: str | None = None,
        ax: "Axes | None" = None,
        features: str | None = None,
    ) -> "Figure":
        """Heatmap of the alignment of a text with its translation.

        Args:
            text: The source.
            target: The translation to align it with; the model's own if `None`.
            title: Text above the figure, or `None`.
            ax: `matplotlib.axes.Axes` to draw into; a figure of its own if `None`.
            features: The features of the text; missing if `None`.

        Returns:
            The `matplotlib.figure.Figure`, which notebooks show by themselves and
            `kseq2seq.plots.save` writes to a file.

        Raises:
            ValueError: If the model has no attention, `text` or `target` is no string,
                or `text` is blank where the model is to translate it.
        """
        text = check_string("text", text)
        if check_string("target", target, optional=True) is None:
            if is_blank(text):
                raise ValueError(
                    f"`text` must hold something to align. Received: {text=}"
                )
            options: dict[str, Any] = {"num_hypotheses": 1, "alignments": True}
            if features is not None:
                options["features"] = [features]
            ((drawn, *_),) = self.translate([text], **options)
            if drawn.alignment is None:
                raise ValueError(
                    "The model must have attention for an alignment to draw: build one "
                    "with attention='bahdanau', say. Received: a model without it"
                )
        else:
            others = () if features is None else (features,)
            (drawn,) = self.align([(text, target, *others)])
        return plots.alignment_heatmap(drawn, title=title, ax=ax)

    @works_in_forks
    def encode(
        self,
        texts: Iterable[str],
        batch_size: int = 64,
        progress: bool = False,
        features: Iterable[str] | None = None,
    ) -> list[Encoded]:
        """The encoder's output for each text.

        Args:
            texts: List of `str`.
            batch_size: Texts encoded at a time.
            progress: Whether to draw a progress bar on standard error.
            features: List of `str`, the features of each text; missing if `None`.

        Returns:
            List of `Encoded`s.
        """
        texts = check_texts(texts)
        inputs = self._inputs_of_texts(texts, features)
        rows = self._run_in_batches("encode", inputs, texts, batch_size, progress)
        return [
            Encoded(
                row["memory"][row["memory_mask"]] if "memory" in row else None,
                row["state"],
            )
            for row in rows
        ]

    @works_in_forks
    def sample(
        self,
        texts: Iterable[str],
        seed: int = 0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        batch_size: int = 64,
        progress: bool = False,
        features: Iterable[str] | None = None,
    ) -> list[Translation]:
        """One translation of each text, drawn at random.

        Args:
            texts: List of `str`.
            seed: Integer; the texts are given this seed, the next, and so on.
            temperature: Divides the log-probabilities; towards 0, greedy search.
            top_k: If given, only the `top_k` most probable tokens are drawn.
            top_p: If given, only the fewest most probable tokens whose probabilities
                sum to at least `top_p` are drawn.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.
            features: List of `str`, the features of each text; missing if `None`.

        Returns:
            List of `Translation`s of which `text`, `score` and `log_prob` are given.
            The last two are the same: the log-probability by the model itself.

        Raises:
            ValueError: If a setting is out of range.
        """
        texts = check_texts(texts)
        count = len(texts)
        seed = check_integer("seed", seed, 1 - 2**62, 2**62 - 1)
        temperature = check_number("temperature", temperature, above=0)
        top_k = check_integer("top_k", top_k, 1, 2**31 - 1, optional=True)
        top_p = check_number("top_p", top_p, above=0, most=1, optional=True)
        inputs = {
            **self._inputs_of_texts(texts, features),
            "seed": np.arange(seed, seed + count, dtype="int64"),
            "temperature": np.full(count, temperature, "float32"),
            "top_k": np.full(count, top_k or 0, "int32"),
            "top_p": np.full(count, 1.0 if top_p is None else top_p, "float32"),
        }
        rows = self._run_in_batches("sample", inputs, texts, batch_size, progress)
        results = []
        for row in rows:
            log_prob = float(row["log_prob"])
            text = decoded_text(row["translation"])
            results.append(Translation(text, log_prob, log_prob))
        return results

    def _inputs_of_texts(
        self,
        texts: list[str],
        features: Iterable[str] | None,
        prefix: Iterable[str | None] | None = None,
    ) -> dict[str, Any]:
        """Inputs of a signature: texts, and features where the model has them."""
        others = features_of_texts(features, len(texts), self.has_features)
        return {"text": texts, **prefix_of_texts(prefix, len(texts)), **others}

    def _inputs_of_pairs(self, pairs: Any) -> dict[str, Any]:
        """Likewise, of pairs, or of triples where the model has features."""
        rows = as_triples(pairs, "pairs") if self.has_features else as_pairs(pairs)
        names = ["text", "target", *(["features"] if self.has_features else [])]
        return {name: [row[n] for row in rows] for n, name in enumerate(names)}

    def _run_in_batches(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        texts: Sequence[str],
        batch_size: int,
        progress: bool,
    ) -> list[dict[str, Any]]:
        """The outputs of a signature for each row, whose length is that of its text."""

        def run(rows):
            return self.run(signature, tensors_of_rows(inputs, rows))

        return rows_of_batches(run, texts, batch_size, progress)


def rows_of_batches(
    run: Callable[[list[int]], Mapping[str, np.ndarray]],
    texts: Sequence[Sized],
    batch_size: int,
    progress: bool,
) -> list[dict[str, Any]]:
    """Runs a function on batches of like lengths, and takes its outputs apart.

    Args:
        run: Function from row numbers to a dict of arrays of shape `(batch, ...)`.
        texts: List of `str`, by whose lengths the batches are made.
        batch_size: The most rows of a batch.
        progress: Whether to draw a progress bar on standard error.

    Returns:
        List of dicts, the outputs for each row, in the order of `texts`.

    Example:

    >>> def run(rows):
    ...     return {"number": np.array(rows)}
    >>> [int(row["number"]) for row in rows_of_batches(run, ["a", "abc"], 1, False)]
    [0, 1]
    """
    results: list[dict[str, Any]] = [{} for _ in texts]
    for rows in length_sorted_batches(texts, batch_size, progress):
        outputs = run(rows)
        for position, row in enumerate(rows):
            results[row] = {name: x[position] for name, x in outputs.items()}
    return results
