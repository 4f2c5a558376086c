"""The benchmarks of training: their arithmetic, and the baseline in PyTorch."""

import dataclasses
import json
import sys
import types

import keras
import numpy as np
import pytest

import kseq2seq
from paths import BENCHMARKS
from remotes import in_this_process

to_numpy = keras.ops.convert_to_numpy
SIZES = {"embedding_size": 7, "units": 10, "input_feeding": True, "dropout": 0.0}


@pytest.fixture(scope="module")
def scripts():
    """Gives a script by its name."""
    from importlib import import_module

    sys.path.insert(0, str(BENCHMARKS))
    yield import_module
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"input_feeding": False, "decoder_layers": 3, "encoder_layers": 2},
        {"cell": "gru", "attention": "luong_dot", "bidirectional": False},
        {"encoder_units": 6, "bridge": "zeros", "attentional_units": 5},
        {
            "encoder_layers": 3,
            "decoder_layers": 3,
            "bidirectional_layers": 1,
            "query_layer": "first",
            "context_to_layers": True,
            "transition_depth": 2,
        },
    ],
)
def test_flops_are_those_of_the_matrices(scripts, changes):
    flops = scripts("flops")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=29, target_vocabulary_size=31, **{**SIZES, **changes}
    )
    model = kseq2seq.build_model(config)
    sources, targets, beam = [3, 5], [2, 11], 4
    of_source = of_target = 0
    for weight in model.weights:
        if "embedding" in weight.path or len(weight.shape) != 2:
            continue
        # GRU has two vectors of biases in one array.
        size = 0 if weight.path.endswith("bias") else 2 * np.prod(weight.shape)
        if weight.path.startswith("encoder") or weight.path.endswith("key_kernel"):
            of_source += size
        else:
            of_target += size
    expected = sum(sources) * of_source + sum(targets) * of_target
    attention = 2 * (config.units + config.memory_size)
    looked_at = sum(s * t for s, t in zip(sources, targets, strict=True))
    expected += attention * looked_at
    assert flops.forward(config, sources, targets) == expected
    assert flops.training(config, sources, targets) == 3 * expected
    decoding = flops.forward(config, sources, targets, beam)
    assert decoding - expected == (beam - 1) * (
        sum(targets) * of_target + attention * looked_at
    )


def test_flops_of_what_is_not_known_are_refused(scripts):
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=29, target_vocabulary_size=31, attention="coverage"
    )
    with pytest.raises(ValueError, match=r"luong_general.*Received: coverage"):
        scripts("flops").forward(config, [1], [1])
    config = types.SimpleNamespace(architecture="transformer")
    with pytest.raises(ValueError, match="Received: architecture='transformer'"):
        scripts("flops").forward(config, [1], [1])


def test_tokens_are_counted_without_padding(scripts, tmp_path):
    contenders = scripts("contenders")
    batches = contenders.synthetic_batches(3, 4, 5, vocabulary_size=11, count=2)
    source, target, labels = batches[0]
    assert (source[:, -1] == 3).all() and (target[:, 0] == 2).all()
    assert (target[:, 1:] == labels[:, :-1]).all()
    source[0, 2:], labels[1, 1:] = 0, 0
    batches.append(tuple(x[:, :2] for x in batches[1]))
    contenders.save_batches(tmp_path / "batches.npz", batches, 11)
    loaded, size = contenders.load_batches(tmp_path / "batches.npz")
    assert size == 11 and len(loaded) == 3
    sources, targets = contenders.lengths(loaded)
    assert sources == [2, 4, 4, 4, 4, 4, 2, 2, 2]
    assert targets == [5, 1, 5, 5, 5, 5, 2, 2, 2]
    assert [len(x[0]) for x in contenders.one_of_each_shape(loaded)] == [3, 3]
    about = scripts("training").about_batches(loaded)
    assert about["shapes"] == 2 and about["target_tokens"] == sum(targets)
    assert about["source_padding"] == pytest.approx(2 / 30)


def test_rounds_are_in_turn(scripts):
    machine, called = scripts("machine"), []
    calls = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = machine.seconds_of(calls, repeats=2, warm_up=1)
    assert called == list("ababab")
    assert [len(x) for x in seconds.values()] == [2, 2]
    assert machine.ratio({"a": [4, 9, 6], "b": [2, 3, 3]}, "a", "b") == 2


def test_a_whole_measurement_of_ours(scripts, tmp_path, capsys, monkeypatch):
    """In this process, with a model that is small."""
    contenders, training = scripts("contenders"), scripts("training")
    machine, elsewhere = scripts("machine"), scripts("elsewhere")
    monkeypatch.setattr(contenders, "MODEL", {**contenders.MODEL, **SIZES})
    monkeypatch.setattr(machine, "GEMM_SIZE", 64)
    batches = contenders.synthetic_batches(3, 4, 5, vocabulary_size=11, count=3)
    contenders.save_batches(tmp_path / "batches.npz", batches, 11)
    monkeypatch.setattr(elsewhere, "Remote", in_this_process(contenders))
    arguments = ["--contenders", "ours-float32", "--batches", tmp_path / "batches.npz"]
    arguments += ["--repeat", 2, "--parts", 2, "--output", tmp_path]
    training.main([str(x) for x in arguments])
    report = json.loads((tmp_path / "training.json").read_text())
    actual = report["contenders"]["ours-float32"]
    assert report["epoch"]["target_tokens"] == 3 * 3 * 5
    assert len(actual["seconds"]) == len(actual["gemm_gflops"]) == 2
    assert actual["tokens_per_second"] > 0 and 0 < actual["achieved_to_limit"] < 1
    assert 0 < actual["loss"][1] < actual["loss"][0] < 2 * np.log(11)
    assert "| ours-float32 |" in capsys.readouterr().out


