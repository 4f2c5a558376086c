"""Recurrent sequence-to-sequence models with attention, for Keras 3.

Public names are loaded at first use, so that importing the package takes no time:
`kseq2seq --help` starts neither Keras nor TensorFlow.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from kseq2seq import (
        callbacks,
        data,
        decoding,
        evaluation,
        export,
        layers,
        losses,
        models,
        plots,
        tfa,
        tokenizers,
    )
    from kseq2seq.config import Seq2SeqConfig
    from kseq2seq.decoding import Search
    from kseq2seq.inference import SavedTranslator
    from kseq2seq.losses import (
        MaskedCrossentropy,
        Perplexity,
        SampledCrossentropy,
        TokenAccuracy,
    )
    from kseq2seq.models import build_model, load_model
    from kseq2seq.optimizers import Adam
    from kseq2seq.tokenizers import (
        FeatureVocabulary,
        Limits,
        Tokenizer,
        train_tokenizers,
    )
    from kseq2seq.transcriber import Transcriber
    from kseq2seq.translator import Translator

__version__ = "0.2.0.dev0"

__all__ = [
    "Adam",
    "FeatureVocabulary",
    "Limits",
    "MaskedCrossentropy",
    "Perplexity",
    "SampledCrossentropy",
    "SavedTranslator",
    "Search",
    "Seq2SeqConfig",
    "TokenAccuracy",
    "Tokenizer",
    "Transcriber",
    "Translator",
    "__version__",
    "build_model",
    "callbacks",
    "data",
    "decoding",
    "evaluation",
    "export",
    "layers",
    "load_model",
    "losses",
    "models",
    "plots",
    "tfa",
    "tokenizers",
    "train_tokenizers",
]

# The package of each public name that is not a package itself.
_HOMES = {
    "Adam": "optimizers",
    "FeatureVocabulary": "tokenizers",
    "Limits": "tokenizers",
    "MaskedCrossentropy": "losses",
    "Perplexity": "losses",
    "SampledCrossentropy": "losses",
    "SavedTranslator": "inference",
    "Search": "decoding",
    "Seq2SeqConfig": "config",
    "TokenAccuracy": "losses",
    "Tokenizer": "tokenizers",
    "Transcriber": "transcriber",
    "Translator": "translator",
    "build_model": "models",
    "load_model": "models",
    "train_tokenizers": "tokenizers",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in __all__:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # `__getattr__` is not called again
    _register_classes()
    return value


def _register_classes() -> None:
    """Lets `keras.models.load_model` find the classes of this package, if Keras runs.

    It knows those that have been imported: all of them are when `load_model` is.
    """
    if "keras" in sys.modules:
        import_module(f"{__name__}.models")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_register_classes()
