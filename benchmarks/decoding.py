#!/usr/bin/env python
"""Decoding: sentences a second, greedy and with a beam, beside PyTorch and exported.

- Forced length: the standard model, with random weights, gives exactly 20 tokens for
  each of some random sources of 14, so that the work does not depend on what it has
  learnt. From ids to ids: ours is what `kseq2seq.Translator` has in its graph, the
  other is the search in `pytorch_baseline.py` with the same weights. Each is in a
  process of its own that stays, and both are called in turn. Sentences for which both
  find the same ids are counted.
- Real text, with `--run`: the sentences of test_2016_flickr through
  `kseq2seq.Translator.translate`, beam 5 in batches of 64, in turn with the SavedModel
  in the session loader; BLEU.

The rate of a large matrix product is measured in each of the processes, in each round;
with the FLOPs (`flops.py`) it gives the limit.

Where there is no TensorFlow, `KERAS_BACKEND=jax` decodes the forced length, on a GPU
where there is one; `--device cuda` puts PyTorch there.

python benchmarks/decoding.py --torch-python PYTHON --data FOLDER --run RUN_FOLDER
"""

import argparse
import dataclasses
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import elsewhere
import flops
import machine
from contenders import MODEL, SEED
from real_text import cells, rated, shown_text

VOCABULARY_SIZE = 8000
SOURCE_LENGTH, FORCED_LENGTH = 14, 20
BEAM_SIZES, BATCH_SIZES = (1, 5), (1, 64)
# Sentences that one time is taken of; of larger batches two batches.
SENTENCES = 20


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure decoding: at a forced length beside PyTorch, and of real "
        "text beside the SavedModel. A table and decoding.json.",
        epilog="Five minutes on two cores, which should be quiet otherwise.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with multi30k/")
    add(
        "--run", type=Path, help="run folder, to translate real text; none if not given"
    )
    add("--model", type=Path, help="its SavedModel; exported if not given")
    add("--repeat", type=int, default=5, help="rounds")
    add("--beams", type=int, nargs="+", default=list(BEAM_SIZES), help="1 is greedy")
    add("--batch-sizes", type=int, nargs="+", default=list(BATCH_SIZES), help="sizes")
    add("--units", type=int, default=MODEL["units"], help="of the model")
    add("--vocabulary", type=int, default=VOCABULARY_SIZE, help="pieces")
    add("--length", type=int, default=FORCED_LENGTH, help="tokens that are forced")
    add("--sentences", type=int, default=1000, help="of real text, the first ones")
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="of both")
    add("--no-forced", action="store_true", help="real text alone")
    add("--no-torch", action="store_true", help="ours alone")
    add("--int8", action="store_true", help="also ours with products in int8")
    add("--torch-python", help="Python that has PyTorch; else this one")
    add("--device", default="cpu", help="of PyTorch, such as cuda")
    add("--name", default="decoding", help="of the results' file")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    counts = (options.repeat, options.length, options.units, options.sentences)
    if min(*counts, *options.beams, *options.batch_sizes) < 1:
        parser.error("numbers must be at least 1")
    if options.run is not None and not (options.run / "model.keras").is_file():
        parser.error(f"--run must be a run folder with model.keras: {options.run}")
    if options.run is not None and options.data is None:
        parser.error("--data must name the folder that holds multi30k/")
    if options.no_forced and options.run is None:
        parser.error("--no-forced leaves real text, which needs --run")
    if options.int8 and options.dtype != "float32":
        parser.error("--int8 goes with --dtype float32")
    return options


def make_config(vocabulary, units):
    from kseq2seq.config import Seq2SeqConfig

    return Seq2SeqConfig(
        source_vocabulary_size=vocabulary,
        target_vocabulary_size=vocabulary,
        **{**MODEL, "units": units},
    )


def make_batches(batch_size, vocabulary):
    """Batches of random source ids, each row ending with EOS; the same everywhere."""
    import numpy as np

    from kseq2seq.utils import EOS_ID

    count = SENTENCES if batch_size == 1 else 2 * batch_size
    ids = np.random.default_rng(SEED).integers(4, vocabulary, (count, SOURCE_LENGTH))
    ids[:, -1] = EOS_ID
    return list(ids.astype("int32").reshape(-1, batch_size, SOURCE_LENGTH))


