"""Pairs of numbers, in files and in batches."""

import gzip
import json

import numpy as np

# Sources are numbers, and each target is its source's.
PAIRS = [(str(n), f"{n:05d}") for n in range(1201)]


def write_shards(folder):
    """Writes the pairs into seven files of each format, of unlike lengths."""
    for number in range(7):
        rows = PAIRS[number**2 * 20 : (number + 1) ** 2 * 20 if number < 6 else None]
        with gzip.open(folder / f"{number}.tsv.gz", "wt") as file:
            file.writelines(f"{source}\t{target}\n" for source, target in rows)
        objects = [json.dumps({"a": source, "b": target}) for source, target in rows]
        (folder / f"{number}.jsonl").write_text("\n".join(objects))
        for side, suffix in enumerate(("src", "tgt")):
            lines = "\n".join(row[side] for row in rows)
            (folder / f"{number}.{suffix}").write_text(lines)


def read(dataset, tokenizer, count=None):
    """Batches as lists of pairs."""
    pieces = np.array(["", "?", "", "", *tokenizer.pieces(range(4, 14))])

    def texts(ids):
        return ["".join(pieces[row]) for row in np.asarray(ids)]

    return [
        list(zip(texts(inputs["source"]), texts(labels), strict=True))
        for inputs, labels in (dataset if count is None else dataset.take(count))
    ]


def flat(batches):
    return [pair for batch in batches for pair in batch]
