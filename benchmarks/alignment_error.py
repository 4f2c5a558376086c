#!/usr/bin/env python
"""Word links of attention beside those of eflomal, as alignment error rates.

Nobody has set links for Multi30k: those of eflomal, a statistical aligner, are a silver
standard. It runs in an environment of its own, on the training pairs and the test set
together, in both directions. Links that both directions have are sure, those of one
are possible. Words stand between blanks; eflomal gets them in lower case and without
the punctuation around them.

Each run is asked to align the test set's sources with their references, not with its
own translations. With --links the files of links are kept, and taken up again:
`train.links` has the sure links of the training pairs, for guided alignment.

    python3.11 -m venv ALIGNER
    ALIGNER/bin/pip install eflomal
    python benchmarks/alignment_error.py --data FOLDER --run RUN \
        --eflomal ALIGNER/bin/eflomal-align
"""

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path

import machine

TEST, BATCH_SIZE = "test_2016_flickr", 64
LEAST = 0.2
REMEDY = """\
    python3.11 -m venv ALIGNER
    ALIGNER/bin/pip install eflomal
    python benchmarks/alignment_error.py --eflomal ALIGNER/bin/eflomal-align"""


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Score word links of attention by eflomal's; a table and "
        "alignment_error.json.",
        epilog="Some minutes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with multi30k/")
    add("--run", type=Path, nargs="+", help="run folders, English to German")
    add("--eflomal", type=Path, help="path of eflomal-align")
    add("--links", type=Path, help="folder to keep links in, or to take them from")
    add("--sentences", type=int, default=1000, help="of the test set, the first ones")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    if options.eflomal is not None and (options.data is None or not options.run):
        parser.error("--data and --run must name the data and at least one run folder")
    if options.sentences < 1:
        parser.error("--sentences must be at least 1")
    return options


def plain_words(text):
    """The words between blanks in lower case, without punctuation around them."""
    words = [re.sub(r"^\W+|\W+$", "", word) or word for word in text.split()]
    return " ".join(words).lower()


def align(eflomal, pairs, folder):
    """The links of eflomal in both directions, for each pair two sets."""
    from kseq2seq import data

    for side, name in enumerate(("source", "target")):
        lines = "".join(f"{plain_words(pair[side])}\n" for pair in pairs)
        (folder / name).write_text(lines, encoding="utf-8")
    paths = {flag: folder / flag for flag in ("source", "target")}
    paths |= {f"{x}-links": folder / f"{x}.links" for x in ("forward", "reverse")}
    flags = [f"--{name}={path}" for name, path in paths.items()]
    subprocess.run([str(eflomal), "--overwrite", *flags], check=True)
    rows = [data.read_links(paths[f"{x}-links"]) for x in ("forward", "reverse")]
    return [(one.sure, other.sure) for one, other in zip(*rows, strict=True)]


def as_line(sure, possible):
    """Links of a pair in the format of Pharaoh, the possible ones too."""
    from kseq2seq import data

    rest = " ".join(f"{x}?{y}" for x, y in sorted(possible - sure))
    return f"{data.format_links(sure)} {rest}".strip()


def silver_links(options, train, test, folder):
    """Sure and possible links of the test pairs; writes the training pairs' too.

    Returns:
        List of `kseq2seq.data.WordLinks`, and the seconds that eflomal took, or `None`
        where its links were there already.
    """
    from kseq2seq import data

    path, seconds = folder / f"{TEST}.links", None
    if not path.is_file():
        began = time.perf_counter()
        rows = align(options.eflomal, [*train, *test], folder)
        seconds = round(time.perf_counter() - began, 1)
        lines = [as_line(one & other, one | other) for one, other in rows]
        sure = [data.format_links(one & other) for one, other in rows]
        for name, part in (
            ("train", sure[: len(train)]),
            (TEST, lines[len(train) :]),
        ):
            text = "".join(f"{line}\n" for line in part)
            (folder / f"{name}.links").write_text(text, encoding="utf-8")
    return data.read_links(path), seconds


def diagonal(pairs):
    """Each target word with the source word at the same share of the sentence."""
    rows = []
    for source, target in pairs:
        lengths = len(source.split()), len(target.split())
        share = (lengths[0] - 1) / max(1, lengths[1] - 1)
        rows.append({(round(share * place), place) for place in range(lengths[1])})
    return rows


def links_of_run(translator, pairs):
    """Links by two rules: the word attended to most, and all above a weight."""
    from kseq2seq.inference import word_links

    aligned = list(zip(pairs, translator.align(pairs, BATCH_SIZE), strict=True))
    return {
        "most": [word_links(*pair, x) for pair, x in aligned],
        f"at least {LEAST}": [word_links(*pair, x, least=LEAST) for pair, x in aligned],
    }


def error_rate(predicted, silver):
    """Alignment error rate, precision and recall, in percent."""
    from kseq2seq import evaluation

    sure, possible = zip(*silver, strict=True)
    rate = evaluation.alignment_error_rate(predicted, sure, possible)
    return {name: round(value, 2) for name, value in rate._asdict().items()}


def measure(run, pairs, silver):
    """The error rates of a run folder's links, and its BLEU with a beam of 5."""
    import kseq2seq
    from kseq2seq import evaluation

    translator = kseq2seq.Translator.load(run)
    links = links_of_run(translator, pairs)
    texts, references = zip(*pairs, strict=True)
    bleu = evaluation.bleu(translator(texts), references)
    return {
        "bleu": round(bleu.value, 2),
        "signature": bleu.signature,
        "links": {rule: error_rate(rows, silver) for rule, rows in links.items()},
    }


def shown(results):
    """The results as Markdown."""
    rows = [["links", "rule", "error rate", "precision", "recall", "BLEU"]]
    for name, result in results.items():
        for rule, rate in result["links"].items():
            cells = [f"{value:.1f}" for value in rate.values()]
            rows.append([name, rule, *cells, result.get("bleu", "")])
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.eflomal is None:
        # `make bench` names none.
        print(f"Nothing was measured: name --eflomal. Install it:\n{REMEDY}")
        return
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    from kseq2seq import data

    parts = options.data / "multi30k"
    train, test = (
        data.read_parallel(parts / f"{name}.en.gz", parts / f"{name}.de.gz")
        for name in ("train", TEST)
    )
    with tempfile.TemporaryDirectory() as folder:
        kept = options.links or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        silver, seconds = silver_links(options, train, test, kept)
    test, silver = test[: options.sentences], silver[: options.sentences]
    results = {"diagonal": {"links": {"": error_rate(diagonal(test), silver)}}}
    for run in options.run:
        results[run.name] = measure(run, test, silver)
        print(f"{run.name}: {results[run.name]}", flush=True)
    counts = {
        name: sum(len(getattr(x, name)) for x in silver)
        for name in ("sure", "possible")
    }
    settings = {"sentences": len(test), "batch_size": BATCH_SIZE, "links": counts}
    settings["seconds_of_eflomal"] = seconds
    report = {**machine.describe(), "settings": settings, "results": results}
    machine.write_results(options.output / "alignment_error.json", report)
    print(shown(results), end="")


if __name__ == "__main__":
    main()
