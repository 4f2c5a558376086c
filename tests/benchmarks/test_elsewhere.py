"""Parts of benchmarks in processes of their own."""

from importlib import import_module

import pytest

from paths import BENCHMARKS


def test_a_remote_keeps_its_object_and_tells_what_went_wrong(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    elsewhere, machine = import_module("elsewhere"), import_module("machine")
    arguments = {"functions": ["a"]}
    with elsewhere.Remote(None, machine.__file__) as remote:
        assert remote.call("ratio", values={"a": [3], "b": [2]}, name="a", other="b")
        with pytest.raises(RuntimeError, match="no attribute 'nothing'"):
            remote.call("nothing")
        # It still answers, and is not confused by what is printed meanwhile.
        assert remote.call("medians", values={"x": [1, 5, 3]}) == {"x": 3}
    with pytest.raises(RuntimeError, match="functions"):
        elsewhere.Remote(None, machine.__file__, "ratio", arguments)
