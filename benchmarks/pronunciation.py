#!/usr/bin/env python
"""Pronunciation beside Yoyodyne, the living peer for small vocabularies.

Both train an attentive LSTM of the same sizes on the splits of SIGMORPHON 2020, task 1,
keep the epoch with most words of the development set right, and pronounce the test set
with a beam of 5, each in a process of its own, in turn. Yoyodyne needs an environment:

    python3.11 -m venv PEER
    PEER/bin/pip install "yoyodyne==0.5.27"
    python benchmarks/pronunciation.py --data FOLDER --yoyodyne-python PEER/bin/python

- Sizes, batch and epochs are the same. The rest is what each comes with: ours is the
  recipe `g2p` with soft attention, Yoyodyne has its defaults (Adam at 0.001, dropout
  0.2, shared embeddings) and its documented trainer's clipping.
- Seconds of an epoch are the median of all, from its beginning to its last step.
- Decoding is that of the test set, from text to text (Yoyodyne: from its reader of
  files to its writer), in batches of the training's size.
"""

import argparse
import gzip
import json
import operator
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import elsewhere
import machine

LANGUAGES = ("dut", "fre", "gre", "hun", "kor")
PARTS, METRICS = ("train", "dev", "test"), ("exact_match", "phone_error_rate")
EMBEDDING_SIZE, UNITS, BATCH_SIZE, BEAM_SIZE = 128, 512, 64, 5
PRECISIONS = {"float32": "32-true", "mixed_bfloat16": "bf16-mixed"}  # ours, the peer's
CLIP_NORM = 3  # of the trainer in Yoyodyne's documentation
REMEDY = """\
    python3.11 -m venv PEER
    PEER/bin/pip install "yoyodyne==0.5.27"
    python benchmarks/pronunciation.py --yoyodyne-python PEER/bin/python"""


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Compare training, decoding and accuracy with Yoyodyne's on words "
        "and their pronunciation; a table and pronunciation.json.",
        epilog="A quarter of an hour for each seed. The machine should be quiet.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with g2p_sigmorphon2020/")
    add("--language", default="hun", choices=LANGUAGES, help="of the data")
    add("--yoyodyne-python", type=Path, help="Python that has Yoyodyne")
    add("--epochs", type=int, default=20, help="of each training")
    add("--seeds", type=int, nargs="+", default=[1], help="a training of each for each")
    add("--repeat", type=int, default=3, help="times that the test set is decoded")
    add("--units", type=int, default=UNITS, help="of the decoder; half a direction")
    add("--precision", choices=PRECISIONS, default="float32", help="of trainings")
    add("--int8", action="store_true", help="decode with products in int8, too")
    add("--words", type=int, help="of each part, the first ones; all by default")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    if options.yoyodyne_python is not None and options.data is None:
        parser.error("--data must name the folder that holds g2p_sigmorphon2020/")
    if min(options.epochs, options.repeat, options.words or 1) < 1:
        parser.error("--epochs, --repeat and --words must be at least 1")
    if options.units < 2 or options.units % 2:
        parser.error("--units must be even: half of it is that of a direction")
    return options


def prepare(options, folder):
    """Writes the parts as tables into a folder; returns the words and their phones."""
    rows = {}
    for part in PARTS:
        name = f"{options.language}_{part}.tsv.gz"
        path = options.data / "g2p_sigmorphon2020" / name
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()[: options.words]
        (folder / f"{part}.tsv").write_text("\n".join([*lines, ""]), "utf-8")
        rows[part] = [line.split("\t") for line in lines]
    return rows


class Clock:
    """Seconds of each epoch, from its beginning to its last step: a list, `seconds`."""

    def __init__(self):
        self.seconds = []

    def begin(self):
        self._began = self._last = time.perf_counter()

    def step(self):
        self._last = time.perf_counter()

    def end(self):
        self.seconds.append(self._last - self._began)


