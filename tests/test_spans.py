"""Where tokens stand in their text, against Python's SentencePiece."""

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq import text
from kseq2seq.spans import source_spans, target_spans
from kseq2seq.special_ids import EOS_ID, PAD_ID

LINES = [
    "a dog runs over the field",
    "the cat sees  a bird €uro",
    "Ελλάδα και 日本 😀 naïve",
    "we go home over the bridge",
] * 3
KINDS = ["character", "bpe", "unigram", "word"]
SIZES = {"bpe": 61, "unigram": 39}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return text.train_tokenizer(LINES, SIZES.get(request.param, 97), request.param)


def python_spans(model, line):
    """Spans of the pieces in bytes, by the sentencepiece package."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    data, spans = line.encode(), []
    for piece in processor.encode(line, return_type="proto").pieces:
        surface, start = data[piece.begin : piece.end], piece.begin
        if surface.strip(b" "):
            start += len(surface) - len(surface.lstrip(b" "))
        spans.append((start, piece.end))
    return [*spans, (len(data), len(data))]


LETTERS = st.text(st.sampled_from("adgbo €λ日😀 x"), max_size=23)


@settings(deadline=None, max_examples=40)
@given(lines=st.lists(LETTERS, min_size=1, max_size=5))
def test_spans_of_a_source_are_those_of_sentencepiece(tokenizer, lines):
    ids, starts, ends = source_spans(tokenizer, tf.constant(lines))
    assert ids.to_list() == tokenizer.tokenize(lines).to_list()
    for line, *row in zip(lines, starts.to_list(), ends.to_list(), strict=True):
        assert list(zip(*row, strict=True)) == python_spans(tokenizer.model, line)


@settings(deadline=None, max_examples=40)
@given(lines=st.lists(LETTERS, min_size=1, max_size=5))
def test_spans_of_a_target_hold_its_pieces(tokenizer, lines):
    ids = tokenizer.tokenize(lines).to_tensor(PAD_ID)
    written = tokenizer.detokenize(ids)
    starts, ends = (x.numpy() for x in target_spans(tokenizer.detokenize, ids, written))
    for row, line in enumerate(written.numpy()):
        before = 0
        for token, start, end in zip(
            ids[row].numpy(), starts[row], ends[row], strict=True
        ):
            if token == PAD_ID:
                assert (start, end) == (0, 0)
                continue
            if token == EOS_ID:
                assert (start, end) == (len(line), len(line))
                continue
            (piece,) = tokenizer.pieces([token])
            piece = piece.replace("<unk>", "⁇").replace("▁", " ")
            surface = line[start:end].decode()
            assert surface.strip(" ") == piece.strip(" ")
            assert surface == surface.lstrip(" ") or not surface.strip(" ")
            assert before <= start <= end
            before = end
        assert line[before:].strip(b" ") == b""


def test_half_characters_keep_spans_in_order():
    # Byte fallback: "é" is two tokens, of which the first alone is no text.
    def detokenize(ids):
        texts = {(7, 0): "\N{REPLACEMENT CHARACTER}", (7, 8): "é"}
        return tf.constant([texts[tuple(row)] for row in ids.numpy().tolist()])

    starts, ends = target_spans(detokenize, tf.constant([[7, 8]]), tf.constant(["é"]))
    np.testing.assert_array_equal(starts, [[0, 2]])
    np.testing.assert_array_equal(ends, [[2, 2]])
