"""Rules of the search on real text: whether they are kept, and the quality with them.

The test set of Multi30k through a run folder, beam 5. Prefixes and words are drawn from
the references, so that BLEU with them should be higher. The whole set is translated
once with each rule.
"""

import argparse
import random
import re
from collections import Counter
from functools import partial
from pathlib import Path

import machine

TEST = "test_2016_flickr"
BATCH_SIZE, SAMPLES, N_BEST, MANY, GROUPS = 64, 32, 5, 20, 5
# Outputs of so many tokens, ten of each text: where a model repeats itself, if it does.
LONG = {"beam_size": 10, "num_hypotheses": 10, "min_length": 20}
PLAIN, APART = "beam search", 2.0


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Check rules of the search on real text, and score with them.",
        epilog="About ten minutes on two cores.",
    )
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with multi30k/"
    )
    parser.add_argument("--sentences", type=int, default=1000, help="default: 1000")
    parser.add_argument("--seed", type=int, default=1, help="of all draws")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="RULE",
        help="rules to measure; all by default",
    )
    parser.add_argument("--name", default="control", help="of the results")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if options.sentences < 1:
        parser.error("--sentences must be at least 1")
    return options


def draw_prefix(reference, draw):
    """The first words of a reference, at most half of them."""
    words = reference.split()
    return " ".join(words[: draw.randint(1, max(1, len(words) // 2))]) + " "


def draw_words(reference, draw):
    """One to three words of a reference, in its order."""
    words = re.findall(r"\w+", reference)
    places = draw.sample(range(len(words)), min(len(words), draw.randint(1, 3)))
    return [words[place] for place in sorted(places)]


def begins(translation, prefix):
    return translation.text.startswith(prefix.rstrip())


def holds(translation, words):
    return all(word in translation.text for word in words)


def holds_in_order(translation, words):
    return re.search(".*".join(map(re.escape, words)), translation.text) is not None


def no_trigram_twice(translation, _):
    return max(Counter(ngrams(translation.target_tokens)).values(), default=1) == 1


def ngrams(tokens, n=3):
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


def shared_trigrams(rows):
    """The mean share of a hypothesis' trigrams that another of its text has, too."""
    shares = []
    for hypotheses in rows:
        sets = [set(ngrams(x.target_tokens)) for x in hypotheses]
        for number, one in enumerate(sets):
            others = set().union(*sets[:number], *sets[number + 1 :])
            shares += [len(one & others) / len(one)] if one else []
    return sum(shares) / len(shares)


def make_rules(translator, texts, references, seed):
    """For each rule its call, the predicate of its outputs, and data of that."""
    from kseq2seq import Search
    from kseq2seq.inference import minimum_risk

    draw = random.Random(seed)
    prefixes = [draw_prefix(x, draw) for x in references]
    words = [draw_words(x, draw) for x in references]
    wide = {"beam_size": N_BEST, "num_hypotheses": N_BEST}
    groups = {"num_groups": GROUPS, "num_hypotheses": GROUPS}
    groups["beam_size"] = GROUPS * N_BEST
    run = partial(translator.translate, texts, batch_size=BATCH_SIZE)
    many = Search(beam_size=MANY, num_hypotheses=MANY)
    options = {"samples": 0, "n_best": N_BEST, "seed": seed}
    risk = partial(minimum_risk, translator, texts, "chrf", **options)
    return {
        PLAIN: (partial(run, Search(**wide)), None, None),
        "given beginnings": (
            partial(run, Search(beam_size=5), prefix=prefixes),
            begins,
            prefixes,
        ),
        "given words": (
            partial(run, Search(beam_size=10), forced=words),
            holds,
            words,
        ),
        "given words, in order": (
            partial(run, Search(beam_size=10), forced=words, forced_in_order=True),
            holds_in_order,
            words,
        ),
        "no repeated trigram": (
            partial(run, Search(beam_size=5, no_repeat_ngram=3)),
            no_trigram_twice,
            texts,
        ),
        "long outputs": (partial(run, Search(**LONG)), no_trigram_twice, texts),
        "long outputs, no repeated trigram": (
            partial(run, Search(**LONG, no_repeat_ngram=3)),
            no_trigram_twice,
            texts,
        ),
        "diverse groups": (
            partial(run, Search(**wide, num_groups=GROUPS)),
            None,
            None,
        ),
        # Each of them a beam search of the plain one's size; the best of each.
        "wide diverse groups": (partial(run, Search(**groups)), None, None),
        "wide diverse groups, apart": (
            partial(run, Search(**groups, diversity=APART)),
            None,
            None,
        ),
        "minimum risk, samples": (partial(risk, samples=SAMPLES), None, None),
        "minimum risk, the best": (partial(risk, n_best=MANY, search=many), None, None),
    }


def share_with_best(rows, plain):
    """The share of texts whose best output by a plain search is among others."""
    kept = [
        best.text in {each.text for each in row}
        for row, (best, *_) in zip(rows, plain, strict=True)
    ]
    return sum(kept) / len(kept)


def measure(rows, predicate, given, references, plain):
    """BLEU and chrF of the best outputs, and the share of all that keep to the rule."""
    from kseq2seq import evaluation

    best = [row[0].text for row in rows]
    scores = evaluation.bleu(best, references), evaluation.chrf(best, references)
    result = {
        "bleu": round(scores[0].value, 2),
        "chrf": round(scores[1].value, 2),
        "signatures": [x.signature for x in scores],
        "outputs": sum(map(len, rows)),
        "with_unknown": sum("⁇" in each.text for row in rows for each in row),
    }
    if predicate:
        pairs = zip(rows, given, strict=True)
        kept = [predicate(each, x) for row, x in pairs for each in row]
        result["satisfied"] = sum(kept) / len(kept)
    if min(len(row) for row in rows) > 1 and rows[0][0].target_tokens:
        result["shared_trigrams"] = round(shared_trigrams(rows), 3)
        scores = [row[0].log_prob for row in rows]
        result["log_prob_of_best"] = round(sum(scores) / len(scores), 4)
        result["with_best_of_beam_search"] = share_with_best(rows, plain)
    return result


def show(results):
    rows = [["search", "BLEU", "chrF2", "satisfied", "shared trigrams"]]
    for name, result in results.items():
        cells = [f"{result['bleu']:.2f}", f"{result['chrf']:.2f}"]
        kept, shared = result.get("satisfied"), result.get("shared_trigrams")
        cells.append("" if kept is None else f"{100 * kept:.1f} %")
        rows.append([name, *cells, "" if shared is None else f"{shared:.2f}"])
    print(machine.table(rows), end="")


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import kseq2seq

    paths = [options.data / "multi30k" / f"{TEST}.{x}.gz" for x in ("en", "de")]
    pairs = kseq2seq.data.read_parallel(*paths)[: options.sentences]
    texts, references = ([x[side] for x in pairs] for side in (0, 1))
    translator = kseq2seq.Translator.load(options.run)
    rules = make_rules(translator, texts, references, options.seed)
    if unknown := {*(options.only or ())}.difference(rules):
        raise ValueError(
            f"--only must name some of the rules {', '.join(rules)}. Received: "
            f"{', '.join(sorted(unknown))}"
        )
    results, plain = {}, None
    for name, (call, *rule) in rules.items():
        if options.only and name not in (PLAIN, *options.only):
            continue
        rows = call()
        plain = plain or rows
        results[name] = measure(rows, *rule, references, plain)
        print(f"{name}: {results[name]}", flush=True)
    settings = {"sentences": len(texts), "seed": options.seed, "samples": SAMPLES}
    settings["n_best"] = MANY
    report = {**machine.describe(), "settings": settings, "results": results}
    machine.write_results(options.output / f"{options.name}.json", report)
    show(results)


if __name__ == "__main__":
    main()
