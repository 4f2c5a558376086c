"""Sends a SavedModel what no sane client would, and sees that it keeps its word.

Strings of many kinds are made from a seed: random bytes, characters of all planes, cut
and overlong UTF-8, NUL, surrogates, lines of up to 100 kB, combining marks, text from
right to left, nothing, blanks, control characters, SentencePiece's own symbols. In
batches of several sizes, and good texts among them, each goes through every signature
in the session loader. For each request it is seen that

- there is an answer, within the time allowed,
- the good texts have the answer that they have alone: strings, offsets and counts the
  same, numbers to 1e-4, perplexities to as much of themselves,
- all text is UTF-8, no number is NaN, offsets lie in the text and in order, and lengths
  are within the limits.
"""

import argparse
import json
import random
import resource
import sys
import time
import unicodedata
from collections import Counter

from kseq2seq.utils import import_tensorflow
from saved_session import (
    SavedSession,
    about,
    add_model_arguments,
    check_model,
    quantiles,
)
from strange_texts import GOOD_TEXTS, strange_texts

BATCH_SIZES = (1, 3, 16, 64)
LONG_ROWS = 64
TOLERANCE = 1e-4
NAN, INFINITY = float("nan"), float("inf")
# What a client may send for the settings of sampling.
STRANGE_SETTINGS = {
    "temperature": (0.0, -1.0, 1e-30, 1e30, NAN, INFINITY, -INFINITY, 1.0),
    "top_k": (-1, -(2**31), 2**31 - 1, 0, 1, 7),
    "top_p": (0.0, -0.5, 2.0, 1e-30, NAN, INFINITY, 0.5),
    "seed": (0, -1, -(2**63), 2**63 - 1, 42),
}
GOOD_SETTINGS = {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "seed": 11}
SIDES = ("source", "target")


def good_inputs(names, number):
    """Inputs of a signature for one good text: dict from name to value."""
    text = GOOD_TEXTS[number % len(GOOD_TEXTS)].encode()
    values = {"text": text, "target": b"2017-03-04", **GOOD_SETTINGS}
    return {name: values[name] for name in names}


def strange_inputs(names, texts, draw):
    """The same for a strange one, of which the targets are strange as well."""
    values = {name: draw.choice(x) for name, x in STRANGE_SETTINGS.items()}
    values |= {"text": texts[0], "target": texts[1]}
    return {name: values[name] for name in names}


def row_of(outputs, row):
    return {name: value[row] for name, value in outputs.items()}


def as_array(value):
    """An array; a string by itself is kept as it is, with the NULs at its end."""
    import numpy as np

    return np.asarray(value, object if isinstance(value, bytes) else None)


def differences(batched, alone):
    """In what an answer differs from that of the text alone, and by how much.

    Args:
        batched: Dict from output to array, one row of a batch.
        alone: The same of a batch of one, which may be narrower.

    Returns:
        A tuple `(problems, largest)`: strings, and the largest difference of numbers.
    """
    import numpy as np

    problems, largest = [], 0.0
    for name, expected in alone.items():
        expected, value = as_array(expected), as_array(batched[name])
        value = value[(*(slice(size) for size in expected.shape), ...)]
        if expected.dtype.kind != "f":
            if not np.array_equal(value, expected):
                problems.append(f"{name}: {value!r:.200}, alone {expected!r:.200}")
            continue
        same = value == expected  # of infinities too
        apart = np.abs(np.where(same, 0.0, value) - np.where(same, 0.0, expected))
        if name == "perplexity":  # which may be as large as any number
            apart = apart / np.maximum(1.0, np.where(same, 0.0, expected))
        apart = float(np.max(apart, initial=0.0))
        largest = max(largest, apart)
        if not apart <= TOLERANCE:
            problems.append(f"{name}: {apart:.2g} from that alone")
    return problems, largest


def faults(inputs, outputs, card=None):
    """Faults in the answer for one row, whatever the texts are.

    Args:
        inputs: Dict from input to value.
        outputs: Dict from output to array, one row of a batch.
        card: The model card, which tells the limits; they are not checked if `None`.

    Returns:
        List of strings.
    """
    import numpy as np

    problems = []
    for name, value in outputs.items():
        value = as_array(value)
        if value.dtype.kind == "O":
            problems += [f"{name}: no UTF-8" for x in value.ravel() if not is_utf8(x)]
        if value.dtype.kind == "f" and np.isnan(value).any():
            problems.append(f"{name}: NaN")
    target = inputs.get("target", outputs.get("translation"))
    for side, text in (("source", inputs["text"]), ("target", target)):
        if f"{side}_starts" in outputs:
            problems += faults_of_spans(side, text, outputs)
    if "links" in outputs:
        sources, targets = (int(outputs[f"num_{x}_tokens"]) for x in SIDES)
        links = outputs["links"]
        if not ((links[:targets] >= 0) & (links[:targets] < sources)).all():
            problems.append("links: not all to a token")
        if (links[targets:] != -1).any() or outputs["alignment"][:, sources:].any():
            problems.append("padding is linked, or attended to")
    empty = outputs.get("translation", b"") == b"" and outputs.get("score", 0.0) == 0.0
    if is_blank(inputs["text"]) and not empty:
        problems.append("translation: of nothing but blanks, and not empty")
    return problems + ([] if card is None else beyond_limits(inputs, outputs, card))


