"""Ensembles: several translators as one."""

from collections.abc import Sequence
from typing import Any, Protocol

from kseq2seq.decoding import Search
from kseq2seq.inference.graphs import Graphs
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.utils import PathLike


class Tokenizing(Protocol):
    """The attributes of a `kseq2seq.Translator` that members must have in common."""

    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    features: FeatureVocabulary | None


def check_same_tokenizers(translators: Sequence[Tokenizing]) -> None:
    """Checks that the models of translators can be an ensemble.

    Args:
        translators: List of `kseq2seq.Translator`s.

    Raises:
        ValueError: If their tokenizers, or their features, differ.
    """
    first = translators[0]
    for other in translators[1:]:
        for side in ("source_tokenizer", "target_tokenizer"):
            if getattr(other, side).model != getattr(first, side).model:
                raise ValueError(
                    "The models of an ensemble must have the same tokenizers, and so "
                    "be trained on the same data, or with tokenizers of one run. "
                    f"Received: models of which the {side}s differ"
                )
        if other.features != first.features:
            raise ValueError(
                "The models of an ensemble must have the same features, and so be "
                "trained on the same data. Received: models with "
                f"{first.features} and {other.features}"
            )


class Joinable:
    """Base class of `Translator` for what makes several of them one.

    Attributes:
        members: Of an ensemble, the list of the translators that it is made of; empty
            for a single model.
        member_weights: What each of them counts; `None` if all count the same.
    """

    members: Sequence[Any] = ()
    member_weights: Sequence[float] | None = None

    @classmethod
    def ensemble(
        cls: Any,
        members: "Sequence[Joinable | PathLike]",
        weights: Sequence[float] | None = None,
    ) -> Any:
        """One translator of several models, whose probabilities are averaged.

        At each step of the one search the models' probabilities are averaged, and their
        alignments too. It has all methods but `save`; `export` writes the ensemble.

        Args:
            members: List of `Translator`s with the same tokenizers, or of paths of
                their run folders, such as the best of a sweep.
            weights: What each counts in the average, positive numbers in any ratio; all
                the same if `None`.

        Returns:
            A `Translator`, whose `model` is that of the first one.

        Raises:
            FileNotFoundError: If a path is no run folder.
            ValueError: If there is none, one is a SavedModel or an ensemble, they have
                other tokenizers, or `weights` are not a positive number for each.
        """
        translators: list[Any]
        translators = [x if isinstance(x, cls) else cls.load(x) for x in members]
        if not translators or not all(
            isinstance(x, cls) and not x.members for x in translators
        ):
            raise ValueError(
                "`members` must be translators of single models, or paths of their run "
                "folders, at least one; a SavedModel has no model to be joined with "
                f"others. Received: {members!r}"
            )
        check_same_tokenizers(translators)
        first = translators[0]
        tokenizers = first.source_tokenizer, first.target_tokenizer
        together = cls(first.model, *tokenizers, first.features)
        together._graphs = Graphs(
            TextToText(
                [x.model for x in translators],
                *tokenizers,
                Search(),
                shares=weights,
                features=first.features,
            )
        )
        together.members = translators
        together.member_weights = None if weights is None else list(weights)
        return together

    def _check_is_single(self, name):
        if self.members:
            raise ValueError(
                f"`{name}` must be called for a single model: call it for each "
                "translator of the ensemble, or `export` the ensemble. "
                f"Received: an ensemble of {len(self.members)} models"
            )
