"""Contenders in training: this library's model and the baseline in PyTorch.

Each is made in a process of its own (`elsewhere.Remote`) and trains on batches of ids
from a file, the same for all.
"""

import dataclasses
import importlib.util
import sys
import time

import machine

# The standard model, but for the vocabulary's size.
MODEL = {
    "embedding_size": 256,
    "units": 512,
    "attention": "luong_general",
    "input_feeding": True,
    "dropout": 0.3,
}
BOS_ID, EOS_ID = 2, 3
LEARNING_RATE, CLIP_NORM, LABEL_SMOOTHING, SEED = 0.001, 5.0, 0.1, 1


def save_batches(path, batches, vocabulary_size):
    """Writes batches of ids, tuples of source, target and labels, to a file."""
    import numpy as np

    arrays = {
        f"{name}_{number}": array
        for number, batch in enumerate(batches)
        for name, array in zip(("source", "target", "labels"), batch, strict=True)
    }
    np.savez(path, vocabulary_size=vocabulary_size, count=len(batches), **arrays)


def load_batches(path, steps=None):
    """Batches of `save_batches`: a list of tuples, and the size of the vocabulary."""
    import numpy as np

    with np.load(path) as file:
        count = min(int(file["count"]), steps or sys.maxsize)
        names = ("source", "target", "labels")
        batches = [tuple(file[f"{name}_{i}"] for name in names) for i in range(count)]
        return batches, int(file["vocabulary_size"])


def synthetic_batches(batch_size, source_length, target_length, vocabulary_size, count):
    """Batches of ids drawn at random, no padding in them, as `save_batches` takes."""
    import numpy as np

    draw, batches = np.random.default_rng(SEED), []
    for _ in range(count):
        source, labels = (
            draw.integers(4, vocabulary_size, (batch_size, length), "int32")
            for length in (source_length, target_length)
        )
        source[:, -1] = labels[:, -1] = EOS_ID
        first = np.full_like(labels[:, :1], BOS_ID)
        batches.append((source, np.concatenate([first, labels[:, :-1]], 1), labels))
    return batches


def lengths(batches):
    """Real tokens of each sentence: a list of the sources', and one of the targets'."""
    return tuple(
        [int(n) for batch in batches for n in (batch[side] != 0).sum(1)]
        for side in (0, 2)
    )


def one_of_each_shape(batches):
    """The first batch of every shape."""
    return list({(x[0].shape, x[2].shape): x for x in reversed(batches)}.values())


def config_of(vocabulary_size):
    from kseq2seq.config import Seq2SeqConfig

    return Seq2SeqConfig(
        source_vocabulary_size=vocabulary_size,
        target_vocabulary_size=vocabulary_size,
        **MODEL,
    )


class Ours:
    """This library's model, trained by `model.fit`; made in a process of its own."""

    def __init__(self, batches, steps, dtype, xla, steps_per_execution):
        if importlib.util.find_spec("tensorflow"):
            from kseq2seq.utils import import_tensorflow

            import_tensorflow()
        import keras

        import kseq2seq

        keras.utils.set_random_seed(SEED)
        if dtype == "bfloat16":
            keras.config.set_dtype_policy("mixed_bfloat16")
        self.dtype, self.framework = dtype, keras.config.backend()
        self.batches, size = load_batches(batches, steps)
        self.model = kseq2seq.build_model(config_of(size))
        self.model.compile(
            kseq2seq.Adam(LEARNING_RATE, global_clipnorm=CLIP_NORM),
            loss=kseq2seq.MaskedCrossentropy(LABEL_SMOOTHING),
            jit_compile="auto" if xla is None else xla,
            steps_per_execution=steps_per_execution,
        )

    def about(self):
        return {
            "framework": self.framework,
            "jit_compile": bool(self.model.jit_compile),
            "parameters": self.model.count_params(),
            "versions": machine.versions(),
            "peak_memory": machine.peak_memory(),
        }

    def warm_up(self):
        """Seconds of a batch of each shape: compiling included, and once more."""
        shapes = one_of_each_shape(self.batches)
        return [self._fit(shapes)["seconds"] for _ in range(2)]

    def train(self, first, last):
        """Seconds of `model.fit` on some of the batches, and the mean loss."""
        return self._fit(self.batches[first:last])

    def _fit(self, batches):
        began = time.perf_counter()
        history = self.model.fit(feed(batches), shuffle=False, verbose=0)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "loss": history.history["loss"][0]}

    def decode(self, beam_size, length):
        """Seconds to translate the batches' sources, at a forced length."""
        search = forced_search(self.model, beam_size, length)
        began = time.perf_counter()
        for source, _, _ in self.batches:
            search(source)
        return time.perf_counter() - began

    def gemm_rate(self):
        return machine.gemm_rate(self.framework, self.dtype)


