#!/usr/bin/env python
"""The fastest peer at the standard: OpenNMT-tf, trained and decoded on this machine.

OpenNMT-tf 2.32 is run in an environment of its own, so that it is measured in the same
hour as what it is compared with:

    python3.11 -m venv PEER
    PEER/bin/pip install "OpenNMT-tf==2.32.0" "tensorflow-cpu==2.13.1" "numpy<2"

- Training: the real target tokens of its batches, EOS counted and padding not, over
  the time from one batch to the next in its own `Trainer`, the first steps left out.
- Decoding: beam 5 of test_2016_flickr in batches of 64, in its own graph, from pieces
  to pieces, forced to 20 tokens, so that a model of any quality compares. With
  `--train-steps` the model is trained that far and kept in `--model`, and its
  translations are timed and scored as well.

The model is the standard one: see `define`. On a CPU XLA cannot compile its decoder
(`--jit_compile` of its own ends with "Detected unsupported operations"). Text is cut
into pieces beforehand.

python benchmarks/peers.py --data FOLDER --python PEER/bin/python
"""

import argparse
import itertools
import logging
import platform
import re
import statistics
import tempfile
import time
from pathlib import Path

import elsewhere
import machine

TEST = "test_2016_flickr"
VOCABULARY_SIZE, EMBEDDING_SIZE, UNITS, DROPOUT = 8000, 256, 512, 0.3
BATCH_SIZE, BEAM_SIZE, FORCED_LENGTH, CLIP_NORM = 64, 5, 20, 5.0
# Steps that are not timed: graphs are made and buffers filled.
WARM_UP = 30
# What it begins every vocabulary with; it adds the unknown token at the end.
SPECIAL_TOKENS = ("<blank>", "<s>", "</s>")
TRAINING = {"optimizer": "Adam", "learning_rate": 0.001, "label_smoothing": 0.1}
PREFERENCES = {"beam_width": BEAM_SIZE, "length_penalty": 1.0, "num_hypotheses": 1}
# Its own defaults: widths of buckets, the buffer to shuffle, and tokens of a sentence.
TRAINING_BUCKETS, INFERENCE_BUCKETS, SHUFFLED, LONGEST = 2, 5, 500_000, 80
REMEDY = """\
    python3.11 -m venv PEER
    PEER/bin/pip install "OpenNMT-tf==2.32.0" "tensorflow-cpu==2.13.1" "numpy<2"
    python benchmarks/peers.py --python PEER/bin/python"""
# Target tokens a second, measured once, on another day, on such a machine.
MEASURED_ONCE = {"OpenNMT-py 3.5": 1250, "JoeyNMT 2.3": 1000}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure OpenNMT-tf in an environment of its own: training and "
        "beam search of the standard model, a table and peers.json.",
        epilog="Three minutes by default. The machine should be quiet otherwise.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with multi30k/")
    add("--python", type=Path, help="Python that has OpenNMT-tf")
    add("--run", type=Path, help="run folder, for its tokenizer; trained if not given")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    add("--steps", type=int, default=150, help="of the training that is timed")
    add("--repeat", type=int, default=5, help="times that the test set is decoded")
    add("--sentences", type=int, default=1000, help="of the test set, the first ones")
    add("--train-steps", type=int, default=0, help="train so far, time real text too")
    add("--model", type=Path, help="folder to keep the model in, or to go on from")
    options = parser.parse_args(arguments)
    if options.python is not None and options.data is None:
        parser.error("--data must name the folder that holds multi30k/")
    if options.steps <= WARM_UP + 1:
        parser.error(f"--steps must be above {WARM_UP + 1}: the first are not timed")
    if min(options.repeat, options.sentences) < 1:
        parser.error("--repeat and --sentences must be above 0")
    if options.train_steps and options.model is None:
        parser.error("--train-steps needs --model, the folder to keep the model in")
    return options


