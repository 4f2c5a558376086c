"""The command `kseq2seq`."""

from kseq2seq.cli.main import VERBS, Verb, main, make_parser

__all__ = ["VERBS", "Verb", "main", "make_parser"]
