"""Real text for the benchmark of decoding: test_2016_flickr, in Python and exported."""

import json
import statistics
import tempfile
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


def real_text(data, run, model, repeat, sentences):
    """The test set through the `Translator` and the SavedModel, in turn, and BLEU.

    Args:
        data: Path of the folder with multi30k.
        run: Path of the run folder.
        model: Path of the SavedModel of that run, or `None`, to export it.
        repeat: Rounds.
        sentences: How many of the set are translated.
    """
    from kseq2seq.quiet import import_tensorflow

    import_tensorflow()
    import kseq2seq
    from kseq2seq import evaluation

    folder = Path(data) / "multi30k"
    paths = (folder / f"{TEST}.{side}.gz" for side in ("en", "de"))
    pairs = kseq2seq.data.read_parallel(*paths)[:sentences]
    texts, references = ([x[side] for x in pairs] for side in (0, 1))
    translator = kseq2seq.Translator.load(run)
    search, found = kseq2seq.Search(beam_size=BEAM_SIZE), {}
    with tempfile.TemporaryDirectory() as exported:
        if model is None:
            model = translator.export(exported, search)
        by_session = in_session(model, texts)

    def in_python():
        found["python"] = translator.translate(texts, search, BATCH_SIZE)

    def in_saved_model():
        found["saved_model"] = by_session()

    calls = {"python": in_python, "saved_model": in_saved_model}
    seconds, gemm = {name: [] for name in calls}, []
    for number in range(1 + repeat):
        for name, times in machine.seconds_of(calls, 1, 0).items():
            seconds[name] += times if number else []  # the first compiles
        gemm += [machine.gemm_rate("tensorflow")] if number else []
    best = [translations[0] for translations in found["python"]]
    settings = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))
    config = kseq2seq.Seq2SeqConfig.from_dict(settings)
    lengths = (
        [len(getattr(x, f"{y}_tokens")) for x in best] for y in ("source", "target")
    )
    work = flops.forward(config, *lengths, BEAM_SIZE) / len(texts)
    rates = {name: [len(texts) / x for x in times] for name, times in seconds.items()}
    bleu = evaluation.bleu([x.text for x in best], references)
    same = zip(best, found["saved_model"], strict=True)
    return {
        **{"beam": BEAM_SIZE, "batch_size": BATCH_SIZE, "sentences": len(texts)},
        "tokens_per_sentence": statistics.mean(len(x.target_tokens) for x in best),
        **{name: rated(x, gemm, work) for name, x in rates.items()},
        "saved_model_to_python": round(
            machine.ratio(rates, "saved_model", "python"), 3
        ),
        "same_translations": sum(x.text == y for x, y in same),
        "bleu": {"value": round(bleu.value, 2), "signature": bleu.signature},
    }


def in_session(model, texts):
    """A function that translates the texts by a SavedModel in the session loader."""
    from saved_session import SavedSession

    from kseq2seq.inference import by_length

    session = SavedSession(model)

    def translate():
        results = [None] * len(texts)
        for rows in by_length(texts, BATCH_SIZE, progress=False):
            inputs = {"text": [texts[row].encode() for row in rows]}
            found = session.run("serving_default", inputs)["translation"]
            for row, text in zip(rows, found, strict=True):
                results[row] = text.decode()
        return results

    return translate
