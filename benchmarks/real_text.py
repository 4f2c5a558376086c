"""Real text for the benchmark of decoding: test_2016_flickr, in Python and exported."""

import json
import statistics
import tempfile
from functools import partial
from operator import eq
from pathlib import Path

import flops
import machine

TEST = "test_2016_flickr"
BEAM_SIZE, BATCH_SIZE = 5, 64


def rated(rates, gemm, work):
    """Medians of sentences a second, and their share of the machine's limit.

    Args:
        rates: Sentences a second of each round.
        gemm: GFLOP/s of a large matrix product in each round.
        work: FLOPs of a sentence.
    """
    rate = statistics.median(rates)
    of_limit = [x * work / (y * 1e9) for x, y in zip(rates, gemm, strict=True)]
    return {
        "sentences_per_second": round(rate, 2),
        "milliseconds_per_sentence": round(1000 / rate, 3),
        "gemm_gflops": statistics.median(gemm),
        "of_limit": round(statistics.median(of_limit), 3),
        "of_each_round": [round(x, 2) for x in rates],
    }


def cells(rated):
    """Three cells of a table."""
    return [
        f"{rated['milliseconds_per_sentence']:.2f}",
        f"{rated['sentences_per_second']:.1f}",
        f"{100 * rated['of_limit']:.0f} %",
    ]


def shown_text(results):
    """Results of `real_text` as Markdown."""
    names = [x for x in ("python", "saved_model", "int8") if x in results]
    rows = [["real text", "ms/sentence", "sentences/s", "of the limit"]]
    rows += [[name, *cells(results[name])] for name in names]
    ratio = f"SavedModel to Python {results['saved_model_to_python']:.2f}"
    bleu = f"BLEU {results['bleu']['value']:.1f}"
    if "int8" in results:
        bleu += f", with products in int8 {results['int8_bleu']['value']:.1f}"
    return f"{machine.table(rows)}\n{ratio}, {bleu}.\n"


def real_text(data, run, model, repeat, sentences, int8=False):
    """The test set through the `Translator` and the SavedModel, in turn, and BLEU.

    Args:
        data: Path of the folder with multi30k.
        run: Path of the run folder.
        model: Path of the SavedModel of that run, or `None`, to export it.
        repeat: Rounds.
        sentences: How many of the set are translated.
        int8: Whether a SavedModel with products in int8 takes turns with them.
    """
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import kseq2seq
    from kseq2seq import evaluation

    folder = Path(data) / "multi30k"
    paths = (folder / f"{TEST}.{side}.gz" for side in ("en", "de"))
    pairs = kseq2seq.data.read_parallel(*paths)[:sentences]
    texts, references = ([x[side] for x in pairs] for side in (0, 1))
    translator = kseq2seq.Translator.load(run)
    search, translated = kseq2seq.Search(beam_size=BEAM_SIZE), {}
    with tempfile.TemporaryDirectory() as exported:
        if model is None:
            model = translator.export(Path(exported) / "float32", search)
        ways = {
            "python": lambda: translator.translate(texts, search, BATCH_SIZE),
            "saved_model": in_session(model, texts),
        }
        if int8:
            folder = Path(exported) / "int8"
            model = translator.export(folder, search, products="int8")
            ways["int8"] = in_session(model, texts)

    def call(name):
        translated[name] = ways[name]()

    calls = {name: partial(call, name) for name in ways}
    seconds, gemm = {name: [] for name in calls}, []
    for number in range(1 + repeat):
        for name, times in machine.seconds_of(calls, 1, 0).items():
            seconds[name] += times if number else []  # the first compiles
        gemm += [machine.gemm_rate("tensorflow")] if number else []
    best = [translations[0] for translations in translated["python"]]
    settings = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))
    config = kseq2seq.Seq2SeqConfig.from_dict(settings)
    lengths = [
        [len(getattr(x, f"{y}_tokens")) for x in best] for y in ("source", "target")
    ]
    work = flops.forward(config, *lengths, BEAM_SIZE) / len(texts)
    rates = {name: [len(texts) / x for x in times] for name, times in seconds.items()}
    best = [x.text for x in best]
    bleu = {"bleu": best, **({"int8_bleu": translated["int8"]} if int8 else {})}
    bleu = {name: evaluation.bleu(x, references) for name, x in bleu.items()}
    return {
        "beam": BEAM_SIZE,
        "batch_size": BATCH_SIZE,
        "sentences": len(texts),
        "tokens_per_sentence": statistics.mean(lengths[1]),
        **{name: rated(x, gemm, work) for name, x in rates.items()},
        "saved_model_to_python": round(
            machine.ratio(rates, "saved_model", "python"), 3
        ),
        "same_translations": sum(map(eq, best, translated["saved_model"])),
        **{
            name: {"value": round(x.value, 2), "signature": x.signature}
            for name, x in bleu.items()
        },
    }


def in_session(model, texts):
    """A function that translates the texts by a SavedModel in the session loader."""
    from kseq2seq.inference import length_sorted_batches
    from saved_session import SavedSession

    session = SavedSession(model)

    def translate():
        results = [None] * len(texts)
        for rows in length_sorted_batches(texts, BATCH_SIZE, progress=False):
            inputs = {"text": [texts[row].encode() for row in rows]}
            answers = session.run("serving_default", inputs)["translation"]
            for row, text in zip(rows, answers, strict=True):
                results[row] = text.decode()
        return results

    return translate
