"""Warnings of targets that a training cannot be scored by."""

import pytest

from kseq2seq import trainer
from kseq2seq.inference import FrameReader
from kseq2seq.tokenizers import FeatureVocabulary, train_tokenizer
from kseq2seq.trainer.target_checks import warn_of_targets


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["abc"], kind="character")


def settings_of(*changes):
    return trainer.read_settings(trainer.find_recipe("dates"), changes)


def test_targets_that_the_search_cuts_off_are_told(tokenizer, caplog):
    sides = tokenizer, tokenizer, None
    # With EOS a source has 2 tokens, so that there are 2 * 2 + 20 for its target.
    pairs = [("a", "b" * 23), ("a", "c" * 24)]
    warn_of_targets(settings_of(), pairs[:1], sides)
    warn_of_targets(settings_of("search.max_length_offset=21"), pairs, sides)
    assert not caplog.messages
    warn_of_targets(settings_of(), pairs, sides)
    warn_of_targets(settings_of("search.max_length=7"), pairs, sides)
    first, second = caplog.messages
    assert first.startswith("1 of 2 targets of the validation set are longer")
    assert f"such as {'c' * 24!r} of 25 tokens, where the most is 24" in first
    assert "search.max_length_factor, search.max_length_offset" in first
    assert second.startswith("2 of 2 targets")
    assert "of 24 tokens, where the most is 7" in second
    # One among thousands is no mistake.
    many = [*[("a", "b")] * 199, ("a", "c" * 24)]
    warn_of_targets(settings_of(), many, sides)
    assert len(caplog.messages) == 2


def test_features_are_tokens_of_a_source(tokenizer, caplog):
    features = FeatureVocabulary.from_texts(["N;V"], ";")
    sides = tokenizer, tokenizer, features
    warn_of_targets(settings_of(), [("a", "c" * 27, "N;V")], sides)
    assert not caplog.messages
    warn_of_targets(settings_of(), [("a", "c" * 28, "N;V")], sides)
    assert "of 29 tokens, where the most is 28" in caplog.text


def test_frames_are_no_tokens(tokenizer, caplog):
    sides = FrameReader(3), tokenizer, None
    warn_of_targets(settings_of("search.max_length=7"), [("a.wav", "c" * 30)], sides)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("normalization", "right", "other", "written", "remedy"),
    [
        ("nfd", "caf\u00e9", "cafe\u0301", "'caf\\xe9'", "composed (NFC) in the files"),
        ("nfkc_cf", "a dog", "A dog", "'a dog'", '["nfkc_cf", "identity"] leaves'),
        ("nfkc", "1 m", "\uff11 m", "'1 m'", '["nfkc", "identity"] leaves targets'),
    ],
)
def test_targets_that_a_normalization_changes_are_told(
    caplog, normalization, right, other, written, remedy
):
    texts = [right, other]
    target = train_tokenizer(texts, kind="character", normalization=normalization)
    sides = target, target, None
    settings = settings_of(f"tokenizer.normalization={normalization}")
    # An unknown character is told by others, and a blank more is no other text.
    rows = [("a", right), ("a", right.replace(" ", "  ")), ("a", "\u4e2d")]
    warn_of_targets(settings, rows, sides)
    assert not caplog.messages
    warn_of_targets(settings, [*rows, ("a", other)], sides)
    (message,) = caplog.messages
    assert message.startswith("1 of 4 targets of the validation set are changed by")
    assert f"such as {other!a}, which is written {written}, so that right" in message
    assert remedy in message
    # Of the source alone it changes no target.
    plain = train_tokenizer(texts, kind="character")
    changes = f'tokenizer.normalization=["{normalization}", "identity"]'
    warn_of_targets(settings_of(changes), [("a", other)], (target, plain, None))
    assert len(caplog.messages) == 1


def test_targets_without_blanks_are_not_scored_by_bleu(tokenizer, caplog):
    sides = tokenizer, tokenizer, None
    rows = [("a", "abc"), ("a", "cab"), ("a", "a b"), ("a", "b a")]
    bleu = settings_of('training.metrics=["bleu", "chrf"]')
    warn_of_targets(bleu, rows, sides)
    warn_of_targets(settings_of('training.metrics=["chrf", "bleu"]'), rows[:3], sides)
    assert not caplog.messages
    warn_of_targets(bleu, rows[:3], sides)
    (message,) = caplog.messages
    assert message.startswith("2 of 3 targets of the validation set have no blank")
    assert "training.metrics, for sentences such as Chinese ones to ['chrf']" in message
