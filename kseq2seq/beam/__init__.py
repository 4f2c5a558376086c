"""Translation in pipelines of Apache Beam."""

# ruff: noqa: E402  # without the packages of the extra, an error names it first

from kseq2seq.utils import check_installed

check_installed("beam")  # ahead of Beam's import, whose error names no extra

# isort: split

from kseq2seq.beam.model_handler import TranslatorHandler
from kseq2seq.beam.transform import Translate, Translated

__all__ = ["Translate", "Translated", "TranslatorHandler"]
