"""The processor's instructions for products in int8."""

import logging
import platform

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
    with caplog.at_level(logging.INFO, "kseq2seq"):
        check_processor()
    (record,) = caplog.records
    assert record.levelname == level and text in record.getMessage()


def test_other_processors_are_refused(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(ProductsError, match="'float32' on this .*int8' on aarch64"):
        check_processor()
