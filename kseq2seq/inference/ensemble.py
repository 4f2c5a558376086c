"""Translators that search together: ensembles, and a language model beside one."""

import os
from collections.abc import Sequence
from typing import Any, Protocol

import keras

from kseq2seq.decoding import Search
from kseq2seq.inference.graphs import Graphs
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.models import Fusion, Mixture
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
                "trained on the same data. Received: models "
                f"{_different(first.features, other.features)}"
            )


def _different(
    first: FeatureVocabulary | None, second: FeatureVocabulary | None
) -> str:
    """The difference between the features of two models, in words."""
    if first is None or second is None:
        return "with features and without"
    if first.separator != second.separator:
        return f"with {first.separator!r} and {second.separator!r} between features"
    if only := sorted({*first.symbols} ^ {*second.symbols}):
        return f"of which one alone has {', '.join(map(repr, only[:5]))}"
    return "with the same symbols in another order"


class Joinable:
    """Base class of `Translator` for what makes several of them one.

    Attributes:
        members: Of an ensemble, the list of the translators that it is made of; empty
            for a single model.
        member_weights: The share of each of them; `None` if all have the same.
        fusion: The `kseq2seq.models.Fusion` with a language model, or `None`.
    """

    model: Any
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    features: FeatureVocabulary | None
    run_folder: Any
    products: str
    members: Sequence[Any] = ()
    member_weights: Sequence[float] | None = None
    fusion: Fusion | None = None
    _without: Any = None  # the translator that a language model was joined with

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
            weights: Weights of the average, positive numbers in any ratio; all the same
                if `None`.

        Returns:
            A `Translator`, whose `model` is that of the first one.

        Raises:
            FileNotFoundError: If a path is no run folder.
            ValueError: If there is no list or nothing in it, one is a SavedModel or an
                ensemble, they have other tokenizers, or `weights` are not a positive
                number for each.
        """
        # Of a path each character would be loaded.
        is_single = isinstance(members, (str, os.PathLike, Joinable))
        several: Sequence[Any] = () if is_single else members
        translators: list[Any]
        translators = [x if isinstance(x, cls) else cls.load(x) for x in several]
        if not translators or not all(
            isinstance(x, cls) and not x.members and x.fusion is None
            for x in translators
        ):
            raise ValueError(
                "`members` must be a list of translators of single models, or of paths "
                "of their run folders, at least one; a SavedModel has no model to be "
                "joined with others. Join translators without their language model, "
                "and call `with_language_model` of the ensemble. "
                f"Received: {members!r}"
            )
        check_same_tokenizers(translators)
        kinds = [x.products for x in translators]
        if len({*kinds}) > 1:
            raise ValueError(
                "The models of an ensemble must have the same `products`: load all of "
                f"them with one. Received: {', '.join(kinds)}"
            )
        together = _joined(cls, translators, Mixture(shares=weights))
        together.members = translators
        together.member_weights = None if weights is None else list(weights)
        return together

    def with_language_model(self, model: keras.Model, weight: float = 0.3) -> Any:
        """A translator whose searches ask a language model of the target too.

        At each step `weight` times the language model's log-probabilities are added to
        the translation model's. The sum is the `log_prob` of a `Translation`, by which
        translations are ranked. Choose the weight by a development set. `score`,
        `align`, `encode` and `sample` use the translation model alone.

        Args:
            model: A model of `kseq2seq.models.build_language_model`, trained with the
                `target_tokenizer`.
            weight: Factor of its log-probabilities, at least 0.

        Returns:
            A `Translator` with all methods but `save`; `export` writes both models.

        Raises:
            ValueError: If the model is no language model of the target's vocabulary,
                `weight` is negative, or there is a language model already.

        Example:

        >>> from kseq2seq import Translator
        >>> from kseq2seq.models import build_language_model
        >>> translator = Translator.from_preset("dates")
        >>> size = translator.target_tokenizer.vocabulary_size
        >>> model = build_language_model(size, embedding_size=4, units=6)
        >>> translator.with_language_model(model, 0.01)(["4 mai 1989"])
        ['1989-05-04']

        Reference:
            [Gulcehre et al., 2015](https://arxiv.org/abs/1503.03535), section 4.1.
        """
        if self.fusion is not None:
            raise ValueError(
                "A translator takes one language model: call `with_language_model` of "
                "the translator without. Received: a translator with a language model "
                f"of weight {self.fusion.weight}"
            )
        fusion = Fusion(model, weight)
        mixture = Mixture(self.member_weights, fusion)
        together = _joined(type(self), self.members or [self], mixture)
        together.members, together.member_weights = self.members, self.member_weights
        together.fusion, together._without = fusion, self
        together.run_folder = self.run_folder
        return together

    def __reduce__(self) -> Any:
        if self.fusion is not None:
            return _with_language_model, (self._without, *self.fusion)
        return type(self).ensemble, (self.members, self.member_weights)

    @property
    def mixture(self) -> Mixture:
        """The way in which its models search together."""
        return Mixture(self.member_weights, self.fusion)

    def _check_is_single(self, name):
        if self.fusion is not None:
            raise ValueError(
                f"`{name}` must be called for a translation model alone: call it for "
                "the translator without the language model, or `export` both. "
                "Received: a translator with a language model of weight "
                f"{self.fusion.weight}"
            )
        if self.members:
            raise ValueError(
                f"`{name}` must be called for a single model: call it for each "
                "translator of the ensemble, or `export` the ensemble. "
                f"Received: an ensemble of {len(self.members)} models"
            )


def _joined(cls, translators, mixture):
    """A translator of the first one's parts, whose graphs are of all of them."""
    first = translators[0]
    tokenizers = first.source_tokenizer, first.target_tokenizer
    together = cls(first.model, *tokenizers, first.features)
    together.products = first.products
    together._graphs = Graphs(
        TextToText(
            [x.model for x in translators],
            *tokenizers,
            Search(),
            products=first.products,
            mixture=mixture,
            features=first.features,
        )
    )
    return together


def _with_language_model(translator, model, weight):
    """The function that `pickle` calls."""
    return translator.with_language_model(model, weight)
