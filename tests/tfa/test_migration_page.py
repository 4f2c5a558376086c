"""The page for users of tensorflow-addons: complete, and its code runs."""

import itertools
import re

import numpy as np
import pytest
import tensorflow as tf

import tfa
from kseq2seq.layers import DecoderRNN
from paths import ROOT

PAGE = ROOT / "docs" / "from_tfa.md"
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


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)


def save_weights(golden):
    """What the page's code of tensorflow-addons leaves behind, and a checkpoint."""
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


def test_python_blocks_run(tmp_path, monkeypatch, goldens_root):
    monkeypatch.chdir(tmp_path)
    golden = np.load(goldens_root / "wrapper_luong_layer.npz")
    save_weights(golden)
    namespace, cells = {}, []
    for block in blocks("python"):
        exec(compile(block, PAGE.name, "exec"), namespace)
        if "make_decoder_cell" in block:
            cells.append(namespace["cell"])
    assert len(cells) == 2
    for cell in cells:
        outputs = DecoderRNN(cell)(
            golden["inputs"],
            golden["memory"],
            memory_mask=golden["mask"],
            initial_state=[golden["initial_h"], golden["initial_c"]],
        )
        np.testing.assert_allclose(outputs, golden["outputs"], atol=1e-5)

    golden = np.load(goldens_root / "safe_cumprod.npz")
    found = namespace["safe_cumprod"](golden["x"], axis=1)
    np.testing.assert_allclose(found, golden["exclusive0_reverse0"], atol=1e-5)
    golden = np.load(goldens_root / "decode_luong.npz")
    time_first = [
        golden[f"beam_{key}"].swapaxes(0, 1)
        for key in ("step_ids", "parent_ids", "predicted_ids")
    ]
    found = namespace["gather_tree"](*time_first[:2], golden["end_token"])
    np.testing.assert_array_equal(found, time_first[2])


def test_mixed_targets():
    (block,) = (block for block in blocks("python") if "def mix" in block)
    namespace = {}
    exec(blocks("python")[0], namespace)
    exec(compile(block, PAGE.name, "exec"), namespace)
    source, target = namespace["source"], namespace["target"]
    np.testing.assert_array_equal(namespace["mix"](source, target, 0.0), target)
    mixed = np.asarray(namespace["mix"](source, target, 1.0))
    target = np.asarray(target)
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


def test_links_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", TEXT, re.M)
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }
    links = re.findall(r"\]\(#([^)]*)\)", re.sub(r"\n", " ", TEXT))
    assert links and set(links) <= anchors
