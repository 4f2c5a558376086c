"""`TextSearches`: the searches of a model with its tokenizers, in Python."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kseq2seq.decoding import Search
from kseq2seq.inference.base import BaseTranslator, rows_of_batches
from kseq2seq.inference.batches import (
    check_allowed,
    check_texts,
    tensors_of_rows,
)
from kseq2seq.inference.forks import works_in_forks
from kseq2seq.inference.results import Translation, translations_of_row
from kseq2seq.inference.search_arguments import check_search, search_of_beam
from kseq2seq.utils import Tensor, check_boolean


class TextSearches(BaseTranslator):
    """Base class of `Translator` for searches and signatures of its graphs."""

    target_tokenizer: Any
    _graphs: Any

    def __call__(
        self,
        texts: Iterable[str],
        beam: int | None = None,
        features: Iterable[str] | None = None,
    ) -> list[str]:
        """The best translation of each text.

        Args:
            texts: List of `str`.
            beam: Beam size; 1 for greedy search. 5 if `None`.
            features: List of `str`, the features of each text; missing if `None`.

        Returns:
            List of `str`, in the order of `texts`.
        """
        search = search_of_beam(beam, "translate(texts, search)")
        best_first = self.translate(texts, search, features=features)
        return [best.text for best, *_ in best_first]

    @works_in_forks
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
        forced: Iterable[Sequence[str] | None] | None = None,
        allowed: Iterable[str] | None = None,
        forced_in_order: bool = False,
    ) -> list[list[Translation]]:
        """Translations with scores, tokens and alignments, the best first.

        Args:
            texts: List of `str`.
            search: A `kseq2seq.Search`; its defaults if `None`.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.
            num_hypotheses: Number of translations of each text, at most the search's
                `beam_size`; `search.num_hypotheses` if `None`.
            alignments: Whether to give alignments, if the model has attention; `None`
                is like `True`.
            features: List of `str`, the features of each text; missing if `None`.
            prefix: List of `str`, what each translation begins with; `None` or an empty
                one where it is free. Its last word may go on; a blank ends it.
            forced: For each text a list of `str`, words or phrases that its translation
                holds; or `None`.
            allowed: List of `str`, the only translations that may be written; any if
                `None`. A graph is kept for each list.
            forced_in_order: Whether the words and phrases of `forced` follow each other
                in the given order; in any order if not.

        Returns:
            For each text a list of that many `Translation`s. There are fewer, but at
            least one, if the model gives the others the probability 0.

        Raises:
            ValueError: If `texts` is no list of strings, `search` no `Search`,
                `features` or `prefix` are not as many as texts, or there is an order
                but no words.
        """
        texts = check_texts(texts)
        search = check_search(search)
        if num_hypotheses is not None:
            search = dataclasses.replace(search, num_hypotheses=num_hypotheses)
        text_to_text = self._graphs.text_to_text
        inputs = self._inputs_of_texts(texts, features, prefix)
        inputs |= text_to_text.forced_ids(forced, len(texts))
        in_order = _check_order(forced_in_order, forced)
        names, only = list(inputs), check_allowed(allowed)
        needed = alignments is not False
        graph = self._graphs.search(search, needed, names, only, in_order)

        def run(rows):
            return graph(*tensors_of_rows(inputs, rows).values())

        rows = rows_of_batches(run, texts, batch_size, progress)
        pieces = text_to_text.source_tokens, self.target_tokenizer.pieces
        return [translations_of_row(row, *pieces) for row in rows]

    @works_in_forks
    def run(
        self, signature: str, inputs: Mapping[str, Tensor]
    ) -> dict[str, np.ndarray]:
        """The outputs of one of the functions that a SavedModel has as signatures.

        Args:
            signature: Its name; see `kseq2seq.inference.signature_functions`. Searches
                are those of `kseq2seq.Search()`.
            inputs: Dict from the names of its inputs to arrays or tensors.

        Returns:
            Dict of NumPy arrays.

        Raises:
            ValueError: If there is no such signature, as for alignments where the
                model has no attention, or it takes other inputs.
        """
        return self._graphs.run(signature, inputs)


def _check_order(in_order, forced):
    """`forced_in_order`, which says something of `forced` alone."""
    if check_boolean("forced_in_order", in_order) and forced is None:
        raise ValueError(
            "`forced_in_order` must be left out without words to force: give `forced`, "
            "a list of words for each text. Received: forced_in_order=True, forced=None"
        )
    return bool(in_order)