def is_blank(text):
    """Whether bytes are text of nothing but white space."""
    if not is_utf8(text):
        return False
    blank = ("Zs", "Zl", "Zp")
    return all(
        x in "\t\n\v\f\r\x85" or unicodedata.category(x) in blank for x in text.decode()
    )


def beyond_limits(inputs, outputs, card):
    """Which limits of a model card an answer does not keep."""
    problems, limits, search = [], card["limits"], card["search"]
    given = [inputs[name] for name in ("text", "target") if name in inputs]
    long = [x for x in given if len(x) > limits["max_bytes"] and not is_blank(x)]
    if long and not outputs.get("truncated", True):
        problems.append("truncated: false for a text of too many bytes")
    most = {"source": limits["max_tokens"], "target": max(2, search["max_length"])}
    if "target" not in inputs and "num_source_tokens" in outputs:
        allowed = search["max_length_factor"] * int(outputs["num_source_tokens"])
        allowed += search["max_length_offset"]
        most["target"] = min(search["max_length"], allowed)
    for side, count in most.items():
        if int(outputs.get(f"num_{side}_tokens", 0)) > count:
            problems.append(f"num_{side}_tokens: more than {count:g}")
    return problems


def faults_of_spans(side, text, outputs):
    """Faults in the offsets of one side's tokens."""
    count = int(outputs[f"num_{side}_tokens"])
    tokens, starts, ends = (
        outputs[f"{side}_{x}"] for x in ("tokens", "starts", "ends")
    )
    problems = []
    if not 0 <= count <= len(tokens) or any(tokens[count:]) or not all(tokens[:count]):
        problems.append(f"num_{side}_tokens: {count}, not the number of tokens")
    starts, ends = starts[:count].tolist(), ends[:count].tolist()
    if not all(0 <= x <= y <= len(text) for x, y in zip(starts, ends, strict=True)):
        problems.append(f"{side}: offsets not within the text")
    if starts != sorted(starts) or ends != sorted(ends):
        problems.append(f"{side}: offsets not in order")
    if count and tokens[count - 1] == b"</s>" and starts[-1] != len(text):
        problems.append(f"{side}: EOS not at the text's end")
    if is_utf8(text):
        spans = zip(starts, ends, strict=True)
        if not all(is_utf8(text[x:y]) for x, y in spans):
            problems.append(f"{side}: an offset within a character")
    return problems


def is_utf8(text):
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def requests(texts, seed):
    """Batches of strange texts with good ones among them.

    Yields:
        A list of rows, each `(kind, texts)`: a kind and two strange texts, or `None`
        and the number of a good one.
    """
    draw, at = random.Random(seed + 1), 0
    while at < len(texts):
        size = draw.choice(BATCH_SIZES)
        rows = [
            (kind, (text, draw.choice(texts)[1]))
            for kind, text in texts[at : at + size]
        ]
        for number in draw.sample(range(len(GOOD_TEXTS)), 2):
            rows.insert(draw.randint(0, len(rows)), (None, number))
        at += size
        yield rows
    # The most work that a request can be: all rows long, on both sides.
    longest = sorted(texts, key=lambda x: -len(x[1]))[:LONG_ROWS]
    yield [(kind, (text, text)) for kind, text in longest]