@pytest.fixture
def baseline(scripts):
    """The module, a Keras model, and one in PyTorch with its weights."""
    pytest.importorskip("torch")
    baseline = scripts("pytorch_baseline")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=29, target_vocabulary_size=31, **SIZES
    )
    model = kseq2seq.build_model(config)
    draw = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(draw.normal(scale=0.7, size=weight.shape))
    theirs = baseline.from_config(dataclasses.asdict(config)).eval()
    weights = {x.path: to_numpy(x) for x in model.weights}
    baseline.load_weights(theirs, weights)
    with pytest.raises(ValueError, match="lack"):
        baseline.load_weights(theirs, dict(list(weights.items())[1:]))
    return baseline, model, theirs


def padded_batch():
    draw = np.random.default_rng(2)
    source, target = (draw.integers(4, 29, (5, n), "int32") for n in (7, 6))
    source[1, 4:], source[3, 1:], target[:, 0] = 0, 0, 2
    labels = np.concatenate([target[:, 1:], np.full((5, 1), 3, "int32")], 1)
    labels[2, 2:] = 0
    return source, target, labels


def test_the_baseline_gives_the_same_logits_and_loss(baseline):
    baseline, model, theirs = baseline
    source, target, labels = padded_batch()
    as_torch = baseline.torch.from_numpy
    ours = to_numpy(model({"source": source, "target": target}))
    batch = [as_torch(x).long() for x in (source, target, labels)]
    np.testing.assert_allclose(theirs(*batch[:2]).detach(), ours, atol=1e-5)
    loss = kseq2seq.MaskedCrossentropy(0.1)(labels, ours)
    trainer = baseline.Trainer(theirs)
    assert float(trainer.step(*batch)) == pytest.approx(float(loss), rel=1e-5)
    assert float(trainer.step(*batch)) < float(loss)


@pytest.mark.parametrize("min_length", [0, 9])
def test_the_baseline_finds_the_same_translations(baseline, min_length):
    from kseq2seq import decoding, models

    baseline, model, theirs = baseline
    source = padded_batch()[0]
    as_torch = baseline.torch.from_numpy(source).long()
    lengths = {"max_length": 9, "min_length": min_length}
    start = models.start_decoding(model)
    ours = to_numpy(decoding.greedy_search(*start(source), **lengths).ids)[:, 0]
    actual = np.array(baseline.greedy(theirs, as_torch, **lengths))
    np.testing.assert_array_equal(actual, ours[:, : actual.shape[1]])
    search = {**lengths, "beam_size": 4, "length_penalty": 1.0}
    ours = to_numpy(decoding.beam_search(*start(source), **search).ids)[:, 0]
    actual = np.array(baseline.beam_search(theirs, as_torch, **search))
    np.testing.assert_array_equal(actual, ours[:, : actual.shape[1]])
    assert not min_length or (actual[:, :8] > 3).all()


@pytest.mark.parametrize("length", [10, 80])
def test_flops_are_what_pytorch_counts(scripts, length):
    """Of the baseline's training step, both ways."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=29, target_vocabulary_size=31, **SIZES
    )
    baseline = scripts("pytorch_baseline")
    trainer = baseline.Trainer(baseline.from_config(dataclasses.asdict(config)))
    batch = scripts("contenders").synthetic_batches(3, length, length, 29, 1)[0]
    with FlopCounterMode(display=False) as counter:
        trainer.step(*(torch.from_numpy(x).long() for x in batch))
    counted = counter.get_total_flops()
    flops, lengths = scripts("flops"), [length] * 3
    expected = flops.training(config, lengths, lengths)
    # Where the encoder is one operation of oneDNN, PyTorch does not see its products.
    encoder = 3 * sum(lengths) * flops.per_source_token(config)["encoder"]
    assert counted in (expected, expected - encoder)


def test_products_of_any_sizes_are_measured(scripts, monkeypatch):
    machine, seen = scripts("machine"), []
    product = lambda *given: seen.append(given) or seen.append  # noqa: E731
    monkeypatch.setitem(machine._PRODUCTS, "tensorflow", product)
    monkeypatch.setattr(machine, "GEMM_SIZE", 64)
    clock = iter(range(99))
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    rate = machine.gemm_rate("tensorflow", "bfloat16", sizes=(2, 32, 16))
    count = 3 * 64**3 // (2 * 32 * 16)
    assert seen == [("bfloat16", None, (2, 32), (32, 16)), *[count] * 9]
    assert rate == round(2 * 2 * 32 * 16 * count / 1e9, 1)


def test_the_profile_knows_its_operations(scripts, monkeypatch):
    script = scripts("step_profile")
    for name, value in {"BATCH_SIZE": 3, "VOCABULARY_SIZE": 31, "STEPS": 2}.items():
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(script.contenders, "MODEL", SIZES)
    milliseconds, operations = script.profile(script.training_step("float32"))
    kinds = script.by_kind(operations)
    assert milliseconds > 0 and list(kinds) == list(script.KINDS)
    for kind in ("matrix products", "softmax", "optimizer", "copies for loops"):
        assert kinds[kind] > 0, kind
    assert kinds["best candidates"] == 0
    assert sum(kinds.values()) == pytest.approx(sum(operations.values()))
    assert not any(x in name for name in operations for x in ("While", "Call"))
    assert script.by_kind({"TopKV2": 3.0, "Cast": 5.0})["best candidates"] == 3.0
