"""Rules about texts: patterns, words that are forbidden, lists of outputs."""

import dataclasses
import logging
import re

import numpy as np
import pytest

from kseq2seq import Search, Translator
from kseq2seq.inference.text_rules import allowed_texts, text_constraints
from kseq2seq.tokenizers import train_tokenizer
from translators import TEXTS, tiny_translator

DATE = r"\d{4}-\d{2}-\d{2}"
GARBAGE = [
    "x",
    "犬",
    "12",
    "!!! 4 5 6 7 8 9 10",
    "the 45th of Brumaire",
    "a" * 40,
    "1-1",
]


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def texts_of(translations):
    return [best.text for row in translations for best in row]


def test_with_the_pattern_of_dates_every_output_is_a_date():
    translator = Translator.from_preset("dates")
    search = Search(beam_size=3, num_hypotheses=3)
    texts = [*GARBAGE, "4 mai 1989"]
    free = texts_of(translator.translate(texts, search))
    assert not all(re.fullmatch(DATE, text) for text in free)
    search = dataclasses.replace(search, pattern=DATE)
    bound = texts_of(translator.translate(texts, search))
    assert len(bound) == 3 * len(texts)
    assert all(re.fullmatch(DATE, text) for text in bound)
    assert bound[-3] == "1989-05-04"
    # Also where there is less room than a date takes.
    short = Search(beam_size=1, pattern=DATE, max_length=3)
    (text,) = texts_of(translator.translate(["x"], short))
    assert re.fullmatch(DATE, text)


def test_forbidden_words_are_not_written(translator):
    search = Search(beam_size=4, num_hypotheses=4, max_length=19)
    words = re.findall(r"\w+", " ".join(texts_of(translator.translate(TEXTS, search))))
    forbidden = tuple(sorted(set(words))[::2])
    search = Search(
        beam_size=4, num_hypotheses=4, max_length=19, forbidden_words=forbidden
    )
    bound = texts_of(translator.translate(TEXTS, search))
    assert any(bound) and not set(forbidden) & set(re.findall(r"\w+", " ".join(bound)))


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word"])
def test_words_are_forbidden_however_they_are_cut_into_tokens(kind):
    """The table of tokens against the text that SentencePiece itself makes of them."""
    lines = ["ein Hund rennt schnell", "eine Katze sieht einen Vogel", "wir gehen heim"]
    lines += ["ein Hundert Hunde rennen", "ein Hun", "der Hut und die Hunde"]
    size = {} if kind == "word" else {"vocabulary_size": 40}
    tokenizer = train_tokenizer(lines, kind=kind, **size)
    (rule,) = text_constraints(Search(forbidden_words=("Hun", "u", "en")), tokenizer)
    rng = np.random.default_rng(0)
    rows = rng.integers(4, tokenizer.vocabulary_size, size=(2003, 3))
    texts = [x.decode() for x in tokenizer.detokenize(rows).numpy()]
    seen = set()
    for row, text in zip(rows, texts, strict=True):
        state, fits = rule._start, True
        for token in [*row, 3]:
            fits = fits and rule._needed[state, token] < 2**30
            state = rule._table[state, token]
        expected = not {"Hun", "u", "en"} & set(re.findall(r"\w+", text))
        assert fits == expected, text
        seen.add(fits)
    assert seen == {True, False}


def test_no_output_is_outside_of_the_list(translator):
    allowed = [
        "ein Hund",
        "ein Vogel sieht",
        "wir",
        "Katze",
        "ei",
        "der Hund ist groß!",
    ]
    search = Search(beam_size=5, num_hypotheses=5, max_length=11)
    rows = translator.translate(TEXTS, search, allowed=allowed)
    known = allowed[:-1]  # "ß" and "!" are no characters of the vocabulary
    for source, row in zip(TEXTS, rows, strict=True):
        if source:
            assert sorted(best.text for best in row) == sorted(known)
    # The model's own order.
    pairs = [(TEXTS[0], text) for text in known]
    scores = dict(zip(known, translator.score(pairs), strict=True))
    for best in rows[0]:
        np.testing.assert_allclose(best.log_prob, scores[best.text][0], atol=1e-4)


