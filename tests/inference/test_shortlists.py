"""Searches by a shortlist, against brute force over the whole model."""

import dataclasses
import json
import pickle
import platform

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search, Translator
from kseq2seq.inference import (
    ControlledSearches,
    VocabularySelection,
    make_shortlist,
    measure_shortlist,
)
from kseq2seq.inference.quantization import apply
from kseq2seq.runs import SHORTLIST_FILE, Shortlist
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from loaders import run_session, strings
from shortlists import assert_equal, searched, text_to_text
from translators import PAIRS, TEXTS, tiny_translator

SEARCH = Search(beam_size=3, num_hypotheses=3, max_length=9, shortlist=True)
GREEDY = dataclasses.replace(SEARCH, beam_size=1, num_hypotheses=1)
FREQUENT, PIECES = 2, 3


@pytest.fixture(scope="module")
def plain():
    return tiny_translator()


def with_shortlist(translator, shortlist):
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    return Translator(translator.model, *tokenizers, shortlist=shortlist)


@pytest.fixture(scope="module")
def shortlist(plain):
    return make_shortlist(text_to_text(plain), PAIRS, PIECES, FREQUENT, batch_size=2)


@pytest.fixture(scope="module")
def translator(plain, shortlist):
    return with_shortlist(plain, shortlist)


def pieces_of(translator, text):
    table, frequent = translator.shortlist
    source = translator.source_tokenizer.tokenize([text])[0].numpy()
    return sorted({*range(EOS_ID + 1), *frequent, *table[source].ravel()})


def greedy_log_prob(translator, text, length, pieces):
    """The tokens of a greedy search, one by one, by the model that is trained.

    Also whether all of them are the best ones of the whole vocabulary, too.
    """
    source = translator.source_tokenizer.tokenize([text]).to_tensor().numpy()
    target, total, same = [BOS_ID], 0.0, True
    while len(target) <= length:
        inputs = {"source": source, "target": np.array([target], "int32")}
        logits = np.asarray(translator.model(inputs))[0, -1].astype("float64")
        known = np.exp(logits[pieces] - logits[pieces].max())
        log_probs = dict(zip(pieces, np.log(known / known.sum()), strict=True))
        for never in (PAD_ID, UNK_ID, BOS_ID):
            del log_probs[never]
            logits[never] = -np.inf
        best = max(log_probs, key=log_probs.get)
        same &= best == logits.argmax()
        total += log_probs[best]
        target.append(int(best))
        if best == EOS_ID:
            break
    return target[1:], total, same


def test_links_are_those_of_the_model_s_alignments(plain, shortlist):
    source, target = plain.source_tokenizer, plain.target_tokenizer
    counts = np.zeros((source.vocabulary_size, target.vocabulary_size))
    tokens = []
    for (text, label), aligned in zip(PAIRS, plain.align(PAIRS), strict=True):
        ids = source.tokenize([text])[0].numpy(), target.tokenize([label])[0].numpy()
        tokens += ids[1].tolist()
        for weights, token in zip(aligned.weights, ids[1], strict=True):
            for weight, piece in zip(weights, ids[0], strict=True):
                if weight >= min(0.1, weights.max()):
                    counts[piece, token] += weight
    counts[:, : EOS_ID + 1] = 0
    counts[counts < 0.5] = 0
    for piece, row in enumerate(counts):
        expected = row[np.argsort(-row)][:PIECES]
        given = [x for x in shortlist.table[piece] if x != PAD_ID]
        assert len(given) == (expected > 0).sum()
        np.testing.assert_allclose(row[given], expected[: len(given)], rtol=1e-4)
    often = sorted((x for x in set(tokens) if x > EOS_ID), key=tokens.count)
    assert sorted(map(tokens.count, shortlist.frequent)) == [
        tokens.count(x) for x in often[-FREQUENT:]
    ]


