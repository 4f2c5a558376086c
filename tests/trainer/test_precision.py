"""Speed of products in half precision, and the warning of it."""

import re
import time

import pytest

from kseq2seq.trainer import precision


@pytest.mark.parametrize(
    ("half", "said"), [(200.0, None), (99.0, "bfloat16 .*99 GFLOP/s .* 150 in float32")]
)
def test_a_slow_precision_is_told(monkeypatch, half, said):
    rates = {"bfloat16": half, "float32": 150.0}
    monkeypatch.setattr(precision, "product_rate", rates.__getitem__)
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    warning = precision.advice("mixed_bfloat16")
    assert warning is None if said is None else re.search(said, warning)
    assert precision.advice("float32") is None
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [kind])
    assert precision.advice("mixed_bfloat16") is None


def test_rates_of_products(monkeypatch):
    """One that is possible, of as many operations as there are."""
    monkeypatch.setattr(precision, "SIZE", 512)
    start = time.perf_counter()
    rate = precision.product_rate("float32")
    seconds = time.perf_counter() - start
    assert rate * seconds * 1e9 >= (1 + precision.REPEATS) * 2 * 512**3
    assert 0.1 < rate < 1e6
