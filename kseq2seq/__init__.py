"""LSTM encoder-decoders with attention, for Keras 3.

The names below are loaded when they are first used, so that importing the package
takes no time: `kseq2seq --help` starts neither Keras nor TensorFlow.
"""

import sys
from importlib import import_module

__version__ = "0.1.0"

_SUBMODULES = (
    "callbacks",
    "data",
    "decoding",
    "evaluation",
    "export",
    "layers",
    "losses",
    "models",
    "plots",
    "tfa",
    "tokenizers",
)
# Public names, each with the submodule that it comes from.
_HOMES = {
    "Adam": "optimizers",
    "Limits": "tokenizers",
    "MaskedCrossentropy": "losses",
    "Perplexity": "losses",
    "SampledCrossentropy": "losses",
    "Search": "decoding",
    "Seq2SeqConfig": "config",
    "TokenAccuracy": "losses",
    "Tokenizer": "tokenizers",
    "Translator": "translator",
    "build_model": "models",
    "train_tokenizers": "tokenizers",
}

__all__ = ["__version__", *_HOMES, *_SUBMODULES]


def __getattr__(name):
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value  # `__getattr__` is not asked again
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})


if "keras" in sys.modules:
    # `keras.models.load_model` knows the classes that have been imported.
    for _name in ("layers", "losses", "optimizers"):
        import_module(f"{__name__}.{_name}")