def prepare(options, folder):
    """Writes what OpenNMT-tf reads into a folder; returns the pairs of the test set.

    Text is pieces with blanks between, of the tokenizer in the run folder or, if none
    is given, of the one in `folder`, which is trained if it is not there.
    """
    import kseq2seq
    from kseq2seq import data

    parts = options.data / "multi30k"
    train, test = (
        data.read_parallel(parts / f"{name}.en.gz", parts / f"{name}.de.gz")
        for name in ("train", TEST)
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tokenizer.model"
    if options.run is not None:
        kseq2seq.Tokenizer.load(options.run / "source.model").save(path)
    if not path.is_file():
        kseq2seq.train_tokenizers(train, VOCABULARY_SIZE, shared=True)[0].save(path)
    tokenizer = kseq2seq.Tokenizer.load(path)
    test = test[: options.sentences]
    texts = {
        "train.source": [source for source, _ in train],
        "train.target": [target for _, target in train],
        "test.source": [source for source, _ in test],
    }
    for name, lines in texts.items():
        write_lines(folder / name, in_pieces(tokenizer, lines))
    pieces = tokenizer.pieces(list(range(4, tokenizer.vocabulary_size)))
    write_lines(folder / "vocabulary", [*SPECIAL_TOKENS, *pieces])
    return test


def in_pieces(tokenizer, texts):
    """Each text as its pieces with blanks between, without EOS."""
    rows = tokenizer.tokenize(texts).to_list()
    return [" ".join(tokenizer.pieces(ids[:-1])) for ids in rows]


def write_lines(path, lines):
    """Writes a text file of lines."""
    Path(path).write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")


def as_text(pieces):
    """Text of a line of pieces."""
    return pieces.replace(" ", "").replace("▁", " ")


def define():
    """The standard model in OpenNMT-tf; run in its Python, as all to `decode`."""
    import opennmt

    return opennmt.models.SequenceToSequence(
        *(opennmt.inputters.WordEmbedder(EMBEDDING_SIZE, DROPOUT) for _ in range(2)),
        # As in its catalogue; its LSTMEncoder was as fast.
        encoder=opennmt.encoders.RNNEncoder(
            1, UNITS // 2, bidirectional=True, dropout=DROPOUT
        ),
        # With Luong's general attention and input feeding, which are its defaults.
        decoder=opennmt.decoders.AttentionalRNNDecoder(
            1, UNITS, bridge_class=opennmt.layers.CopyBridge, dropout=DROPOUT
        ),
    )


class Watched:
    """A data set that notes when each batch is asked for, and its target tokens.

    Args:
        dataset: A `tf.data.Dataset` of features and labels.

    Attributes:
        element_spec: That of the data set.
        times: When each batch was handed out, on the clock of `time.perf_counter`.
        tokens: The real target tokens of each, EOS counted.
    """

    def __init__(self, dataset):
        self.element_spec = dataset.element_spec
        self.times, self.tokens = [], []
        self._dataset = dataset

    def __iter__(self):
        for batch in self._dataset:
            self.tokens.append(int(batch[1]["length"].numpy().sum()))
            self.times.append(time.perf_counter())
            yield batch

    def rate(self):
        """Target tokens a second of all steps but the first ones, and of each."""
        # The last step has no batch behind it that tells when it was done.
        times, tokens = self.times[WARM_UP:], self.tokens[WARM_UP:-1]
        seconds = [after - before for before, after in itertools.pairwise(times)]
        rates = [count / x for count, x in zip(tokens, seconds, strict=True)]
        return {
            "steps": len(tokens),
            "target_tokens": sum(tokens),
            "seconds": round(sum(seconds), 2),
            "target_tokens_per_second": round(sum(tokens) / sum(seconds), 1),
            "quartiles_of_steps": [round(x) for x in statistics.quantiles(rates, n=4)],
        }


class Logged(logging.Handler):
    """Collects the target tokens a second that the trainer's log tells."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def emit(self, record):
        match = re.search(r"tokens/s = .*?(\d+) target", record.getMessage())
        if match:
            self.rates.append(int(match[1]))


class Peer:
    """OpenNMT-tf's model with the data of a folder, in the Python that has it.

    Args:
        folder: Path of what `prepare` has written.
        model: Path of a folder of checkpoints, or `None`.
    """

    def __init__(self, folder, model=None):
        import tensorflow as tf
        from opennmt.utils import checkpoint

        tf.random.set_seed(1)
        self.folder = Path(folder)
        vocabulary = str(self.folder / "vocabulary")
        self.model = define()
        self.model.initialize(
            {"source_vocabulary": vocabulary, "target_vocabulary": vocabulary},
            params={**TRAINING, "optimizer_params": {"global_clipnorm": CLIP_NORM}},
        )
        self.optimizer = self.model.get_optimizer()
        self.checkpoint = None
        if model is not None:
            self.checkpoint = checkpoint.Checkpoint(
                self.model, self.optimizer, model_dir=str(model)
            )
            self.checkpoint.restore()

    def about(self):
        """The versions that it runs with."""
        import numpy
        import opennmt
        import tensorflow as tf

        return {
            "python": platform.python_version(),
            "OpenNMT-tf": opennmt.__version__,
            "tensorflow": tf.__version__,
            "numpy": numpy.__version__,
        }

    def trained_steps(self):
        """Steps that the model has been trained for."""
        return int(self.optimizer.iterations.numpy())

    def train(self, steps, keep=False):
        """Trains by its `Trainer`; tokens a second, measured and as its log says."""
        import opennmt
        import tensorflow as tf

        dataset = self.model.examples_inputter.make_training_dataset(
            str(self.folder / "train.source"),
            str(self.folder / "train.target"),
            BATCH_SIZE,
            shuffle_buffer_size=SHUFFLED,
            length_bucket_width=TRAINING_BUCKETS,
            maximum_features_length=LONGEST,
            maximum_labels_length=LONGEST,
        )
        watched, logged = Watched(dataset), Logged()
        tf.get_logger().setLevel("INFO")
        tf.get_logger().addHandler(logged)
        trainer = opennmt.training.Trainer(
            self.model, self.optimizer, checkpoint=self.checkpoint if keep else None
        )
        summary = trainer(
            watched, max_step=self.trained_steps() + steps, report_steps=WARM_UP
        )
        tf.get_logger().removeHandler(logged)
        # The first line counts the first steps as well.
        said = logged.rates[1:]
        return {
            **watched.rate(),
            "first_step_seconds": round(watched.times[1] - watched.times[0], 2),
            "its_log_says": round(statistics.mean(said)) if said else None,
            "last_loss": round(float(summary["last_loss"]), 3),
        }

    def start_decoding(self, shortest, longest):
        """Makes the graph of beam search between two lengths, and runs it once."""
        import tensorflow as tf

        limits = {"minimum_decoding_length": shortest}
        if longest is not None:
            limits["maximum_decoding_length"] = longest
        self.model.params = {**self.model.params, **PREFERENCES, **limits}
        self.dataset = self.model.examples_inputter.make_inference_dataset(
            str(self.folder / "test.source"),
            BATCH_SIZE,
            length_bucket_width=INFERENCE_BUCKETS,
        )
        self.infer = tf.function(
            self.model.infer, input_signature=(self.dataset.element_spec,)
        )
        self.decode()

    def decode(self):
        """Decodes the test set: seconds, tokens and the lines of pieces, in order."""
        began = time.perf_counter()
        answers = [self.infer(features) for features in self.dataset]
        answers = [
            {key: x.numpy() for key, x in outputs.items()} for outputs in answers
        ]
        seconds = time.perf_counter() - began
        lines = {}
        for outputs in answers:
            columns = (outputs[name] for name in ("index", "tokens", "length"))
            for index, tokens, length in zip(*columns, strict=True):
                best = tokens[0][: length[0]].tolist()
                lines[int(index)] = " ".join(x.decode("utf-8") for x in best)
        return {"seconds": seconds, "lines": [lines[row] for row in sorted(lines)]}


def decode(peer, test, repeat, shortest, longest):
    """Sentences a second of the test set, the median of some times, and its BLEU."""
    from kseq2seq import evaluation

    peer.call("start_decoding", shortest=shortest, longest=longest)
    decodings = [peer.call("decode") for _ in range(repeat)]
    seconds = [x["seconds"] for x in decodings]
    lines, references = decodings[0]["lines"], [target for _, target in test]
    bleu = evaluation.bleu([as_text(line).strip() for line in lines], references)
    return {
        "sentences": len(lines),
        "tokens_per_sentence": statistics.mean(len(x.split()) for x in lines),
        "seconds": [round(x, 3) for x in seconds],
        "sentences_per_second": round(len(lines) / statistics.median(seconds), 1),
        "bleu": {"value": round(bleu.value, 2), "signature": bleu.signature},
    }


def measure(options, folder):
    """All that the script measures of OpenNMT-tf."""
    test = prepare(options, folder)
    # TensorFlow counts its threads at import; its messages are not for a table.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    arguments = {"folder": str(folder)}
    if options.model is not None:
        arguments["model"] = str(options.model / "checkpoints")
    report, length = {}, FORCED_LENGTH
    with elsewhere.Remote(options.python, __file__, "Peer", arguments, quiet) as peer:
        report["versions_of_peer"] = peer.call("about")
        missing = options.train_steps - peer.call("trained_steps")
        if missing > 0:
            steps = max(options.steps, missing)
            report["training"] = peer.call("train", steps=steps, keep=True)
        report["trained_steps"] = peer.call("trained_steps")
        report["decoding"] = {
            f"forced_{length}": decode(peer, test, options.repeat, length, length)
        }
        if options.train_steps:
            decoded = decode(peer, test, options.repeat, 0, None)
            report["decoding"]["real_text"] = decoded
        if missing <= 0:
            # Last, so that what is decoded stays as it was kept.
            report["training"] = peer.call("train", steps=options.steps)
    return report


def shown(report):
    """The results as Markdown, beside what was measured of others on another day."""
    version = report["versions_of_peer"]["OpenNMT-tf"]
    decoding, training = report["decoding"], report["training"]
    rates = {name: x["sentences_per_second"] for name, x in decoding.items()}
    rows = [["", "target tokens/s", "beam 5, forced 20, sent/s", "real text, sent/s"]]
    forced = f"{rates[f'forced_{FORCED_LENGTH}']:.0f}"
    real = f"{rates['real_text']:.0f}" if "real_text" in rates else "not measured"
    rate = f"{training['target_tokens_per_second']:.0f}"
    rows.append([f"OpenNMT-tf {version}, here and now", rate, forced, real])
    for name, rate in MEASURED_ONCE.items():
        rows.append([f"{name}, once, on another day", f"{rate}", "", ""])
    said = training["its_log_says"]
    lines = [f"Its own log says {said} target tokens/s."]
    gemm = " and ".join(f"{x:.0f}" for x in report["gemm_gflops"])
    lines.append(f"Matrix products before and after: {gemm} GFLOP/s.")
    if "real_text" in decoding:
        lines.append(f"BLEU of real text: {decoding['real_text']['bleu']['value']}.")
    return machine.table(rows) + "\n" + "\n".join(lines) + "\n"


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.python is None:
        # `make bench` names none.
        print(f"Nothing was measured: --python names no Python. Make one:\n{REMEDY}")
        return
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    product = ("gemm_rate", {"framework": "tensorflow"})
    rates = [elsewhere.call(None, "machine.py", *product)]
    with tempfile.TemporaryDirectory() as folder:
        kept = folder if options.model is None else options.model
        results = measure(options, Path(kept))
    rates.append(elsewhere.call(None, "machine.py", *product))
    report = {
        **machine.describe(),
        "settings": {
            "batch_size": BATCH_SIZE,
            "steps": options.steps,
            "warm_up": WARM_UP,
            "train_steps": options.train_steps,
            "repeat": options.repeat,
            "training": {**TRAINING, "global_clipnorm": CLIP_NORM},
            "search": PREFERENCES,
        },
        "gemm_gflops": rates,
        **results,
        "measured_once_on_another_day": MEASURED_ONCE,
    }
    machine.write_results(options.output / "peers.json", report)
    print(shown(report), end="")


if __name__ == "__main__":
    main()
