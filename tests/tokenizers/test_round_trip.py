"""The report on training texts that a tokenizer does not give back."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kseq2seq.tokenizers import KINDS, train_tokenizer, train_tokenizers
from kseq2seq.utils import is_blank

SUBWORDS = ("unigram", "bpe", "character")
# Of all that may be in text: what SentencePiece reserves, line ends, control
# characters, its special pieces, and what is none of them.
PARTS = st.sampled_from(
    [*"ab \0\u2581\u2585\r\n\t\x01\x7f\ufeff\ufffe\uffff\u200b\U0010ffff😀",
     "<s>", "</s>", "<unk>", "<pad>", "⁇"]
)  # fmt: skip


def there_and_back(tokenizer, texts):
    return [
        back.decode()
        for back in tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()
    ]


@pytest.mark.parametrize("kind", SUBWORDS)
@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.lists(PARTS, max_size=5).map("".join), max_size=3))
def test_what_is_lost_is_told(kind, caplog, texts):
    texts = ["ab ba", *texts]
    caplog.clear()
    tokenizer = train_tokenizer(texts, 300, kind, allow_smaller=True)
    cleaned = [x for x in (text.rstrip("\r\n") for text in texts) if not is_blank(x)]
    backs = there_and_back(tokenizer, cleaned)
    lost = sum(text != back for text, back in zip(cleaned, backs, strict=True))
    told = [x for x in caplog.messages if "come back" in x]
    if lost:
        assert [x.split()[:3] for x in told] == [[str(lost), "of", str(len(cleaned))]]
    else:
        assert not told
    # Nothing but the few characters without a piece is lost.
    if not re.search("[\0\u2581\u2585\ufffe]", "".join(texts)):
        assert not lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\r\r\n", "\n\n"])
def test_line_ends_are_no_part_of_texts(kind, end, caplog):
    texts = ["ab ba", "b  a", "aa"]
    clean = train_tokenizer(texts, 30, kind, allow_smaller=True)
    caplog.clear()
    ended = train_tokenizer([x + end for x in texts], 30, kind, allow_smaller=True)
    assert ended.model == clean.model
    assert not [x for x in caplog.messages if "come back" in x]
    pairs = [(x + end, x + end) for x in texts]
    for tokenizer in train_tokenizers(pairs, 30, kind, allow_smaller=True):
        assert tokenizer.model == clean.model


@pytest.mark.parametrize("kind", KINDS)
def test_texts_with_a_reserved_character_are_learned(kind, caplog):
    texts = ["cpu \u2584\u2585\u2586 high load"] * 5 + ["ab ba"] * 7
    tokenizer = train_tokenizer(texts, 300, kind, allow_smaller=True)
    assert there_and_back(tokenizer, ["high load"]) == ["high load"]
    [message] = [x for x in caplog.messages if "come back" in x]
    assert re.match(r"5 of 12 training texts .*'cpu ▄▅▆ high load'.*U\+2585", message)
    assert caplog.records[-1].name == "kseq2seq"


def test_reasons(caplog):
    def told(texts, *arguments):
        caplog.clear()
        train_tokenizer(texts, *arguments)
        return caplog.text

    assert "words are not in the vocabulary. Make" in told(["a a b c"], 6, "word")
    assert "2 of 3" in told(["aab", "a", "c\n"], 5, "character") and (
        "some characters are not in" in caplog.text
    )
    assert "no piece for <pad>, <unk>" in told(["a </s>"], 9, "word")
    assert "U+0000, U+2585; '▁' (U+2581)" in told(["a\0▁▅"], 9, "character")
    assert "no piece for U+2585" in told(["ａ\u2585"], 9, "character", "nfkc")
    assert "▁" in told(["ａ\u2581"], 9, "character", "nfkc")
    # What normalization changes is not lost, and a long text is not shown whole.
    assert told(["ａ b"], 9, "character", "nfkc") == ""
    assert told(["  a  b "], 9, "word") == ""
    assert "...'" in told(["a" * 999 + "\0" + "b" * 999], 9, "character")
    assert len(caplog.messages[0]) < 500


def test_of_many_texts_some_are_looked_at(caplog):
    train_tokenizer(["a\0"] * 50_001, 9, "character")
    assert "16667 of 16667 training texts looked at, of 50001," in caplog.text
