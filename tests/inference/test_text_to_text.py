"""Text to text, against the model itself, brute force and NumPy."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Limits, Search
from kseq2seq.inference import (
    signature_functions,
    signatures,
)
from kseq2seq.utils import BOS_ID, PAD_ID
from loaders import strings
from translators import TEXTS, tiny_translator
from whole_models import (
    SEARCH,
    TARGETS,
    ids_of,
    text_to_text,
    whole_model_log_probs,
)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.mark.parametrize("attention", ["none", "coverage"])
def test_scores_are_those_of_the_whole_model(attention):
    translator = tiny_translator(attention=attention)
    outputs = text_to_text([translator]).score(strings(TEXTS), strings(TARGETS))
    source, labels = ids_of(translator, TEXTS, TARGETS)
    log_probs = whole_model_log_probs(translator, source, labels)
    picked = np.take_along_axis(log_probs, labels[..., None], axis=2)[..., 0]
    expected = np.where(labels != PAD_ID, picked, 0).sum(axis=1)
    counts = (labels != PAD_ID).sum(axis=1)
    np.testing.assert_allclose(outputs["log_prob"], expected, rtol=1e-5)
    np.testing.assert_array_equal(outputs["num_tokens"], counts)
    np.testing.assert_allclose(
        outputs["perplexity"], np.exp(-expected / counts), rtol=1e-5
    )
    scored = translator.score(zip(TEXTS, TARGETS, strict=True), batch_size=4)
    assert [count for _, count in scored] == counts.tolist()
    np.testing.assert_allclose([x for x, _ in scored], expected, rtol=1e-5)


def test_alignments_are_those_of_the_search():
    translator = tiny_translator(
        attention="location_sensitive", attention_query="previous"
    )
    ours = text_to_text([translator])
    outputs = ours.translate_align(strings(TEXTS))
    outputs = {name: x.numpy() for name, x in outputs.items()}
    actual = translator.translate(TEXTS, SEARCH)
    for row, (text, (best,)) in enumerate(zip(TEXTS, actual, strict=True)):
        target, source = best.alignment.shape
        assert outputs["num_target_tokens"][row] == target
        assert outputs["num_source_tokens"][row] == source
        weights = outputs["alignment"][row]
        np.testing.assert_allclose(weights[:target, :source], best.alignment, atol=1e-5)
        assert not weights[target:].any() and not weights[:, source:].any()
        links = outputs["links"][row]
        np.testing.assert_array_equal(links[:target], best.alignment.argmax(axis=1))
        assert (links[target:] == -1).all()
        for side, tokens, size in (
            ("source", best.source_tokens, len(text.encode())),
            ("target", best.target_tokens, len(best.text.encode())),
        ):
            padding = outputs[f"{side}_tokens"].shape[1] - len(tokens)
            decoded = [x.decode() for x in outputs[f"{side}_tokens"][row]]
            assert decoded == tokens + [""] * padding
            last = outputs[f"{side}_ends"][row, len(tokens) - 1]
            assert last == size or best.target_tokens[-1] != "</s>"
    # The same for the translations as given targets.
    texts = [best.text for best, *_ in actual]
    ended = [i for i, (best,) in enumerate(actual) if best.target_tokens[-1] == "</s>"]
    aligned = translator.align(list(zip(TEXTS, texts, strict=True)))
    assert ended
    for row in ended:
        np.testing.assert_allclose(
            aligned[row].weights, actual[row][0].alignment, atol=1e-5
        )
        assert aligned[row].target_tokens == actual[row][0].target_tokens
        assert aligned[row].links == actual[row][0].alignment.argmax(axis=1).tolist()


def test_encodings_are_the_encoder_s(translator):
    for text, encoded in zip(TEXTS, translator.encode(TEXTS), strict=True):
        ids = translator.source_tokenizer.tokenize([text]).to_tensor()
        encoder = keras.Model(
            translator.model.input["source"],
            [translator.model.get_layer(x).output for x in ("memory", "bridge_0")],
        )
        memory, state = encoder(ids)
        np.testing.assert_allclose(encoded.memory, memory[0], atol=1e-5)
        np.testing.assert_allclose(encoded.state[: state.shape[1]], state[0], atol=1e-5)
    outputs = translator.run("encode", {"text": strings(TEXTS)})
    assert not outputs["memory"][~outputs["memory_mask"]].any()
    plain = tiny_translator(attention="none")
    assert plain.encode(TEXTS)[2].memory is None
    with pytest.raises(ValueError, match="attention alone. Received: 'align'"):
        plain.align([("a", "b")])


def expected_probabilities(log_probs, temperature, top_k, top_p):
    """Of each token to be drawn, by the definitions."""
    log_probs = log_probs.copy()
    log_probs[[PAD_ID, BOS_ID]] = -np.inf
    weights = np.exp((log_probs - log_probs.max()) / temperature)
    order = np.argsort(-weights)
    kept = np.zeros(len(weights), bool)
    kept[order[: top_k or len(order)]] = True
    weights = np.where(kept, weights, 0)
    weights /= weights.sum()
    before = np.concatenate([[0], np.cumsum(weights[order])[:-1]])
    weights[order] = np.where(before < top_p, weights[order], 0)
    return weights / weights.sum()


@pytest.fixture(scope="module")
def first_tokens(translator):
    """Samples of a single token."""
    return text_to_text([translator], Search(max_length=1))


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 5, 1.0), (1.9, 0, 0.7), (1.3, 7, 0.6), (0.0, 0, 1.0)],
)
def test_samples_follow_their_probabilities(
    translator, first_tokens, temperature, top_k, top_p
):
    count = 1009
    settings = {
        "temperature": np.full(count, temperature, "float32"),
        "top_k": np.full(count, top_k, "int32"),
        "top_p": np.full(count, top_p, "float32"),
        "seed": np.arange(count),
    }
    outputs = first_tokens.sample(strings(["we run home"] * count), **settings)
    source, labels = ids_of(translator, ["we run home"], [""])
    (log_probs,) = whole_model_log_probs(translator, source, labels)[:, 0]
    expected = expected_probabilities(log_probs, max(temperature, 1e-4), top_k, top_p)
    pieces = translator.target_tokenizer.pieces(range(len(expected)))
    texts = [x.replace("▁", " ").replace("</s>", "") for x in pieces]
    drawn = [x.decode() for x in outputs["translation"].numpy()]
    for text, probability, log_prob in zip(texts, expected, log_probs, strict=True):
        share = drawn.count(text) / count
        deviation = np.sqrt(probability * (1 - probability) / count)
        assert abs(share - probability) <= 5 * deviation + 1e-9, text
        if text in drawn:
            got = outputs["log_prob"].numpy()[drawn.index(text)]
            np.testing.assert_allclose(got, log_prob, rtol=1e-4, atol=1e-5)


def dtype_of(name):
    (spec,) = (x for x in signatures.SAMPLING if x.name == name)
    return spec.dtype


def test_a_sample_is_its_row_s_own(translator):
    ours = text_to_text([translator])
    settings = {
        "temperature": np.array([1.0, 1.5, 0.7, np.nan, -3.0, np.inf], "float32"),
        "top_k": np.array([0, 5, 1, -7, 3, 0], "int32"),
        "top_p": np.array([1.0, 0.8, 1.0, np.nan, -1.0, 7.0], "float32"),
        "seed": np.array([3, -3, 3, 2**62, 0, 5]),
    }
    together = ours.sample(strings(TEXTS), **settings)
    for row, text in enumerate(TEXTS):
        own = {name: values[row : row + 1] for name, values in settings.items()}
        alone = ours.sample(strings([text]), **own)
        assert alone["translation"][0] == together["translation"][row]
        np.testing.assert_allclose(
            alone["log_prob"][0], together["log_prob"][row], rtol=1e-5
        )
    # Out of range is the nearest within it: to draw from the one best token, or what
    # is not a number from all; and top_k of 1 is greedy search.
    greedy = translator.translate(TEXTS, dataclasses.replace(SEARCH, beam_size=1))
    for row in (2, 4):
        assert together["translation"][row] == greedy[row][0].text.encode()
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
    for row in (3, 5):
        own = {name: [value] for name, value in plain.items()}
        own["seed"] = settings["seed"][row : row + 1]
        usual = ours.sample(
            strings([TEXTS[row]]),
            **{name: tf.constant(value, dtype_of(name)) for name, value in own.items()},
        )
        assert usual["translation"][0] == together["translation"][row]
    texts = {x.text for x in translator.sample(TEXTS[:1] * 19, temperature=2.0)}
    assert len(texts) > 9
    one, two = (translator.sample(TEXTS, seed=11, top_k=5, top_p=0.9) for _ in "ab")
    assert one == two != translator.sample(TEXTS, seed=12, top_k=5, top_p=0.9)


def test_samples_have_room_for_the_shortest_match_of_a_pattern(translator):
    ours = text_to_text([translator], Search(max_length=2, pattern="[a-z]{7}"))
    seeds = {"top_k": tf.zeros(2, tf.int32), "seed": tf.constant([3, 5], tf.int64)}
    numbers = {"temperature": tf.ones(2), "top_p": tf.ones(2)}
    outputs = ours.sample(strings(["we run", "x"]), **numbers, **seeds)
    assert [len(text) for text in outputs["translation"].numpy()] == [7, 7]
    assert np.isfinite(outputs["log_prob"]).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 1.0), ("temperature", 0.0), ("top_k", 0), ("top_p", 1.5), ("top_p", "a")],
)
def test_settings_of_samples_are_checked(translator, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be.*{name}={value!r}"):
        translator.sample(TEXTS, **{name: value})


@pytest.mark.parametrize("name", ["align", "score"])
def test_rows_must_be_as_many(translator, name, tmp_path):
    inputs = {"text": strings(["a", "dog"]), "target": strings(["ein"])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="`target` must have as"):
        translator.run(name, inputs)
    with pytest.raises(ValueError, match="'score' must be target, text"):
        translator.run("score", {"text": ["a"]})


def test_limits_hold_in_every_signature(translator):
    search = dataclasses.replace(SEARCH, max_length=6)
    ours = text_to_text([translator], search, limits=Limits(max_bytes=8, max_tokens=6))
    long, cut = strings(["a dog runs", "the cat"]), strings(["a dog", "the c"])
    both = [ours.translate(long), ours.translate_align(long)]
    expected = ours.translate(cut)
    for outputs in both:
        assert outputs["translation"].numpy().tolist() == (
            expected["translation"].numpy().tolist()
        )
    assert both[1]["truncated"].numpy().tolist() == [True, True]
    assert ours.encode(cut)["truncated"].numpy().tolist() == [False, False]
    scored = ours.score(cut, strings(["ein Hund", "ein"]))
    assert scored["truncated"].numpy().tolist() == [True, False]
    assert scored["num_tokens"].numpy().tolist() == [6, 4]


def test_each_graph_is_traced_once(translator):
    ours = text_to_text([translator])
    traced = [function.trace() for function in signature_functions(ours).values()]
    assert len(traced) == 7
    shared = [ours.read_source, ours.write, ours.search_ids, ours._own.step]
    assert {x.experimental_get_tracing_count() for x in shared} == {1}
