"""Offsets of tokens in their text, against Python's SentencePiece."""

import io
import resource

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq.tokenizers import source_spans, target_spans, training
from kseq2seq.utils import EOS_ID, PAD_ID

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
    return training.train_tokenizer(LINES, SIZES.get(request.param, 97), request.param)


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


def test_white_space_before_a_token_is_not_its_own():
    tokenizer = training.train_tokenizer(LINES, 97, "word", "nmt_nfkc")
    line = "a\tdog \n  we"
    _, starts, ends = source_spans(tokenizer, tf.constant([line]))
    spans = zip(starts.to_list()[0], ends.to_list()[0], strict=True)
    actual = [line[start:end] for start, end in spans]
    words = [x for x in actual if x.strip()]
    assert "".join(words) == "adogwe" and words == [x.strip() for x in words]


@pytest.fixture(scope="module")
def bytes_tokenizer():
    """Characters that it does not know become a token for each byte."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a dog", "dog a"]),
        model_writer=model,
        model_type="bpe",
        vocab_size=280,
        byte_fallback=True,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
    )
    return training.Tokenizer(model.getvalue())


@pytest.mark.parametrize("line", ["a 😀 €é", "😀", "a dog €"])
def test_the_first_byte_has_the_whole_character(bytes_tokenizer, line):
    ids = bytes_tokenizer.tokenize([line]).to_tensor()
    written = bytes_tokenizer.detokenize(ids)
    assert written.numpy()[0].decode() == line
    starts, ends = target_spans(bytes_tokenizer.detokenize, ids, written)
    spans = list(zip(starts[0].numpy().tolist(), ends[0].numpy().tolist(), strict=True))
    surfaces = [line.encode()[start:end].decode() for start, end in spans]
    foreign = [x for x in line if x not in "a dog"]
    assert [x for x in surfaces if x in foreign] == foreign
    assert spans == sorted(spans)
    pieces = bytes_tokenizer.pieces(ids[0].numpy())
    assert sum(x.startswith("<0x") for x in pieces) == sum(
        len(x.encode()) for x in foreign
    )


def test_a_text_is_not_copied_for_each_of_its_tokens(tokenizer):
    line = "a dog " * 2_500
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ids, starts, _ = source_spans(tokenizer, tf.constant([line] * 23))
    assert starts.values.shape == ids.values.shape
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # Copies of 15 kB for thousands of tokens in 23 rows were gigabytes.
    assert grown < 500_000  # kB
