"""Names of tensorflow-addons, and the roles that they tell."""

import numpy as np
import pytest

from kseq2seq.tfa import make_attention, make_decoder_cell
from tfa import A, H, M, U, luong_weights, random


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_numbered_names():
    weights = luong_weights()
    weights["x/memory_layer_1/kernel:0"] = weights.pop("memory_layer/kernel")
    weights["x/attention_layer_12/kernel:0"] = weights.pop("attention_layer/kernel")
    assert make_decoder_cell(weights).output_size == A


def test_mechanisms_with_names_of_their_own():
    """Made with its memory, outside of a wrapper and in one."""
    weights = {
        "mine/attention_v:0": random(U),
        "w/mine/kernel:0": random(H, U),
        "mine/kernel:0": random(M, U),
    }
    layer = make_attention(weights)
    close(layer.query_kernel, random(H, U))
    close(layer.key_kernel, random(M, U))
    # Nothing tells that this is a mechanism's, unless it is said.
    weights = luong_weights()
    weights["mine/kernel:0"] = weights.pop("memory_layer/kernel")
    with pytest.raises(ValueError, match="Unknown: mine/kernel:0"):
        make_decoder_cell(weights)
    weights["memory_layer/kernel"] = weights.pop("mine/kernel:0")
    assert make_decoder_cell(weights).output_size == A


def test_two_variables_of_one_name():
    """As in a mechanism made with its memory, outside of any wrapper."""
    weights = {
        "BahdanauAttention/attention_v:0": random(U),
        "BahdanauAttention/kernel:0": random(M, U),
    }
    with pytest.raises(ValueError, match="Missing: query_layer/kernel"):
        make_attention(weights)


def test_the_path_of_a_file_is_no_mapping():
    with pytest.raises(ValueError, match="np.load gives.*weights='weights.npz'"):
        make_decoder_cell("weights.npz")
