"""Models of frames: the encoder as a loop, padding, halves, precision and XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Seq2SeqConfig, build_model, decoding
from kseq2seq.losses import token_crossentropy
from kseq2seq.models import (
    encoder_model,
    frame_size,
    freeze,
    portable_copy,
    start_decoding,
    time_reduction,
    transfer_weights,
)
from reference import lstm_step, named_weights, randomize

F, V = 7, 13
LAS = {"encoder_layers": 2, "pyramidal_layers": 1, "convolutions": 1}


def make_model(**options):
    config = Seq2SeqConfig(
        **{
            "source_frame_size": F,
            "target_vocabulary_size": V,
            "embedding_size": 5,
            "units": 6,
            "dropout": 0.0,
            **options,
        }
    )
    model = build_model(config)
    randomize(model, scale=0.4)
    return model


def frames_of(lengths, width, fill=0.0):
    frames = np.random.default_rng(3).normal(size=(len(lengths), width, F))
    mask = np.arange(width) < np.array(lengths)[:, None]
    frames = np.where(mask[..., None], frames, fill).astype("float32")
    return {"frames": frames, "frame_mask": mask}


def run_lstm(weights, sequence):
    state = np.zeros(3), np.zeros(3)
    outputs = []
    for vector in sequence:
        state = lstm_step(weights, vector, state)
        outputs.append(state[0])
    return np.array(outputs)


def test_the_pyramid_is_that_of_the_paper():
    """Chan et al. 2016, equation 5, for a row that is not padded."""
    model = make_model(encoder_layers=3, pyramidal_layers=2)
    inputs = frames_of([11], 11)
    vectors = inputs["frames"][0].astype("float64")
    for level in range(3):
        if level:
            if len(vectors) % 2:
                vectors = np.pad(vectors, [(0, 1), (0, 0)])
            vectors = np.concatenate([vectors[0::2], vectors[1::2]], axis=1)
        layer = model.get_layer(f"encoder_{level}")
        ahead = run_lstm(named_weights(layer.forward_layer), vectors)
        back = run_lstm(named_weights(layer.backward_layer), vectors[::-1])[::-1]
        vectors = np.concatenate([ahead, back], axis=1)
    memory = encoder_model(model)(inputs)["memory"]
    assert memory["value"].shape == (1, 3, 6)
    np.testing.assert_allclose(memory["value"][0], vectors, atol=1e-5)


def loss_and_gradients(model, inputs, target):
    labels = np.concatenate([target[:, 1:], np.zeros_like(target[:, :1])], axis=1)
    with tf.GradientTape() as tape:
        logits = model({**inputs, "target": target})
        loss = tf.reduce_sum(token_crossentropy(labels, logits) * (labels != 0))
    gradients = tape.gradient(loss, model.trainable_variables)
    return loss, [tf.convert_to_tensor(x) for x in gradients]


@pytest.mark.parametrize("fill", [1e3, np.nan])
@pytest.mark.parametrize(
    "options",
    [
        LAS,
        {"attention": "location_sensitive", "attention_query": "previous", **LAS},
        {"attention": "none", "cell": "gru", "bidirectional": False, **LAS},
        {"encoder_layers": 2, "residual": True, "encoder_normalization": True},
    ],
    ids=lambda options: options.get("attention", f"{len(options)}"),
)
def test_a_padded_batch_gives_what_each_row_gives_alone(options, fill):
    model, lengths = make_model(**options), (11, 6, 1)
    inputs = frames_of(lengths, 14, fill)
    target = np.array([[2, 4, 5, 6], [2, 7, 0, 0], [2, 8, 9, 0]], "int32")
    loss, gradients = loss_and_gradients(model, inputs, target)
    total, sums = 0, [0] * len(gradients)
    for row, length in enumerate(lengths):
        alone = {name: x[row : row + 1, :length] for name, x in inputs.items()}
        own_loss, own = loss_and_gradients(model, alone, target[row : row + 1])
        total += own_loss
        sums = [x + y for x, y in zip(sums, own, strict=True)]
    np.testing.assert_allclose(loss, total, rtol=1e-4)
    for x, y, weight in zip(gradients, sums, model.trainable_variables, strict=True):
        np.testing.assert_allclose(x, y, atol=2e-4, err_msg=weight.path)


def test_halves_give_the_logits_of_the_model():
    model = make_model(**LAS, input_feeding=True, attention="bahdanau")
    inputs = frames_of((11, 5), 13)
    assert (frame_size(model), time_reduction(model)) == (F, 4)
    step, state = start_decoding(model)(inputs)
    forced = decoding.force(step, state, np.array([[4, 7, 3], [5, 3, 0]], "int32"))
    target = np.array([[2, 4, 7], [2, 5, 3]], "int32")
    log_probs = keras.ops.log_softmax(model({**inputs, "target": target}))
    expected = [
        log_probs[0, 0, 4] + log_probs[0, 1, 7] + log_probs[0, 2, 3],
        log_probs[1, 0, 5] + log_probs[1, 1, 3],
    ]
    np.testing.assert_allclose(forced.log_probs[:, 0], expected, atol=1e-5)
    assert forced.alignments.shape == (2, 1, 3, 4)


def test_saved_and_copied_models_give_the_same(tmp_path):
    model = make_model(
        **LAS, spec_augment={"time_masks": 1}, encoder_normalization=True
    )
    inputs = {**frames_of((11, 5), 13), "target": np.array([[2, 4], [2, 0]], "int32")}
    model.save(tmp_path / "model.keras")
    for other in (
        kseq2seq.load_model(tmp_path / "model.keras"),
        portable_copy(model),
    ):
        np.testing.assert_array_equal(other(inputs), model(inputs))


def test_weights_are_transferred_and_frozen():
    former, model = make_model(**LAS), make_model(**LAS, target_vocabulary_size=V + 2)
    assert transfer_weights(model, former) == {"target": 2, "source": 0}
    frozen = [x.name for x in former.layers if x.weights and "encoder" in x.name]
    freeze(model, ["encoder"])
    assert "encoder_convolution_0" in frozen
    assert not any(model.get_layer(name).trainable for name in frozen)
    for name in frozen:
        pair = (x.get_layer(name).get_weights() for x in (model, former))
        for x, y in zip(*pair, strict=True):
            np.testing.assert_array_equal(x, y)


def test_training_compiles_with_xla():
    inputs = {**frames_of((11, 5), 13), "target": np.array([[2, 4], [2, 0]], "int32")}
    specs = {name: tf.TensorSpec([None, None, *x.shape[2:]], x.dtype)
             for name, x in inputs.items()}  # fmt: skip
    labels = np.array([[4, 3], [3, 0]], "int32")
    weights = []
    for jit_compile in (False, True):
        model = make_model(convolutions=1, pyramidal_layers=1, bidirectional=False)
        model.compile(
            keras.optimizers.SGD(0.1),
            kseq2seq.MaskedCrossentropy(),
            jit_compile=jit_compile,
        )
        dataset = tf.data.Dataset.from_generator(
            lambda: iter([(inputs, labels)]),
            output_signature=(specs, tf.TensorSpec([None, None], tf.int32)),
        )
        model.fit(dataset, verbose=0)
        weights.append(model.get_weights())
    for x, y in zip(*weights, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_spec_augment_acts_in_training():
    model = make_model(spec_augment={"frequency_width": 7, "seed": 1})
    inputs = {**frames_of((11,), 11), "target": np.array([[2]], "int32")}
    assert not np.allclose(model(inputs), model(inputs, training=True))


def test_errors():
    with pytest.raises(ValueError, match=r"cannot be made with spec_augment={'masks"):
        make_model(spec_augment={"masks": 1})
    sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": V}
    model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    assert frame_size(model) == 0
    with pytest.raises(ValueError, match="must read frames: .* Received: a model of"):
        time_reduction(model)