def test_each_translation_holds_its_own_words(translator):
    forced = [["Katze"], None, ["heim", "wir"], ["ein", "die Katze"], [], ["t", "ge"]]
    greedy = Search(beam_size=1, max_length=31)
    for words, (best,) in zip(
        forced, translator.translate(TEXTS, greedy, forced=forced), strict=True
    ):
        assert all(word in best.text for word in words or ())
    # In order, with a beginning, and with no repetitions; all of the n best.
    search = Search(beam_size=4, num_hypotheses=4, max_length=31, no_repeat_ngram=3)
    prefix = ["wir", None, "ein", "", "die", None]
    rows = translator.translate(
        TEXTS, search, forced=forced, prefix=prefix, forced_in_order=True
    )
    for start, words, row in zip(prefix, forced, rows, strict=True):
        for best in row if words else ():
            assert best.text.startswith(start or "")
            assert re.search(".*".join(words), best.text)


def test_forced_words_are_checked(translator):
    for forced in (["x"], ["x", "y"], "x", None, [["x", 3]], [["x"], ["y"], ["z"]]):
        if forced is not None:
            with pytest.raises(ValueError, match="`forced` must"):
                translator.translate(["a", "b"], forced=forced)
    for strange in ("犬", "\ud800"):
        with pytest.raises(ValueError, match="characters that the target's.*Received"):
            translator.translate(["a"], forced=[["ein", strange]])
    with pytest.raises(ValueError, match="`forced_in_order` must be left out without"):
        translator.translate(["a"], forced_in_order=True)
    with pytest.raises(ValueError, match="`forced_in_order` must be True or False"):
        translator.translate(["a"], forced=[["ein"]], forced_in_order=1)


def test_what_cannot_be_written_is_told(translator, caplog):
    with caplog.at_level(logging.WARNING, "kseq2seq"):
        allowed_texts(["ein", "犬", "\udc80"], translator.target_tokenizer)
    assert "2 of the 3 allowed texts have characters" in caplog.text
    with pytest.raises(
        ValueError, match="`allowed` must hold a text, at least one, of"
    ):
        translator.translate(["a"], allowed=["犬"])
    for allowed in ([], "ein", [3]):
        with pytest.raises(ValueError, match="`allowed` must"):
            translator.translate(["a"], allowed=allowed)


def test_patterns_are_checked(translator):
    with pytest.raises(ValueError, match=r"`pattern` must be of .*pattern='\[0-9\]\+'"):
        translator.translate(["a"], Search(pattern="[0-9]+"))
    with pytest.raises(ValueError, match="`pattern` must be a regular expression"):
        Search(pattern="(")
    with pytest.raises(ValueError, match="`forbidden_words` must be a list of strings"):
        Search(forbidden_words="Hund")
    with pytest.raises(ValueError, match="`forbidden_words` must be words, none .*' '"):
        Search(forbidden_words=["Hund", " "])
    tokenizer = train_tokenizer(["각"], kind="character", normalization="nfd")
    with pytest.raises(ValueError, match="needs? a tokenizer that writes whole char"):
        text_constraints(Search(pattern="."), tokenizer)


def test_an_export_keeps_to_its_pattern(tmp_path, export_only):
    export_only("serving_default", "sample")
    translator = Translator.from_preset("dates")
    search = Search(beam_size=2, pattern=DATE, forbidden_words=["1989-05-04"])
    loaded = Translator.load(translator.export(tmp_path / "dates", search))
    assert loaded.search == search
    for text in loaded([*GARBAGE, "4 May 1989"]):
        assert re.fullmatch(DATE, text) and text != "1989-05-04"
    drawn = loaded.sample(GARBAGE, seed=3)
    assert all(re.fullmatch(DATE, best.text) for best in drawn)
