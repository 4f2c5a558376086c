"""Tests of what the command tells of texts that a model does not know."""

import unicodedata

import pytest

import kseq2seq
from kseq2seq.cli.unknown_text import telling_of_unknown, unknown_message


@pytest.fixture(scope="module")
def tokenizer():
    texts = [unicodedata.normalize("NFD", text) for text in ("école", "été", "ab")]
    source, _ = kseq2seq.train_tokenizers([(x, "x") for x in texts], kind="character")
    return source


def test_tells_nothing_of_known_texts(tokenizer):
    assert (
        unknown_message(["cola", unicodedata.normalize("NFD", "té")], tokenizer) == ""
    )
    assert unknown_message([], tokenizer) == ""


def test_names_the_first_part_and_the_form_of_the_training_texts(tokenizer):
    message = unknown_message(["ab", "té", "clé"], tokenizer)
    assert "2 of the first 3 texts" in message
    assert "'é' (U+00E9). Give the texts in Unicode's form NFD" in message
    assert "'B' (U+0042). Give the texts in small letters" in unknown_message(
        ["aBe"], tokenizer
    )


def test_offers_no_form_where_none_helps(tokenizer):
    message = unknown_message(["aβ", "té"], tokenizer)
    assert "'β' (U+03B2). They are translated as well as" in message


def test_counts_the_texts_of_the_windows_before(tokenizer, capsys):
    translate = telling_of_unknown(lambda texts: texts, tokenizer, "translate")
    for texts in (["ab", "cola"], ["lab"], ["aQ", "ab"], ["Q"]):
        assert translate(texts) == texts
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kseq2seq translate: 1 of the first 5 texts have")


def test_translate_tells_once_and_only_on_standard_error(call, run):
    result = call("translate", run, "--beam", "1", stdin="ein Hund\nEIN hund\nQ\n")
    assert result.code == 0 and len(result.out.splitlines()) == 3
    assert result.err.count("\n") == 1
    assert result.err.startswith("kseq2seq translate: 2 of the first 3 texts")
    assert call("translate", run, "--beam", "1", stdin="ein Hund\n").err == ""
    replaced = ["--no-forbid-unknown", "--replace-unknown"]
    assert call("translate", run, *replaced, "--beam", "1", stdin="Q\n").err == ""