def test_the_report_counts_tokens_and_pieces(plain, translator, shortlist):
    known, total = [0, 0], [0, 0]
    columns = [pieces_of(translator, text) for text, _ in PAIRS]
    graphs = text_to_text(plain)
    graphs.default_search = dataclasses.replace(GREEDY, shortlist=False)
    report = measure_shortlist(graphs, shortlist, PAIRS)
    for (text, label), given in zip(PAIRS, columns, strict=True):
        written = graphs.search_ids(graphs.source_ids(tf.constant([text])).ids, 1)
        written = written.ids[0, 0].numpy()
        labels = plain.target_tokenizer.tokenize([label])[0].numpy()
        for side, ids in enumerate((labels, written[written != PAD_ID])):
            known[side] += sum(x in given for x in ids)
            total[side] += len(ids)
    assert 0 < known[0] < total[0] and 0 < known[1] < total[1]
    actual = report.covered_targets, report.covered_outputs
    np.testing.assert_allclose(actual, np.array(known) / total)
    np.testing.assert_allclose(report.columns_of_text, np.mean([*map(len, columns)]))
    assert report.columns_of_batch == len(set().union(*columns))


def test_a_search_is_that_of_the_model_without_the_other_pieces(plain, translator):
    graphs = text_to_text(plain, shortlist=translator.shortlist)
    hypotheses, all_same = searched(graphs, [TEXTS[0], TEXTS[5]], GREEDY), True
    for row, text in enumerate([TEXTS[0], TEXTS[5]]):
        pieces = pieces_of(translator, text)
        ids, log_prob, same = greedy_log_prob(translator, text, 9, pieces)
        actual = hypotheses.ids[row, 0, : hypotheses.lengths[row, 0]]
        assert actual.numpy().tolist() == ids
        np.testing.assert_allclose(hypotheses.log_probs[row, 0], log_prob, atol=1e-4)
        all_same &= same
    assert not all_same


def test_rows_are_independent(plain, shortlist):
    graphs = text_to_text(plain, shortlist=shortlist)
    together = searched(graphs, TEXTS[2:], SEARCH)
    for row, text in enumerate(TEXTS[2:]):
        alone = searched(graphs, [text], SEARCH)
        assert_equal(alone, [x[row : row + 1] for x in together])


@pytest.fixture(scope="module")
def nothing(plain):
    table = np.zeros((plain.source_tokenizer.vocabulary_size, 1), "int32")
    return Shortlist(table, np.zeros(0, "int32"))


def test_beginnings_and_words_need_not_be_in_the_shortlist(plain, nothing):
    graphs = text_to_text(plain, shortlist=nothing)
    prefix = ["wir", "", "ein", "", "die", ""]
    forced = [["Katze"], None, ["heim"], ["ein"], [], None]
    outputs = ControlledSearches(graphs).search_texts(
        tf.constant(TEXTS),
        dataclasses.replace(SEARCH, beam_size=4),
        prefix=tf.constant(prefix),
        forced=graphs.forced_ids(forced, len(TEXTS))["forced"],
    )
    texts = [x.decode() for x in outputs["translations"].numpy()[:, 0]]
    for begun, words, text in zip(prefix, forced, texts, strict=True):
        assert text.startswith(begun) and all(word in text for word in words or ())
    assert texts[5] == ""  # there is nothing to write it with


def test_alternatives_among_the_shortlist(plain, shortlist):
    graphs = text_to_text(plain, shortlist=shortlist)
    graphs.default_search = dataclasses.replace(SEARCH, max_length=5)
    text, prefix = tf.constant([TEXTS[0]]), tf.constant(["w"])
    outputs = ControlledSearches(graphs).alternatives(text, prefix)
    texts = [x.decode() for x in outputs["translations"].numpy()[0]]
    translator = with_shortlist(plain, shortlist)
    pieces = translator.target_tokenizer.pieces(pieces_of(translator, TEXTS[0]))
    letters = {*"".join(pieces).replace("▁", " "), "w"}
    assert len(set(texts)) == 3
    assert all(text[0] == "w" and letters.issuperset(text) for text in texts)


