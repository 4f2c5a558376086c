"""The page for users of tensorflow-addons: complete, and its code runs."""

import itertools
import re

import numpy as np
import pytest
import tensorflow as tf

import tfa
from kseq2seq.layers import DecoderRNN
from pages import blocks, run
from paths import ROOT

PAGE = ROOT / "docs" / "migration_tfa.md"
TEXT = PAGE.read_text(encoding="utf-8")

# `dir(tfa.seq2seq)` of tensorflow-addons 0.23.0, without its submodules.
PUBLIC_NAMES = [
    "AttentionMechanism",
    "AttentionWrapper",
    "AttentionWrapperState",
    "BahdanauAttention",
    "BahdanauMonotonicAttention",
    "BaseDecoder",
    "BasicDecoder",
    "BasicDecoderOutput",
    "BeamSearchDecoder",
    "BeamSearchDecoderOutput",
    "BeamSearchDecoderState",
    "CustomSampler",
    "Decoder",
    "FinalBeamSearchDecoderOutput",
    "GreedyEmbeddingSampler",
    "InferenceSampler",
    "LuongAttention",
    "LuongMonotonicAttention",
    "SampleEmbeddingSampler",
    "Sampler",
    "ScheduledEmbeddingTrainingSampler",
    "ScheduledOutputTrainingSampler",
    "SequenceLoss",
    "TrainingSampler",
    "dynamic_decode",
    "gather_tree",
    "gather_tree_from_array",
    "hardmax",
    "monotonic_attention",
    "safe_cumprod",
    "sequence_loss",
    "tile_batch",
]


def the_block_with(text):
    (block,) = (block for block in blocks(PAGE, "python") if text in block)
    return block


def save_weights(golden):
    """Files that the page's code of tensorflow-addons writes, and a checkpoint."""
    np.savez("weights.npz", **tfa.weights(golden))
    wrapper = tf.Module()
    for name, array in tfa.weights(golden, tfa.CHECKPOINT).items():
        *path, last = name.split("/")[1:-2]
        parent = wrapper
        for part in path:
            if not hasattr(parent, part):
                setattr(parent, part, tf.Module())
            parent = getattr(parent, part)
        setattr(parent, last, tf.Variable(array))
    tf.train.Checkpoint(wrapper=wrapper).save("checkpoints/ckpt")


@pytest.mark.parametrize("number", range(len(blocks(PAGE, "python"))))
def test_python_blocks_run_alone(number, tmp_path, monkeypatch, goldens_root):
    monkeypatch.chdir(tmp_path)
    block = blocks(PAGE, "python")[number]
    if "weights.npz" in block or "checkpoints/" in block:
        golden = np.load(goldens_root / "wrapper_luong_layer.npz")
        save_weights(golden)
        outputs = DecoderRNN(run(PAGE, block)["cell"])(
            golden["inputs"],
            golden["memory"],
            memory_mask=golden["mask"],
            initial_state=[golden["initial_h"], golden["initial_c"]],
        )
        np.testing.assert_allclose(outputs, golden["outputs"], atol=1e-5)
    else:
        run(PAGE, block)


def test_weights_are_loaded_in_two_ways():
    loading = [x for x in blocks(PAGE, "python") if "make_decoder_cell(" in x]
    assert len(loading) == 2


def test_functions_of_the_page_give_what_was_there(goldens_root):
    golden = np.load(goldens_root / "safe_cumprod.npz")
    safe_cumprod = run(PAGE, the_block_with("def safe_cumprod"))["safe_cumprod"]
    np.testing.assert_allclose(
        safe_cumprod(golden["x"], axis=1), golden["exclusive0_reverse0"], atol=1e-5
    )
    golden = np.load(goldens_root / "decode_luong.npz")
    step_ids, parent_ids, predicted_ids = (
        golden[f"beam_{key}"].swapaxes(0, 1)
        for key in ("step_ids", "parent_ids", "predicted_ids")
    )
    gather_tree = run(PAGE, the_block_with("def gather_tree"))["gather_tree"]
    ids = gather_tree(step_ids, parent_ids, golden["end_token"])
    np.testing.assert_array_equal(ids, predicted_ids)


def test_a_constraint_forbids_a_token_at_the_beginning():
    namespace = run(PAGE, the_block_with("class NotFirst"))
    # Of equal log-probabilities the lowest id that is allowed is taken.
    for token, first in [(1, 3), (3, 1)]:
        best = namespace["decoding"].greedy_search(
            namespace["step"],
            np.zeros((2, 1)),
            max_length=3,
            eos_id=8,
            constraints=[namespace["NotFirst"](token)],
        )
        np.testing.assert_array_equal(best.ids[:, 0], [[first, 1, 1]] * 2)


def test_predictions_are_read():
    namespace = run(PAGE, the_block_with("ScheduledSampling"))
    model, target = namespace["model"], np.asarray(namespace["target"])
    sampling = namespace["ScheduledSampling"]("constant", 0.99)
    inputs = {"source": namespace["source"], "target": namespace["target"]}
    mixed = np.asarray(sampling.mixed_target(model, inputs, 0))
    assert (mixed != target).any()
    np.testing.assert_array_equal(mixed[:, 0], target[:, 0])  # the first is BOS
    np.testing.assert_array_equal(mixed[target == 0], 0)


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_every_public_name_is_there(name):
    overview, _, details = TEXT.partition("\n## ")
    assert f"`{name}`" in overview
    assert re.search(rf"(`|tfa\.seq2seq\.){name}\b", details)


def test_what_was_there_has_what_is_here_behind_it():
    kinds = re.findall(r"^```(python tfa|python)\n", TEXT, re.M)
    assert kinds.count("python tfa") >= 15 and kinds[-1] == "python"
    assert ("python tfa", "python tfa") not in itertools.pairwise(kinds)
