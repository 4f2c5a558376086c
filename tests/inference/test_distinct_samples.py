"""Samples of a translator without repetition."""

import pytest

from translators import TEXTS, tiny_translator


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def test_no_sample_comes_twice(translator):
    together = translator.sample_distinct(TEXTS, 3, seed=5, temperature=0.3)
    for text, row in zip(TEXTS, together, strict=True):
        if not text:
            assert [(x.text, x.score, x.log_prob) for x in row] == [("", 0.0, 0.0)]
            continue
        assert len({x.text for x in row}) == 3
        scores = [x.score for x in row]
        assert scores == sorted(scores, reverse=True)
    # Each text has the numbers of its own seed.
    (alone,) = translator.sample_distinct([TEXTS[2]], 3, seed=7, temperature=0.3)
    assert [x.text for x in alone] == [x.text for x in together[2]]
    # At a temperature of 1 the log-probabilities are the model's own, but for the
    # tokens that are not allowed: UNK, which has no probability here, PAD and BOS.
    for best in translator.sample_distinct(TEXTS[:1], 3, seed=1)[0]:
        if len(best.text) < 190:
            ((log_prob, _),) = translator.score([(TEXTS[0], best.text)])
            assert best.log_prob >= log_prob - 1e-3


def test_settings_out_of_range_are_refused(translator):
    for options in ({"num_samples": 0}, {"num_samples": 2, "temperature": -1.0}):
        with pytest.raises(ValueError, match="Received"):
            translator.sample_distinct(TEXTS, **options)
