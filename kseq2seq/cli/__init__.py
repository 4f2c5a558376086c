"""The command `kseq2seq`."""

from kseq2seq.cli.main import main

__all__ = ["main"]
