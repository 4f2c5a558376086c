#!/usr/bin/env python
r"""Real text, in turn: this library, in its fast ways too, OpenNMT-tf and PyTorch.

The standard model (`standard.toml`) translates test_2016_flickr with a beam of 5 in
batches of 64: in float32, by the run's shortlist, with products in int8, and by both.
PyTorch (`pytorch_baseline.py`) has the same weights and goes from ids to ids.
OpenNMT-tf (`peers.py`) has a model of the same sizes and its own training, from pieces
to pieces. Each is in a process of its own, and all take turns.

python benchmarks/translation.py --data FOLDER --run RUN \
    --torch-python TORCH/bin/python --peer-python PEER/bin/python --peer-model MODEL
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import elsewhere
import machine
import peers

BEAM_SIZE, BATCH_SIZE, MAX_LENGTH = 5, 64, 100
# Of each way of ours its products, and whether it uses the shortlist.
WAYS = {
    "float32": ("float32", False),
    "shortlist": ("float32", True),
    "int8": ("int8", False),
    "int8, shortlist": ("int8", True),
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Translate test_2016_flickr by this library, OpenNMT-tf and "
        "PyTorch in turn: a table, translation.json.",
        epilog="Five minutes and the training of OpenNMT-tf, on a quiet machine.",
    )
    add = parser.add_argument
    add("--run", type=Path, required=True, help="run folder, with a shortlist")
    add("--torch-python", help="Python that has PyTorch; without it, without PyTorch")
    add("--peer-python", help="Python that has OpenNMT-tf; without it, without that")
    add("--peer-model", type=Path, help="folder to keep its model in, or to go on from")
    add("--peer-steps", type=int, default=1500, help="to train it for (default: 1500)")
    add("--sentences", type=int, default=1000, help="of the set (default: 1000)")
    add("--repeat", type=int, default=5, help="rounds (default: 5)")
    add("--name", default="translation", help="of the result's file")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    machine.add_multi30k(parser)
    options = parser.parse_args(arguments)
    machine.check_multi30k(parser, options.data)
    if options.peer_python and options.peer_model is None:
        parser.error(
            "--peer-python needs --peer-model, the folder to keep its model in"
        )
    if min(options.sentences, options.repeat, options.peer_steps) < 1:
        parser.error("--sentences, --repeat and --peer-steps must be at least 1")
    return options


class Ours:
    """The translator of a run folder.

    Args:
        run: Path of the run folder.
        texts: The source texts.
        products: `"float32"` or `"int8"`.
        shortlist: Whether it searches among the pieces of the run's shortlist.
    """

    def __init__(self, run, texts, products, shortlist):
        from kseq2seq.utils import import_tensorflow

        import_tensorflow()
        import kseq2seq

        self.texts = texts
        self.search = kseq2seq.Search(beam_size=BEAM_SIZE, shortlist=shortlist)
        self.translator = kseq2seq.Translator.load(run, products=products)

    def decode(self):
        """Seconds from texts to texts, and these."""
        arguments = self.texts, self.search, BATCH_SIZE
        began = time.perf_counter()
        answers = self.translator.translate(*arguments, alignments=False)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "texts": [row[0].text for row in answers]}


class Torch:
    """The baseline in PyTorch, from ids to ids.

    Args:
        weights: Path of the Keras model's weights, as `numpy.savez` writes them.
        config: The fields of the model's `Seq2SeqConfig`.
        rows: Ids of each source.
    """

    def __init__(self, weights, config, rows):
        import numpy as np

        import pytorch_baseline as baseline

        self.baseline, model = baseline, baseline.from_config(config)
        with np.load(weights) as arrays:
            baseline.load_weights(model, {name: arrays[name] for name in arrays.files})
        self.model, self.rows = model.eval(), rows
        # Of like lengths together, as ours.
        self.order = sorted(range(len(rows)), key=lambda row: len(rows[row]))

    def decode(self):
        """Seconds of all batches, and the ids of each source's best translation."""
        torch, found = self.baseline.torch, [None] * len(self.rows)
        began = time.perf_counter()
        for first in range(0, len(self.order), BATCH_SIZE):
            batch = self.order[first : first + BATCH_SIZE]
            rows = [torch.tensor(self.rows[row]) for row in batch]
            ids = self.baseline.beam_search(
                self.model,
                torch.nn.utils.rnn.pad_sequence(rows, batch_first=True),
                beam_size=BEAM_SIZE,
                max_length=MAX_LENGTH,
            )
            for row, answer in zip(batch, ids.tolist(), strict=True):
                found[row] = answer
        return {"seconds": time.perf_counter() - began, "ids": found}