class Contender:
    """A model that decodes in a process of its own; `search` is the subclass's.

    Args:
        vocabulary: Size of both vocabularies.
        units: Of the decoder.
        length: Tokens of every hypothesis.
        dtype: `"float32"` or `"bfloat16"`.
    """

    def __init__(self, vocabulary, units, length, dtype):
        self.config = make_config(vocabulary, units)
        self.vocabulary, self.length, self.dtype = vocabulary, length, dtype
        self._searches = {}

    def decode(self, beam, batch_size):
        """Seconds for some sentences, from ids to ids, after all is compiled."""
        batches = make_batches(batch_size, self.vocabulary)
        if beam not in self._searches:
            self._searches[beam] = self.search(beam)
        search = self._searches[beam]
        began = time.perf_counter()
        self.last_ids = [search(source) for source in batches]
        return time.perf_counter() - began

    def ids(self):
        """Ids of the hypotheses that were found last, a list of rows."""
        return [row for ids in self.last_ids for row in ids.tolist()]


class Ours(Contender):
    """This library's search, on the backend that Keras has there."""

    def __init__(self, weights, **settings):
        if importlib.util.find_spec("tensorflow"):
            from kseq2seq.utils import import_tensorflow

            import_tensorflow()
        import keras
        import numpy as np

        from kseq2seq import models

        super().__init__(**settings)
        self.backend = keras.config.backend()
        keras.utils.set_random_seed(SEED)
        if self.dtype == "bfloat16":
            keras.config.set_dtype_policy("mixed_bfloat16")
        self.model = models.build_model(self.config)
        arrays = {x.path: keras.ops.convert_to_numpy(x) for x in self.model.weights}
        np.savez(weights, **arrays)
        self.start = models.start_decoding(self.model)

    def about(self):
        return {"framework": self.backend, "versions": machine.versions()}

    def gemm_rate(self):
        return machine.gemm_rate(self.backend, self.dtype)

    def search(self, beam):
        """A function from a NumPy array of source ids to one of target ids."""
        makers = {"tensorflow": self._in_tensorflow, "jax": self._in_jax}
        if self.backend not in makers:
            raise ValueError(
                "KERAS_BACKEND must be tensorflow or jax. "
                f"Received: KERAS_BACKEND={self.backend}"
            )
        return makers[self.backend](beam)

    def _in_tensorflow(self, beam):
        import tensorflow as tf

        from kseq2seq.decoding import Search, search_ids

        search = Search(
            beam_size=beam,
            max_length=self.length,
            min_length=self.length,
            max_length_factor=0.0,
            max_length_offset=self.length,
        )
        graph = tf.function(
            lambda source: search_ids(self.start, source, search).ids[:, 0],
            input_signature=[tf.TensorSpec([None, None], tf.int32)],
            autograph=False,
        )
        graph = graph.get_concrete_function()
        return lambda source: graph(tf.constant(source)).numpy()

    def _in_jax(self, beam):
        import jax
        import keras
        import numpy as np

        from kseq2seq import decoding

        lengths = {"max_length": self.length, "min_length": self.length}
        variables = self.model.variables

        # Weights as arguments: as constants they would be folded for minutes.
        @jax.jit
        def search(values, source):
            mapping = list(zip(variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                step, state = self.start(source)
                if beam == 1:
                    return decoding.greedy_search(step, state, **lengths).ids[:, 0]
                hypotheses = decoding.beam_search(
                    step, state, beam_size=beam, length_penalty=1.0, **lengths
                )
                return hypotheses.ids[:, 0]

        values = [x.value for x in variables]
        return lambda source: np.asarray(search(values, source))


class Int8(Ours):
    """The same with products in int8, as a SavedModel may have them."""

    def __init__(self, weights, **settings):
        super().__init__(weights, **settings)
        from kseq2seq.inference import quantized_halves
        from kseq2seq.models import start_search

        encode, step = quantized_halves([self.model], products="int8")
        self.start = lambda source: start_search(
            encode, step, source, alignments=False, may_shrink=True
        )


class Torch(Contender):
    """The baseline in PyTorch, with the weights that ours has written."""

    def __init__(self, weights, device, **settings):
        import numpy as np

        import pytorch_baseline as baseline

        super().__init__(**settings)
        if device != "cpu":
            # As JAX multiplies by default, and cuDNN too.
            baseline.torch.set_float32_matmul_precision("high")
        self.baseline, self.device = baseline, device
        model = baseline.from_config(dataclasses.asdict(self.config))
        with np.load(weights) as arrays:
            baseline.load_weights(model, {name: arrays[name] for name in arrays.files})
        self.model = model.to(device).eval()

    def about(self):
        versions = machine.versions()
        return {"framework": "torch", "device": self.device, "versions": versions}

    def gemm_rate(self):
        return machine.gemm_rate("torch", self.dtype, self.device)

    def search(self, beam):
        """As of `Ours`."""
        baseline, torch = self.baseline, self.baseline.torch
        # It counts the tokens before EOS, ours counts EOS as well.
        lengths = {"max_length": self.length, "min_length": self.length - 1}

        def search(source):
            source = torch.from_numpy(source).long().to(self.device)
            with baseline.autocast(self.device, self.dtype):
                if beam == 1:
                    ids = baseline.greedy(self.model, source, **lengths)
                else:
                    ids = baseline.beam_search(
                        self.model, source, beam_size=beam, **lengths
                    )
            return ids.cpu().numpy()

        return search


def forced(options):
    """The contenders in turn, for every beam and size of batches."""
    settings = {
        "vocabulary": options.vocabulary,
        "units": options.units,
        "length": options.length,
        "dtype": options.dtype,
    }
    # JAX would take most of a GPU's memory for itself.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    contenders = {}
    with tempfile.TemporaryDirectory() as folder:
        settings["weights"] = str(Path(folder) / "weights.npz")
        try:
            for name in ("Ours", "Int8") if options.int8 else ("Ours",):
                contenders[name.lower()] = elsewhere.Remote(
                    None, __file__, name, settings, quiet
                )
            if not options.no_torch:
                settings["device"] = options.device
                contenders["torch"] = elsewhere.Remote(
                    options.torch_python, __file__, "Torch", settings, quiet
                )
            return {
                "contenders": {name: x.call("about") for name, x in contenders.items()},
                "cases": [
                    compare(contenders, options, beam, batch_size)
                    for batch_size in options.batch_sizes
                    for beam in options.beams
                ],
            }
        finally:
            for remote in contenders.values():
                remote.close()


def compare(contenders, options, beam, batch_size):
    """One search and size of batches: rates, limits and the ratio."""
    case = {"beam": beam, "batch_size": batch_size}
    for remote in contenders.values():
        remote.call("decode", **case)  # compiles
    seconds = {name: [] for name in contenders}
    gemm = {name: [] for name in contenders}
    for _ in range(options.repeat):
        for name, remote in contenders.items():
            seconds[name].append(remote.call("decode", **case))
            gemm[name].append(remote.call("gemm_rate"))
    ids = {name: remote.call("ids") for name, remote in contenders.items()}
    count = len(ids["ours"])
    config = make_config(options.vocabulary, options.units)
    work = flops.forward(config, [SOURCE_LENGTH], [options.length], beam)
    result = {**case, "sentences": count, "flops_per_sentence": work}
    rates = {name: [count / x for x in times] for name, times in seconds.items()}
    for name in contenders:
        result[name] = rated(rates[name], gemm[name], work)
    if "torch" in contenders:
        for name in rates.keys() - {"torch"}:
            result[f"{name}_to_torch"] = round(machine.ratio(rates, name, "torch"), 3)
        pairs = zip(ids["ours"], ids["torch"], strict=True)
        result["same_ids"] = sum(x == y for x, y in pairs)
    return result


def shown(report):
    """The results as Markdown."""
    parts = []
    if report["forced"]:
        rows = [["search", "batch", "", "ms/sentence", "sentences/s", "of the limit"]]
        rows[0].append("ours to PyTorch")
        for case in report["forced"]["cases"]:
            name = "greedy" if case["beam"] == 1 else f"beam {case['beam']}"
            for contender in report["forced"]["contenders"]:
                ratio = case.get(f"{contender}_to_torch")
                start = [name, case["batch_size"], contender]
                rows.append(
                    [*start, *cells(case[contender]), f"{ratio:.2f}" if ratio else ""]
                )
        parts.append(machine.table(rows))
    if report["real_text"]:
        parts.append(shown_text(report["real_text"]))
    return "\n".join(parts)


def main(arguments=None):
    options = parse_arguments(arguments)
    if not (options.no_torch or machine.has_torch(options.torch_python)):
        print(f"decoding.py: ours alone: {machine.NO_TORCH}", file=sys.stderr)
        options.no_torch = True
    report = {
        **machine.describe(),
        "settings": {
            "source_length": SOURCE_LENGTH,
            "forced_length": options.length,
            "dtype": options.dtype,
            "repeat": options.repeat,
            "model": {**MODEL, "units": options.units},
            "vocabulary_size": options.vocabulary,
        },
        "forced": None if options.no_forced else forced(options),
        "real_text": None,
    }
    if options.run is not None:
        given = {name: getattr(options, name) for name in ("data", "run", "model")}
        given = {name: x if x is None else str(x) for name, x in given.items()}
        given |= {"repeat": options.repeat, "sentences": options.sentences}
        given["int8"] = options.int8
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
        report["real_text"] = elsewhere.call(
            None, "real_text.py", "real_text", given, quiet
        )
    machine.write_results(options.output / f"{options.name}.json", report)
    print(shown(report), end="")


if __name__ == "__main__":
    main()
