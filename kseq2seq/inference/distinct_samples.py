"""Samples of a translator without repetition."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.decoding import Search, constraints_of_search, length_limits
from kseq2seq.inference.base import rows_of_batches
from kseq2seq.inference.batches import (
    check_texts,
    features_of_texts,
    tensors_of_rows,
)
from kseq2seq.inference.forks import works_in_forks
from kseq2seq.inference.results import Translation, decoded_text
from kseq2seq.inference.rows import blank_for_blank, uniform_numbers
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.utils import Tensor, check_integer, check_number


class DistinctSamples:
    """Base class of `Translator` for samples of which no two of a text are alike."""

    has_features: bool
    _graphs: Any

    @works_in_forks
    def sample_distinct(
        self,
        texts: Iterable[str],
        num_samples: int,
        seed: int = 0,
        temperature: float = 1.0,
        batch_size: int = 64,
        progress: bool = False,
        features: Iterable[str] | None = None,
    ) -> list[list[Translation]]:
        """Translations of each text drawn at random, none of them twice.

        Args:
            texts: List of `str`.
            num_samples: Number of translations of each text. Random numbers take about
                `1600 * num_samples ** 2` bytes for each text of a batch, and time by
                the square as well: from some 50 on, twice as many take four times as
                long.
            seed: Integer; the texts are given this seed, the next, and so on.
            temperature: Divides the log-probabilities.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.
            features: List of `str`, the features of each text; missing if `None`.

        Returns:
            For each text a list of `Translation`s, of which `text`, `score` and
            `log_prob` are given, in the order in which they were drawn; fewer where the
            model has no more. Different tokens may be written alike. `log_prob` is that
            of the distribution drawn from, and `score` its sum with random noise; see
            `kseq2seq.decoding.sample_distinct`.

        Raises:
            ValueError: If a setting is out of range.
        """
        texts = check_texts(texts)
        num_samples = check_integer("num_samples", num_samples, 1)
        seed = check_integer("seed", seed, 1 - 2**62, 2**62 - 1)
        temperature = check_number("temperature", temperature, above=0)
        inputs = {
            "text": texts,
            **features_of_texts(features, len(texts), self.has_features),
            "seed": np.arange(seed, seed + len(texts), dtype="int64"),
            "temperature": np.full(len(texts), temperature, "float32"),
        }
        graph = self._graphs.samples(num_samples, [*inputs])

        def run(rows):
            outputs = graph(*tensors_of_rows(inputs, rows).values())
            return {name: x.numpy() for name, x in outputs.items()}

        rows = rows_of_batches(run, texts, batch_size, progress)
        return [_translations(row) for row in rows]


def sampling_graph(
    text_to_text: TextToText, num_samples: int, names: Sequence[str]
) -> Callable[..., dict[str, Tensor]]:
    """The graph that draws samples without repetition.

    Args:
        text_to_text: The `TextToText`.
        num_samples: Number of samples of each text.
        names: The inputs: "text", "features" if there are any, "seed", "temperature".

    Returns:
        A function from the inputs, in the order of `names`, to a dict of `texts`,
        `scores` and `log_probs`, of shape `(batch, num_samples)`.
    """
    dtypes = {"seed": tf.int64, "temperature": tf.float32}

    def sample(*inputs):
        named = dict(zip(names, inputs, strict=True))
        return _sample(text_to_text, num_samples, **named)

    specs = [tf.TensorSpec([None], dtypes.get(name, tf.string)) for name in names]
    return tf.function(sample, input_signature=specs, autograph=False)


def _sample(text_to_text, num_samples, text, seed, temperature, features=None):
    """The texts, log-probabilities and scores of samples, `(batch, num_samples)`."""
    search, source = Search(), text_to_text.source_ids(text, features)
    shape = [search.max_length, num_samples, 2 * num_samples, -1]
    numbers = uniform_numbers(seed, int(np.prod(shape[:3])))
    samples = decoding.sample_distinct(
        *text_to_text.start_own(source.ids, alignments=text_to_text.copies),
        uniform=tf.transpose(tf.reshape(numbers, shape), [0, 3, 1, 2]),
        num_samples=num_samples,
        temperature=temperature,
        **length_limits(source.ids, search),
        constraints=constraints_of_search(search, text_to_text.copies),
    )
    samples = blank_for_blank(samples, source.ids)
    return {
        "texts": text_to_text.write_all(text, source, samples, search),
        "log_probs": samples.log_probs,
        "scores": samples.scores,
    }


def _translations(row):
    columns = row["texts"], row["scores"].tolist(), row["log_probs"].tolist()
    return [
        Translation(decoded_text(text), score, log_prob)
        for text, score, log_prob in zip(*columns, strict=True)
        if log_prob > -np.inf
    ]