class Ours:
    """The recipe `g2p` with given sizes, on the tables in a folder."""

    def __init__(self, folder, seed, epochs, units, precision="float32"):
        from kseq2seq.utils import import_tensorflow

        import_tensorflow()
        self.folder, self.run = Path(folder), Path(folder) / f"ours-{seed}"
        self.changes = [
            'data.train=["train.tsv"]',
            'data.validation=["dev.tsv"]',
            'data.test=["test.tsv"]',
            f"batches.batch_size={BATCH_SIZE}",
            f"model.embedding_size={EMBEDDING_SIZE}",
            f"model.units={units}",
            f"training.epochs={epochs}",
            f"training.seed={seed}",
            f"training.precision={precision}",
            "model.attention=bahdanau",
            "model.attention_query=previous",
            "model.hard_attention=none",  # soft, as the peer's
        ]

    def train(self):
        """Trains as `kseq2seq train` does; seconds of each epoch."""
        import keras

        from kseq2seq import trainer

        settings = trainer.read_settings(trainer.find_recipe("g2p"), self.changes)
        training = trainer.prepare(settings, self.run, self.folder, fresh=True)
        clock, fit = Clock(), training.model.fit
        callback = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, **__: clock.begin(),
            on_train_batch_end=lambda *_, **__: clock.step(),
            on_epoch_end=lambda *_, **__: clock.end(),
        )
        # `trainer.fit` chooses the callbacks by the settings.
        training.model.fit = lambda *given, callbacks, **options: fit(
            *given, callbacks=[callback, *callbacks], **options
        )
        began = time.perf_counter()
        trainer.fit(training)
        return {
            "parameters": training.model.count_params(),
            "seconds": time.perf_counter() - began,
            "epochs": clock.seconds,
            "dev_accuracy": [x["val_exact_match"] for x in training.run_folder.history],
        }

    def start_decoding(self, words, products="float32"):
        """Loads the best epoch, and makes the graph by decoding once."""
        import kseq2seq

        self.words = words
        self.translator = kseq2seq.Translator.load(self.run, products)
        # The most probable one, as of the recipe and of Yoyodyne.
        self.search = kseq2seq.Search(beam_size=BEAM_SIZE, length_penalty=0.0)
        self.decode()

    def decode(self):
        """Seconds to decode the test set, and the best outputs."""
        began = time.perf_counter()
        rows = self.translator.translate(self.words, self.search, batch_size=BATCH_SIZE)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "outputs": [row[0].text for row in rows]}


