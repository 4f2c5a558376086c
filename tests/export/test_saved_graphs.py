"""Traced functions as a SavedModel."""

import logging

import pytest
import tensorflow as tf

from kseq2seq.export.saved_graphs import save_graphs


class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture
def as_in_a_notebook():
    """TensorFlow's logger as it is set in a notebook: it tells of assets."""
    logger, handler = tf.get_logger(), Records()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler.messages
    assert logger.level == logging.INFO
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_saving_logs_nothing(tmp_path, as_in_a_notebook):
    double = tf.function(lambda x: {"y": 2.0 * x}, autograph=False)
    graph = double.get_concrete_function(tf.TensorSpec([None], name="x"))
    save_graphs({"double": graph}, [], tmp_path / "ours")
    assert as_in_a_notebook == []
    tf.saved_model.save(tf.Module(), str(tmp_path / "plain"))
    assert "Assets written to" in as_in_a_notebook[-1]
