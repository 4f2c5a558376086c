"""The processor's instructions for products in int8."""

import logging
import os
import platform
import subprocess
import sys

import pytest

from kseq2seq.inference import ProductsError
from kseq2seq.inference.quantization import check_processor, processor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_vnni\n\nflags : fpu\n", True),
        ("flags : avx_vnni fpu\n", True),
        ("model name : avx_vnni\nflags\t: fpu avx512_vnnix avx2\n", False),
        ("Features : asimddp\n", None),
    ],
)
def test_linux_tells_of_instructions(text, expected, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert processor.has_vnni(path) is expected


@pytest.mark.parametrize(
    ("vnni", "level", "text"),
    [
        (True, "INFO", "the processor has VNNI"),
        (False, "WARNING", "the processor has no VNNI: without it they may be slower"),
        (None, "WARNING", "does not tell whether it has VNNI: without it"),
    ],
)
def test_whether_it_has_them_is_said(vnni, level, text, monkeypatch, caplog):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(processor, "has_vnni", lambda: vnni)
    monkeypatch.setattr(processor, "computes_int8", lambda: True)
    with caplog.at_level(logging.INFO, "kseq2seq"):
        check_processor()
    (record,) = caplog.records
    assert record.levelname == level and text in record.getMessage()


def test_other_processors_are_refused(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(ProductsError, match="'float32' on this .*int8' on aarch64"):
        check_processor()


@pytest.mark.parametrize(("is_on", "expected"), [("0", "False"), ("1", "True")])
def test_onednn_decides_whether_they_are_computed(is_on, expected):
    """In another process: TensorFlow reads the environment once."""
    code = (
        "from kseq2seq.inference.quantization import processor\n"
        "print(processor.computes_int8())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": is_on},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [expected]


def test_without_onednn_they_are_refused(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(processor, "computes_int8", lambda: False)
    with pytest.raises(ProductsError, match="oneDNN.*set TF_ENABLE_ONEDNN_OPTS=1"):
        check_processor()