def start_torch(options, tokenizer, texts, folder):
    """The baseline with the weights of the run, in another Python."""
    import keras
    import numpy as np

    from kseq2seq import models, runs

    model = models.load_model(options.run / runs.MODEL_FILE)
    weights = Path(folder) / "weights.npz"
    arrays = {x.path: keras.ops.convert_to_numpy(x) for x in model.weights}
    config = json.loads((options.run / runs.CONFIG_FILE).read_text("utf-8"))
    if config["attention"] == "luong_scaled_general":
        # The baseline has no root in its scores: the keys' matrix takes it.
        config["attention"] = "luong_general"
        (keys,) = (x for x in arrays if x.endswith("attention/key_kernel"))
        arrays[keys] = arrays[keys] / config["units"] ** 0.5
    np.savez(weights, **arrays)
    arguments = {
        "weights": str(weights),
        "config": config,
        "rows": tokenizer.tokenize(texts).to_list(),
    }
    return elsewhere.Remote(options.torch_python, __file__, "Torch", arguments, QUIET)


def start_peer(options, folder):
    """OpenNMT-tf with a model that is trained as far as the options say."""
    peers.prepare(options, Path(folder))
    arguments = {"folder": str(folder), "model": str(options.peer_model)}
    peer = elsewhere.Remote(
        options.peer_python, peers.__file__, "Peer", arguments, QUIET
    )
    missing = options.peer_steps - peer.call("trained_steps")
    if missing > 0:
        peer.call("train", steps=max(missing, peers.WARM_UP + 2), keep=True)
    peer.call("start_decoding", shortest=0, longest=None)
    return peer


def measure(options, folder):
    """Seconds of each contender's rounds, its texts, and the references."""
    import kseq2seq
    from kseq2seq import runs

    paths = [
        options.data / "multi30k" / f"{peers.TEST}.{side}.gz" for side in ("en", "de")
    ]
    pairs = kseq2seq.data.read_parallel(*paths)[: options.sentences]
    texts, references = ([x[side] for x in pairs] for side in (0, 1))
    source_tokenizer, tokenizer = runs.load_tokenizers(options.run)
    with ExitStack() as stack:
        contenders = {}
        for name, (products, shortlist) in WAYS.items():
            arguments = {"run": str(options.run), "texts": texts, "products": products}
            arguments["shortlist"] = shortlist
            started = elsewhere.Remote(None, __file__, "Ours", arguments, QUIET)
            contenders[name] = stack.enter_context(started)
        if options.torch_python:
            started = start_torch(options, source_tokenizer, texts, folder)
            contenders["PyTorch"] = stack.enter_context(started)
        if options.peer_python:
            started = start_peer(options, folder)
            contenders["OpenNMT-tf"] = stack.enter_context(started)
        seconds, answers, gemm = {name: [] for name in contenders}, {}, []
        for number in range(1 + options.repeat):
            for name, contender in contenders.items():
                answers[name] = contender.call("decode")
                # The first is not timed: it makes the graphs.
                seconds[name] += [answers[name]["seconds"]] if number else []
            gemm += [machine.gemm_rate("tensorflow")] if number else []
    return seconds, as_texts(answers, tokenizer), references, gemm


def as_texts(answers, tokenizer):
    """The texts of each contender's answers."""
    import tensorflow as tf

    texts = {}
    for name, answer in answers.items():
        if "texts" in answer:
            texts[name] = answer["texts"]
        elif "ids" in answer:
            found = tokenizer.detokenize(tf.ragged.constant(answer["ids"]))
            texts[name] = [x.decode("utf-8") for x in found.numpy()]
        else:
            texts[name] = [peers.as_text(x).strip() for x in answer["lines"]]
    return texts


def results_of(seconds, texts, references):
    """Of each contender the rate, ratios in the same round, BLEU and like texts."""
    from kseq2seq import evaluation

    results = {}
    for name, times in seconds.items():
        bleu = evaluation.bleu(texts[name], references)
        like = sum(x == y for x, y in zip(texts[name], texts["float32"], strict=True))
        results[name] = {
            "seconds": times,
            "sentences_per_second": len(references) / statistics.median(times),
            "times_as_fast_as": {
                other: machine.ratio(seconds, other, name) for other in seconds
            },
            "bleu": {"value": round(bleu.value, 2), "signature": bleu.signature},
            "same_as_float32": like,
        }
    return results


def show(results):
    """The results as Markdown."""
    others = [x for x in ("float32", "PyTorch", "OpenNMT-tf") if x in results]
    rows = [["", "sentences/s", *(f"to {x}" for x in others), "BLEU"]]
    for name, result in results.items():
        ratios = [f"{result['times_as_fast_as'][other]:.2f}" for other in others]
        rate = f"{result['sentences_per_second']:.1f}"
        rows.append([name, rate, *ratios, result["bleu"]["value"]])
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        seconds, texts, references, gemm = measure(options, folder)
    results = results_of(seconds, texts, references)
    report = {
        **machine.describe(),
        "settings": {
            "beam": BEAM_SIZE,
            "batch_size": BATCH_SIZE,
            "sentences": len(references),
            "rounds": options.repeat,
            "peer_steps": options.peer_steps,
        },
        "gemm_gflops": gemm,
        "results": results,
    }
    machine.write_results(options.output / f"{options.name}.json", report)
    print(show(results), end="")


if __name__ == "__main__":
    main()
