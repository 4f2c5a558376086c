"""What can be asked of a model in Python, whatever runs the functions that answer."""

from typing import Any, NamedTuple

import numpy as np

from kseq2seq.inference import results
from kseq2seq.inference.results import Translation


class Alignment(NamedTuple):
    """What each token of a target comes from.

    Attributes:
        source_tokens: The source as the model read it, EOS included.
        target_tokens: The target's tokens, likewise.
        source_spans: For each token of the source where it begins and ends, in bytes
            of the text in UTF-8, without blanks before it; EOS is empty, at the end.
        target_spans: The same for the target.
        weights: NumPy array of shape `(target_tokens, source_tokens)`.
        links: For each token of the target the position of the source's token that it
            looked at most.
    """

    source_tokens: list
    target_tokens: list
    source_spans: list
    target_spans: list
    weights: Any
    links: list


class Encoded(NamedTuple):
    """What an encoder makes of a text.

    Attributes:
        memory: NumPy array of shape `(source_tokens, memory_dim)`; `None` for a model
            without attention.
        state: NumPy array of shape `(size,)`: what the decoder starts from.
    """

    memory: Any
    state: Any


class Answers:
    """Questions beside translation; `Translator` and `SavedTranslator` answer them.

    A subclass has `run(signature, inputs)`: the outputs of one of the functions in
    `text_to_text.py`, a dict of NumPy arrays, from a dict of its inputs.
    """

    def score(self, pairs, batch_size=64, progress=False):
        """How probable the model finds given translations.

        Args:
            pairs: List of `(source, target)` strings.
            batch_size: Pairs scored at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `(log_prob, num_tokens)`: the natural logarithm of the
            target's probability, EOS included, and the number of its tokens.
        """
        sources, targets = _two_sides(pairs)
        rows = self._rows("score", (batch_size, progress), targets, text=sources,
                          target=targets)  # fmt: skip
        return [(float(x["log_prob"]), int(x["num_tokens"])) for x in rows]

    def align(self, pairs, batch_size=64, progress=False):
        """What each token of given translations comes from.

        Args:
            pairs: List of `(source, target)` strings.
            batch_size: Pairs aligned at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `Alignment`s.

        Raises:
            ValueError: If the model has no attention.
        """
        sources, targets = _two_sides(pairs)
        rows = self._rows("align", (batch_size, progress), targets, text=sources,
                          target=targets)  # fmt: skip
        return [alignment_of(row) for row in rows]

    def encode(self, texts, batch_size=64, progress=False):
        """What the encoder makes of texts.

        Args:
            texts: List of `str`.
            batch_size: Texts encoded at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `Encoded`s.
        """
        texts = results.check_texts(texts)
        rows = self._rows("encode", (batch_size, progress), texts, text=texts)
        return [
            Encoded(
                x["memory"][x["memory_mask"]] if "memory" in x else None, x["state"]
            )
            for x in rows
        ]

    def sample(
        self,
        texts,
        seed=0,
        temperature=1.0,
        top_k=None,
        top_p=None,
        batch_size=64,
        progress=False,
    ):
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

        Returns:
            List of `Translation`s of which `text`, `score` and `log_prob` are given.
            The last two are the same: the log-probability by the model itself.

        Raises:
            ValueError: If a setting is out of range.
        """
        texts = results.check_texts(texts)
        _check_sampling(seed, temperature, top_k, top_p)
        count = len(texts)
        settings = {
            "seed": np.arange(seed, seed + count, dtype="int64"),
            "temperature": np.full(count, temperature, "float32"),
            "top_k": np.full(count, top_k or 0, "int32"),
            "top_p": np.full(count, 1.0 if top_p is None else top_p, "float32"),
        }
        rows = self._rows(
            "sample", (batch_size, progress), texts, text=texts, **settings
        )
        return [
            Translation(
                x["translation"].decode("utf-8", "replace"),
                float(x["log_prob"]),
                float(x["log_prob"]),
            )
            for x in rows
        ]

    def _rows(self, signature, batching, texts, **inputs):
        """The answer to each row, a dict; rows of like lengths are asked together."""
        results = [None] * len(texts)
        for rows in results.by_length(texts, *batching):
            batch = {
                name: results.encode([values[row] for row in rows])
                if isinstance(values, list)
                else values[rows]
                for name, values in inputs.items()
            }
            outputs = self.run(signature, batch)
            for position, row in enumerate(rows):
                results[row] = {name: x[position] for name, x in outputs.items()}
        return results


def _two_sides(pairs):
    pairs = list(pairs)
    return tuple(results.check_texts([pair[x] for pair in pairs]) for x in (0, 1))


def alignment_of(row):
    """The `Alignment` in one row of what `align` or `translate_align` gave."""
    sides = {}
    for side in ("source", "target"):
        count = row[f"num_{side}_tokens"]
        sides[f"{side}_tokens"] = [
            x.decode() for x in row[f"{side}_tokens"][:count].tolist()
        ]
        starts, ends = (row[f"{side}_{x}"][:count].tolist() for x in ("starts", "ends"))
        sides[f"{side}_spans"] = list(zip(starts, ends, strict=True))
    target, source = row["num_target_tokens"], row["num_source_tokens"]
    return Alignment(
        **sides,
        weights=row["alignment"][:target, :source],
        links=row["links"][:target].tolist(),
    )


def _check_sampling(seed, temperature, top_k, top_p):
    for name, value, whole, fits, expected in (
        ("seed", seed, True, lambda x: abs(x) < 2**62, "an integer below 2 ** 62"),
        ("temperature", temperature, False, lambda x: 0 < x < np.inf, "above 0"),
        ("top_k", top_k, True, lambda x: 0 < x < 2**31, "`None` or an integer from 1"),
        ("top_p", top_p, False, lambda x: 0 < x <= 1, "`None`, or above 0 and up to 1"),
    ):
        if value is None and name.startswith("top"):
            continue
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not fits(value):
            raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")