def forced_search(model, beam_size, length):
    """A function from source ids to the ids of the best translation of that length.

    Of TensorFlow: one graph for all batches.
    """
    import tensorflow as tf

    from kseq2seq import Search, models
    from kseq2seq.decoding import search_ids

    search = Search(
        beam_size=beam_size,
        max_length=length,
        max_length_offset=length,
        min_length=length,
    )
    start = models.start_decoding(model)
    ids = tf.TensorSpec((None, None), tf.int32)
    graph = tf.function(
        lambda source: search_ids(start, source, search).ids,
        input_signature=[ids],
    )
    return lambda source: graph(tf.constant(source)).numpy()[:, 0]


def feed(batches):
    """Batches of NumPy arrays as `model.fit` takes them, on every backend of Keras."""
    import keras

    if keras.config.backend() == "tensorflow":
        return _dataset(batches)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, number):
            return _element(batches[number])

    return Batches()


def _dataset(batches):
    # Keras would take the shapes of the first two batches for those of all.
    import tensorflow as tf

    from kseq2seq.data import without_autotune

    ids = tf.TensorSpec((None, None), tf.int32)
    dataset = tf.data.Dataset.from_generator(
        lambda: map(_element, batches),
        output_signature=({"source": ids, "target": ids}, ids),
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return without_autotune(dataset.prefetch(4))


def _element(batch):
    source, target, labels = batch
    return {"source": source, "target": target}, labels


class Torch:
    """The baseline in PyTorch; made in a process of its own."""

    def __init__(self, batches, steps, dtype, device):
        import pytorch_baseline as baseline

        torch = baseline.torch
        torch.manual_seed(SEED)
        if device != "cpu":
            # As JAX multiplies by default, and cuDNN too.
            torch.set_float32_matmul_precision("high")
        self.device, self.dtype = device, dtype
        self.arrays, size = load_batches(batches, steps)
        self.batches = [
            tuple(torch.from_numpy(x.astype("int64")) for x in batch)
            for batch in self.arrays
        ]
        config = dataclasses.asdict(config_of(size))
        model = baseline.from_config(config).to(device)
        self.trainer = baseline.Trainer(
            model, dtype, LEARNING_RATE, CLIP_NORM, LABEL_SMOOTHING
        )

    def about(self):
        parameters = self.trainer.model.parameters()
        return {
            "framework": "torch",
            "device": self.device,
            "parameters": sum(x.numel() for x in parameters),
            "versions": machine.versions(),
            "peak_memory": machine.peak_memory(),
        }

    def warm_up(self):
        """Seconds of a batch of each shape, and once more."""
        shapes = one_of_each_shape(self.batches)
        return [self._train(shapes)["seconds"] for _ in range(2)]

    def train(self, first, last):
        """Seconds of training on some of the batches, and the mean loss."""
        return self._train(self.batches[first:last])

    def _train(self, batches):
        began, total = time.perf_counter(), 0.0
        for batch in batches:
            moved = (x.to(self.device, non_blocking=True) for x in batch)
            total = total + self.trainer.step(*moved)
        loss = float(total) / len(batches)  # waits for a GPU
        return {"seconds": time.perf_counter() - began, "loss": loss}

    def gemm_rate(self):
        return machine.gemm_rate("torch", self.dtype, self.device)

    def decode(self, beam_size, length):
        """Seconds to translate the batches' sources, at a forced length."""
        import pytorch_baseline as baseline

        self.trainer.model.eval()
        began = time.perf_counter()
        for source, _, _ in self.batches:
            source = source.to(self.device)
            with baseline.autocast(self.device, self.dtype):
                if beam_size == 1:
                    ids = baseline.greedy(self.trainer.model, source, length, length)
                else:
                    ids = baseline.beam_search(
                        self.trainer.model, source, beam_size, length, length
                    )
            ids.cpu()
        return time.perf_counter() - began
