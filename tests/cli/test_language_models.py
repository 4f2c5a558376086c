"""Options of a language model beside a translation model."""

import pytest

from commands import assert_refused
from kseq2seq.models import build_language_model


@pytest.fixture
def language_model(tmp_path):
    path = tmp_path / "language_model.keras"
    build_language_model(11, embedding_size=3, units=5).save(path)
    return path


def test_searches_ask_the_language_model(
    call, folder, reverser, language_model, monkeypatch
):
    weights = []

    def with_language_model(model, weight):
        assert model.name == "language_model"
        weights.append(weight)
        return reverser

    monkeypatch.setattr(
        reverser, "with_language_model", with_language_model, raising=False
    )
    option = ["--language-model", language_model]
    assert call("translate", folder, *option, stdin="ab").out == "ba\n"
    source = folder.parent / "source"
    source.write_text("ab\n")
    files = ["--source", source, "--reference", source, "--metrics", "exact_match"]
    files += ["--language-model-weight", "0.07"]
    assert "= 0.00" in call("evaluate", folder, *files, *option).out
    assert weights == [0.3, 0.07]


def test_what_makes_no_language_model_is_refused(call, folder, reverser, tmp_path):
    refused = call("translate", folder, "--language-model-weight", "0.1", stdin="a")
    assert_refused(refused, "--language-model-weight needs --language-model: add it")
    option = ["--language-model", tmp_path / "x.keras"]
    refused = call("translate", folder, *option, stdin="a")
    assert_refused(refused, "must be a .keras file.*Received: no such file")
    (tmp_path / "x.keras").write_text("no model")
    refused = call("translate", folder, *option, stdin="a")
    assert_refused(refused, "x.keras: cannot be loaded, perhaps because it is damaged")
    refused = call("translate", folder, *option, "--mbr", "chrf", stdin="a")
    assert_refused(refused, "--mbr draws instead.*Received: --language-model")
    (tmp_path / "saved_model.pb").touch()
    refused = call("translate", tmp_path, *option, stdin="a")
    assert_refused(refused, "is a SavedModel.*Received: --language-model .*x.keras")
