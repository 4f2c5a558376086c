"""Settings of an export: what is fixed in its graph."""

import dataclasses
import json
from typing import Any

from kseq2seq import __version__
from kseq2seq.decoding import Search
from kseq2seq.tokenizers import Limits


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """The settings that are fixed in the graph of a SavedModel.

    Args:
        search: The `kseq2seq.Search`.
        limits: The `kseq2seq.Limits`.
        weights: "float32", "float16" or "int8".
        products: "float32" or "int8".
        ensemble_weights: The share of each model of an ensemble; `None` if all have the
            same.
        extra_signatures: Those that were asked for, of
            `kseq2seq.inference.signatures.EXTRA_SIGNATURES`.
        language_model_weight: The weight of a language model; `None` without one.

    Example:

    >>> ExportSettings().as_dict()["limits"]
    {'max_bytes': 10000, 'max_tokens': 1000}
    """

    search: Search = dataclasses.field(default_factory=Search)
    limits: Limits = dataclasses.field(default_factory=Limits)
    weights: str = "float32"
    products: str = "float32"
    ensemble_weights: tuple[float, ...] | None = None
    extra_signatures: tuple[str, ...] = ()
    language_model_weight: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON has them, with the version of the package."""
        values = json.loads(json.dumps(dataclasses.asdict(self)))
        for name in ("ensemble_weights", "extra_signatures", "language_model_weight"):
            if values[name] in (None, []):
                del values[name]
        return {"kseq2seq": __version__, **values}
