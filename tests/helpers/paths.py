"""Paths of the repository's folders."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
HELPERS = TESTS / "helpers"
BENCHMARKS = ROOT / "benchmarks"
TRAINING = ROOT / "training"
DOCS = ROOT / "docs"
# Real data sets, which are not part of the repository.
SHARED = ROOT.parent / "shared" / "data"
