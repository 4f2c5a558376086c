"""The handler of Beam's RunInference; skipped without the extra `beam`."""

import json

import numpy as np
import pytest

pytest.importorskip("apache_beam")

from kseq2seq.beam import TranslatorHandler
from translators import FEATURES_OF_TEXTS, NUM_FEATURES, TEXTS, tiny_translator


def test_a_handler_gives_alignments_and_reads_features(tmp_path):
    translator = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    translator.save(tmp_path / "run")
    handler = TranslatorHandler(
        tmp_path / "run", features="tags", num_hypotheses=2, alignments=True, threads=3
    )
    rows = [
        {"text": text, "tags": tags} if tags else {"text": text}
        for text, tags in zip(TEXTS, FEATURES_OF_TEXTS, strict=True)
    ]
    actual = handler.run_inference(rows, handler.load_model())
    expected = translator.translate(TEXTS, num_hypotheses=2, features=FEATURES_OF_TEXTS)
    for row, best_first in zip(actual, expected, strict=True):
        for ours, theirs in zip(row["translations"], best_first, strict=True):
            assert ours["text"] == theirs.text
            assert ours["target_tokens"] == theirs.target_tokens
            assert ours["source_tokens"] == theirs.source_tokens
            np.testing.assert_allclose(ours["alignment"], theirs.alignment, atol=1e-5)
    assert json.loads(json.dumps(actual)) == actual
    assert handler.run_inference([], translator) == []
    assert handler.get_num_bytes(rows) == sum(map(len, TEXTS))
    sizes = [handler.size_of_row({"text": "a" * n}) for n in (0, 127, 128, 10**6)]
    assert sizes == [1, 1, 2, 2048]