class Fuzz:
    """Requests that are sent, and what is to be said against the answers.

    Args:
        session: A `SavedSession`.
        card: The model card, or `None`.
        bound: Seconds that a request may take.
    """

    def __init__(self, session, card, bound):
        self.session, self.card, self.bound = session, card, bound
        self.problems, self.largest, self.num_good = [], 0.0, 0
        self.num_rows = Counter()
        self.alone = {
            (name, number): self.send(name, [good_inputs(inputs, number)])[0]
            for name, inputs in session.inputs.items()
            for number in range(len(GOOD_TEXTS))
        }
        self.seconds = {name: [] for name in session.inputs}

    def send(self, name, rows):
        """The answer for each row of a request; each row a dict from input to value."""
        inputs = {key: [row[key] for row in rows] for key in rows[0]}
        outputs = self.session.run(name, inputs)
        return [row_of(outputs, row) for row in range(len(rows))]

    def check(self, name, request, draw):
        """Sends a request to a signature, and notes what is wrong with the answer."""
        names = self.session.inputs[name]
        rows = [
            good_inputs(names, given)
            if kind is None
            else strange_inputs(names, given, draw)
            for kind, given in request
        ]
        began = time.perf_counter()
        try:
            answers = self.send(name, rows)
        except Exception as error:
            shown = [row["text"][:80] for row in rows]
            self.problems.append(f"{name}: {error!r:.500} for {shown}")
            return
        seconds = time.perf_counter() - began
        self.seconds[name].append(seconds)
        self.num_rows[name] += len(rows)
        if seconds > self.bound:
            self.problems.append(f"{name}: took {seconds:.1f} s for {len(rows)} rows")
        for (kind, given), row, answer in zip(request, rows, answers, strict=True):
            wrong = faults(row, answer, self.card)
            if kind is None:
                apart, largest = differences(answer, self.alone[name, given])
                wrong, self.num_good = wrong + apart, self.num_good + 1
                self.largest = max(self.largest, largest)
            shown = f"{row['text'][:80]!r} ({kind or 'good'})"
            self.problems += [f"{name}: {shown}: {x}" for x in wrong]

    def report(self):
        """Facts to report, but for the texts."""
        return {
            "good_rows_checked": self.num_good,
            "largest_difference_of_good_rows": self.largest,
            "signatures": {
                name: {
                    "requests": len(seconds),
                    "rows": self.num_rows[name],
                    "milliseconds": quantiles(seconds) if seconds else None,
                }
                for name, seconds in self.seconds.items()
            },
            "problems": len(self.problems),
            "first_problems": self.problems[:20],
        }


def read_card(path):
    """The model card of a SavedModel; `None` if it has none."""
    file = path / "model_card.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Send a SavedModel strings of every kind, through each signature.",
        epilog="About five minutes. Exit code 1 if an answer is wrong.",
    )
    add_model_arguments(parser)
    parser.add_argument("--strings", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--bound", type=float, default=30, help="seconds that a request may take"
    )
    options = parser.parse_args(arguments)
    check_model(parser, options.model)
    if options.strings < 1:
        parser.error(f"--strings must be at least 1. Received: {options.strings}")
    return options


def main(arguments=None):
    options = parse_arguments(arguments)
    import_tensorflow()
    from tqdm import tqdm

    texts = strange_texts(options.strings, options.seed)
    session = SavedSession(options.model)
    fuzz = Fuzz(session, read_card(options.model), options.bound)
    draw, began = random.Random(options.seed + 2), time.perf_counter()
    with tqdm(total=len(texts), unit=" strings", file=sys.stderr) as bar:
        for request in requests(texts, options.seed):
            for name in session.inputs:
                fuzz.check(name, request, draw)
            bar.update(min(bar.total - bar.n, sum(bool(kind) for kind, _ in request)))
    report = {
        **about(options.model),
        "seed": options.seed,
        "strings": len(texts),
        "kinds": dict(sorted(Counter(kind for kind, _ in texts).items())),
        "longest_bytes": max(len(text) for _, text in texts),
        "bound_seconds": options.bound,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "wall_seconds": round(time.perf_counter() - began, 1),
        **fuzz.report(),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "fuzz.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report), end="")
    return 1 if fuzz.problems else 0


def table(report):
    """The results as Markdown, and the first problems."""
    rows = [["signature", "requests", "rows", "p50, ms", "p99, ms", "longest, ms"]]
    rows.append(["---"] * 6)
    for name, measured in report["signatures"].items():
        times = measured["milliseconds"] or {}
        shown = [f"{times[x]:.0f}" if times else "" for x in ("p50", "p99", "max")]
        rows.append(
            [f"`{name}`", str(measured["requests"]), str(measured["rows"]), *shown]
        )
    lines = ["| " + " | ".join(row) + " |\n" for row in rows]
    lines.append(
        f"\n{report['strings']:,} strings; {report['good_rows_checked']:,} good rows, "
        f"which differ by at most {report['largest_difference_of_good_rows']:.1g} from "
        f"a batch of one; {report['problems']} problems; at most "
        f"{report['peak_megabytes']:,} MB of memory.\n"
    )
    return "".join([*lines, *(f"- {x}\n" for x in report["first_problems"])])


if __name__ == "__main__":
    sys.exit(main())