def test_a_translator_keeps_its_shortlist(translator, shortlist, tmp_path):
    translator.save(tmp_path)
    for again in (Translator.load(tmp_path), pickle.loads(pickle.dumps(translator))):
        for a, b in zip(again.shortlist, shortlist, strict=True):
            np.testing.assert_array_equal(a, b)
    tiny_translator().save(tmp_path)
    assert Translator.load(tmp_path).shortlist is None


def test_a_damaged_shortlist_matters_to_searches_by_it_alone(
    translator, tmp_path, caplog
):
    translator.save(tmp_path)
    (tmp_path / SHORTLIST_FILE).write_bytes(b"text")
    again = Translator.load(tmp_path)
    assert "shortlist.npz must hold a shortlist, as" in caplog.text
    assert "write it again, or delete" in caplog.text
    assert again.shortlist is None
    with pytest.raises(ValueError, match="which 'kseq2seq shortlist RUN' makes"):
        again.translate(TEXTS[:1], SEARCH)


def test_exports_search_by_the_shortlist(translator, tmp_path, export_only):
    export_only("serving_default", "nbest")
    path = translator.export(tmp_path, SEARCH)
    (nbest,) = run_session(path, [("nbest", {"text": strings(TEXTS)})])
    for row, known in zip(
        nbest["translations"], translator.translate(TEXTS, SEARCH), strict=True
    ):
        assert [x.decode() for x in row[: len(known)]] == [x.text for x in known]
    card = json.loads((path / "model_card.json").read_text())
    assert card["shortlist"] == {"pieces": PIECES, "frequent": FREQUENT}
    assert "at most 3 for each of them, and 2" in (path / "README.md").read_text()


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="TensorFlow has products in int8 on x86 alone",
)
def test_products_in_int8(plain, shortlist, monkeypatch):
    monkeypatch.setattr(apply, "LEAST_MULTIPLIED", 1)
    graphs = text_to_text(plain, shortlist=shortlist, products="int8")

    @tf.function(autograph=False)
    def search():
        return searched(graphs, TEXTS[2:4], GREEDY)

    actual = search()
    expected = searched(text_to_text(plain, shortlist=shortlist), TEXTS[2:4], GREEDY)
    np.testing.assert_allclose(actual.scores, expected.scores, rtol=0.05)
    step = graphs._selection._step.get_concrete_function().graph.as_graph_def()
    operations = [node.op for node in step.node]
    assert "QuantizedMatMulWithBiasAndDequantize" in operations


def test_what_no_shortlist_is_for(plain, translator, shortlist):
    with pytest.raises(ValueError, match="'kseq2seq shortlist RUN' makes.*no shortl"):
        plain.translate(TEXTS, SEARCH)
    with pytest.raises(ValueError, match="`allowed` must come without a shortlist"):
        translator.translate(TEXTS, SEARCH, allowed=["heim"])
    with pytest.raises(ValueError, match="must be false with a `pattern`.*Received"):
        dataclasses.replace(SEARCH, pattern="a+")
    together = Translator.ensemble([translator, translator])
    with pytest.raises(ValueError, match="an ensemble has none"):
        together.translate(TEXTS, SEARCH)
    encode = text_to_text(plain)._own.encode
    for count, types in ((2, ("float32", "float32")), (1, ("float16", "int8"))):
        with pytest.raises(ValueError, match=f"Received: {count} models, .*{types[0]}"):
            VocabularySelection([plain.model] * count, shortlist, encode, *types)
    without = tiny_translator(attention="none")
    with pytest.raises(ValueError, match="attention, which links pieces, and pairs"):
        make_shortlist(text_to_text(without), PAIRS)
    for pairs in (["ab"], [("a", 1)], [("a", "b"), ("a", "b", "N")], [("a",)], [5]):
        with pytest.raises(
            ValueError, match=r"`pairs` must hold pairs of .* in row \d"
        ):
            make_shortlist(text_to_text(plain), pairs)
    with pytest.raises(ValueError, match="a pair, at least one, to measure by"):
        measure_shortlist(text_to_text(plain), shortlist, [])