class Yoyodyne:
    """Its attentive LSTM by its own command, in the Python that has it."""

    def __init__(self, folder, seed, epochs, units, precision="float32"):
        self.folder, self.seed = Path(folder), seed
        self.model_folder = self.folder / f"yoyodyne-{seed}"
        self.epochs, self.units, self.precision = epochs, units, precision

    def about(self):
        """The versions that it runs with."""
        from importlib import metadata

        names = ("yoyodyne", "torch", "lightning", "numpy")
        return {name: metadata.version(name) for name in names}

    def config(self, **data):
        """Its configuration: sizes, paths, and what its documentation advises."""
        folder = str(self.model_folder)
        encoder = {"hidden_size": self.units // 2, "embedding_size": EMBEDDING_SIZE}
        logger = "lightning.pytorch.loggers.CSVLogger"
        return {
            "seed_everything": self.seed,
            "trainer": {
                "accelerator": "cpu",
                "precision": PRECISIONS[self.precision],
                "max_epochs": self.epochs,
                "gradient_clip_val": CLIP_NORM,
                "enable_progress_bar": False,
                "logger": [{"class_path": logger, "init_args": {"save_dir": folder}}],
            },
            "model": {
                "class_path": "yoyodyne.models.SoftAttentionLSTMModel",
                "init_args": {
                    "source_encoder": {
                        "class_path": "yoyodyne.models.modules.LSTMEncoder",
                        "init_args": encoder,
                    },
                    "decoder_hidden_size": self.units,
                    "embedding_size": EMBEDDING_SIZE,
                },
            },
            "data": {
                "model_dir": folder,
                "target_sep": " ",
                "batch_size": BATCH_SIZE,
                **{name: str(self.folder / file) for name, file in data.items()},
            },
        }

    def _run(self, verb, config, callback, *arguments):
        """Runs its command in this process with a further callback; its trainer."""
        from yoyodyne import callbacks, data, models, trainers
        from yoyodyne.cli.main import YoyodyneCLI

        path = self.model_folder / f"{verb}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(config))  # JSON is YAML
        # As its `main` does, which takes no callbacks.
        return YoyodyneCLI(
            models.BaseModel,
            data.DataModule,
            parser_kwargs={"parser_mode": "omegaconf"},
            save_config_callback=None,
            subclass_mode_model=True,
            trainer_class=trainers.Trainer,
            trainer_defaults={
                "callbacks": [callbacks.CompactModelSummary(), callback],
                "enable_model_summary": False,
            },
            args=[verb, f"--config={path}", *arguments],
        ).trainer

    def train(self):
        """Trains by `yoyodyne fit`; seconds of each epoch."""
        from lightning.pytorch.callbacks import LambdaCallback

        clock, accuracies = Clock(), []

        def end(trainer, _):
            clock.end()
            accuracies.append(float(trainer.callback_metrics["val_accuracy"]))

        callback = LambdaCallback(
            on_train_epoch_start=lambda *_: clock.begin(),
            on_train_batch_end=lambda *_: clock.step(),
            on_train_epoch_end=end,
        )
        config = self.config(train="train.tsv", val="dev.tsv")
        config["checkpoint"] = {
            "dirpath": str(self.model_folder),
            "filename": "best",
            "monitor": "val_accuracy",
            "mode": "max",
        }
        began = time.perf_counter()
        trainer = self._run("fit", config, callback)
        return {
            "parameters": sum(x.numel() for x in trainer.model.parameters()),
            "seconds": time.perf_counter() - began,
            "epochs": clock.seconds,
            "dev_accuracy": accuracies,
        }

    def start_decoding(self, words):
        """Decodes once; it reads the words from the test set's file."""
        self.decode()

    def decode(self):
        """Seconds of `yoyodyne predict` without its start, and the best outputs."""
        from lightning.pytorch.callbacks import LambdaCallback

        times, path = [], self.model_folder / "predictions.tsv"
        callback = LambdaCallback(
            on_predict_start=lambda *_: times.append(time.perf_counter()),
            on_predict_end=lambda *_: times.append(time.perf_counter()),
        )
        config = self.config(predict="test.tsv")
        config["model"]["init_args"]["beam_width"] = BEAM_SIZE
        config["prediction"] = {"path": str(path)}
        best = self.model_folder / "best.ckpt"
        self._run("predict", config, callback, f"--ckpt_path={best}")
        outputs = [x.split("\t")[0] for x in path.read_text("utf-8").splitlines()]
        return {"seconds": times[1] - times[0], "outputs": outputs}


def measure_seed(options, folder, rows, seed):
    """Both contenders with a seed: trainings in turn, then decodings in turn."""
    words, references = (list(column) for column in zip(*rows["test"], strict=True))
    arguments = {"folder": str(folder), "seed": seed, "units": options.units}
    arguments |= {"epochs": options.epochs, "precision": options.precision}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    with ExitStack() as stack:

        def start(name, python=None):
            remote = elsewhere.Remote(python, __file__, name, arguments, quiet)
            return stack.enter_context(remote)

        yoyodyne = start("Yoyodyne", options.yoyodyne_python)
        contenders = {"ours": start("Ours"), "yoyodyne": yoyodyne}
        report = {"versions_of_peer": yoyodyne.call("about"), "seed": seed}
        for name, contender in contenders.items():
            report[name] = {"training": contender.call("train")}
        for contender in contenders.values():
            contender.call("start_decoding", words=words)
        if options.int8:
            contenders["ours_int8"], report["ours_int8"] = start("Ours"), {}
            contenders["ours_int8"].call("start_decoding", words=words, products="int8")
        for _ in range(options.repeat):
            for name, contender in contenders.items():
                decoded = contender.call("decode")
                report[name].setdefault("decoding", []).append(decoded["seconds"])
                report[name]["outputs"] = decoded["outputs"]
    for name in contenders:
        report[name]["scores"] = scores_of(report[name].pop("outputs"), references)
    return report


def scores_of(outputs, references):
    """Values and signatures of the scores of outputs."""
    from kseq2seq import evaluation

    scores = evaluation.evaluate(outputs, references, METRICS)
    return {
        key: {"value": round(x.value, 2), "signature": x.signature}
        for key, x in scores.items()
    }


def summarize(runs, num_words):
    """For each contender the medians of times and the means of scores, over seeds."""
    summary = {}
    for name in [x for x in ("ours", "ours_int8", "yoyodyne") if x in runs[0]]:
        decodings = [x for run in runs for x in run[name]["decoding"]]
        scores = [run[name]["scores"] for run in runs]
        summary[name] = {
            "words_per_second": round(num_words / statistics.median(decodings), 1),
            "accuracy": mean_of(scores, "exact_match"),
            "phone_error_rate": mean_of(scores, "phone_error_rate"),
        }
    for name in ("ours", "yoyodyne"):
        trainings = [run[name]["training"] for run in runs]
        epochs = [x for training in trainings for x in training["epochs"]]
        summary[name]["parameters"] = trainings[0]["parameters"]
        summary[name]["seconds_of_an_epoch"] = round(statistics.median(epochs), 2)
    ours, yoyodyne = summary["ours"], summary["yoyodyne"]
    training = yoyodyne["seconds_of_an_epoch"] / ours["seconds_of_an_epoch"]
    summary["times_as_fast"] = {"training": round(training, 2)}
    for name, key in (("ours", "decoding"), ("ours_int8", "decoding_int8")):
        if name in summary:
            rates = (x["words_per_second"] for x in (summary[name], yoyodyne))
            summary["times_as_fast"][key] = round(operator.truediv(*rates), 2)
    return summary


def mean_of(scores, metric):
    """The mean of a metric over the scores of some trainings."""
    return round(statistics.mean(x[metric]["value"] for x in scores), 2)


def shown(report):
    """The summary as Markdown."""
    version = report["runs"][0]["versions_of_peer"]["yoyodyne"]
    titles = {
        "yoyodyne": f"Yoyodyne {version}",
        "ours": "ours",
        "ours_int8": "ours, products in int8",
    }
    rows = [["", "seconds an epoch", "words/s, beam 5", "words right, %", "PER, %"]]
    summary = report["summary"]
    for name, title in titles.items():
        if name in summary:
            x = summary[name]
            seconds = x.get("seconds_of_an_epoch")
            cells = ["" if seconds is None else f"{seconds:.1f}"]
            cells += [f"{x['words_per_second']:,.0f}", f"{x['accuracy']:.1f}"]
            rows.append([title, *cells, f"{x['phone_error_rate']:.2f}"])
    times = summary["times_as_fast"]
    rows.append(["times as fast", times["training"], times["decoding"], "", ""])
    if "decoding_int8" in times:
        rows.append(["times as fast, int8", "", times["decoding_int8"], "", ""])
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.yoyodyne_python is None:
        # `make bench` names none.
        print(f"Nothing was measured: name --yoyodyne-python. Make one:\n{REMEDY}")
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = prepare(options, Path(folder))
        runs = [
            measure_seed(options, Path(folder), rows, seed) for seed in options.seeds
        ]
    names = ("language", "units", "epochs", "repeat", "precision", "int8")
    settings = {name: getattr(options, name) for name in names}
    settings |= {"embedding_size": EMBEDDING_SIZE, "batch_size": BATCH_SIZE}
    settings |= {"beam_size": BEAM_SIZE}
    settings["words"] = {part: len(x) for part, x in rows.items()}
    report = {
        **machine.describe(),
        "settings": settings,
        "summary": summarize(runs, len(rows["test"])),
        "runs": runs,
    }
    machine.write_results(options.output / "pronunciation.json", report)
    print(shown(report), end="")


if __name__ == "__main__":
    main()
