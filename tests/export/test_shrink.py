"""A graph in fewer bytes: the same values, and nothing lost that is needed."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kseq2seq.export import shrink
from loaders import run_python, run_session, strings


class Counter(tf.Module):
    """Equal constants, unused results, effects, names of arguments, randomness."""

    def __init__(self):
        super().__init__()
        self.count = tf.Variable(0)
        self.matrix = tf.Variable(np.arange(35.0, dtype="float32").reshape(5, 7))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def serve(self, text):
        with tf.name_scope("a_very_long_name_of_a_scope"):
            sizes = tf.cast(tf.strings.length(text), "float32") * 3.0 + 3.0
            again = tf.cast(tf.strings.length(text), "float32") * 3.0 + 3.0
            tf.square(tf.cast(tf.strings.length(text), "float32"))  # nobody looks
            self.count.assign_add(2)
            tf.debugging.assert_less(tf.shape(text)[0], 7, "too many rows")

            def body(i, x):
                return i + 1, tf.matmul(x, self.matrix @ tf.transpose(self.matrix))

            rows = tf.ones([tf.shape(text)[0], 5])
            _, rows = tf.while_loop(lambda i, x: i < 2, body, [0, rows])
            one, other = (tf.random.uniform([tf.shape(text)[0]]) for _ in "ab")
            return {
                "sizes": sizes + again,
                "rows": rows,
                "count": tf.fill(tf.shape(text), self.count.read_value()),
                "different": tf.abs(one - other),
            }


def nodes(path):
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (graph,) = saved.meta_graphs
    return [x for f in graph.graph_def.library.function for x in f.node_def]


def test_slim_graphs_compute_the_same(tmp_path):
    module = Counter()
    tf.saved_model.save(module, tmp_path, {"serving_default": module.serve})
    file = tmp_path / "saved_model.pb"
    before, size = nodes(file), file.stat().st_size
    requests = [("serving_default", {"text": strings(x)}) for x in (["a", "éa"], [])]
    expected = run_session(tmp_path, requests)
    shrink.slim(file)
    after = nodes(file)
    assert len(after) < len(before) and file.stat().st_size < 0.6 * size
    names = {x.name for x in after if not shrink._keeps_name(x)}
    assert max(map(len, names)) < 5
    (graph,) = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    named = {
        function.signature.name
        for function in graph.graph_def.library.function
        for attributes in function.arg_attr.values()
        if "_user_specified_name" in attributes.attr
    }
    assert named and named <= set(graph.object_graph_def.concrete_functions)
    for run in (run_python, run_session):
        for found, wanted in zip(run(tmp_path, requests), expected, strict=True):
            for name in ("sizes", "rows", "count"):
                np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6)
            # Random numbers are not merged, though they look alike.
            assert (found["different"] > 0).all()
    assert expected[0]["count"].tolist() == [2, 2]
    for run in (run_python, run_session):
        with pytest.raises(tf.errors.InvalidArgumentError, match="too many rows"):
            run(tmp_path, [("serving_default", {"text": strings("abcdefgh")})])


def test_slimming_again_changes_nothing(tmp_path):
    module = Counter()
    tf.saved_model.save(module, tmp_path, {"serving_default": module.serve})
    file = tmp_path / "saved_model.pb"
    shrink.slim(file)
    content = file.read_bytes()
    shrink.slim(file)
    assert file.read_bytes() == content
