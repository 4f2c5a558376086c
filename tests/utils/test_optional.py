import pytest

from kseq2seq.utils import EXTRAS, check_installed, is_installed


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_missing_is_named_with_its_extra(extra, monkeypatch):
    monkeypatch.setitem(EXTRAS, extra, ("json", "no_such_module", "nor_this_one"))
    with pytest.raises(ValueError) as raised:
        check_installed(extra)
    assert str(raised.value) == (
        "Needs what is not installed: no_such_module, nor_this_one. "
        f'Run: pip install "kseq2seq[{extra}]"'
    )
    assert not is_installed(extra)
    monkeypatch.setitem(EXTRAS, extra, ("json",))
    check_installed(extra)
    assert is_installed(extra)


def test_an_unknown_extra_is_refused():
    with pytest.raises(ValueError, match="`extra` must be one of.*extra='everything'"):
        check_installed("everything")
    with pytest.raises(ValueError, match="`extra` must be one of.*extra='everything'"):
        is_installed("everything")
