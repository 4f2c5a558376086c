"""Effect of word vectors of one's own text on a training with few pairs.

A tenth of the pairs of Multi30k are trained on. Vectors of each side's pieces are made
of the texts of all pairs, by skip-gram and by CBOW. Embeddings that start at random are
compared with those: a sweep, scored by the validation set.

python benchmarks/embeddings.py --data FOLDER --run SWEEP
"""

import argparse
import sys
from pathlib import Path

import machine

ALGORITHMS = ("skip_gram", "cbow")
SETTINGS = """\
[data]
format = "parallel"
train = ["train.en", "train.de"]
validation = ["val.en", "val.de"]

[tokenizer]
kind = "unigram"
vocabulary_size = {vocabulary_size}

[batches]
batch_size = 32

[embeddings]

[model]
embedding_size = {size}
units = {units}
attention = "luong_scaled_general"
input_feeding = true
dropout = 0.3

[optimizer]
learning_rate = 0.002
warmup_steps = 200
schedule = "cosine"
clip_norm = 5.0

[training]
epochs = {epochs}
metrics = ["bleu"]
precision = "{precision}"

[sweep]
seeds = [{seeds}]

[sweep.variants.random]
"""
VARIANT = """
[sweep.variants.{name}]
embeddings = {{source = "{name}.en.txt", target = "{name}.de.txt"}}
"""


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Compare embeddings that start at random with word vectors.",
        epilog="Five minutes a training on one core. The sweep prints its table; the "
        "same command goes on after an end.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    machine.add_multi30k(parser)
    add("--run", type=Path, required=True, help="folder of the sweep")
    add("--pairs", type=int, default=2900, help="to train on")
    add("--vocabulary-size", type=int, default=2000, help="most pieces of each side")
    add("--size", type=int, default=128, help="of embeddings")
    add("--units", type=int, default=256, help="of the models")
    add("--epochs", type=int, default=20, help="of each training")
    add("--seeds", nargs="+", type=int, default=[1, 2, 3], help="of the trainings")
    add("--precision", default="float32", help="of the trainings")
    options = parser.parse_args(arguments)
    machine.check_multi30k(parser, options.data)
    return options


def prepare(options, folder):
    """Writes the pairs, the vectors and the settings of the sweep; returns its file."""
    import kseq2seq
    from kseq2seq.tokenizers import train_word_vectors

    folder.mkdir(parents=True, exist_ok=True)
    multi30k = options.data / "multi30k"
    texts = {}
    for part in ("train", "val"):
        paths = (multi30k / f"{part}.{side}.gz" for side in ("en", "de"))
        pairs = kseq2seq.data.read_parallel(*paths)
        few = pairs[: options.pairs] if part == "train" else pairs
        for number, side in enumerate(("en", "de")):
            texts[part, side] = [pair[number] for pair in pairs]
            lines = "".join(f"{pair[number]}\n" for pair in few)
            (folder / f"{part}.{side}").write_text(lines, encoding="utf-8")
    pairs = kseq2seq.data.read_parallel(folder / "train.en", folder / "train.de")
    # The same as those of the trainings, which make theirs of the same pairs.
    size = options.vocabulary_size
    tokenizers = kseq2seq.train_tokenizers(pairs, size, allow_smaller=True)
    sides = dict(zip(("en", "de"), tokenizers, strict=True))
    for algorithm in ALGORITHMS:
        for side, tokenizer in sides.items():
            path = folder / f"{algorithm}.{side}.txt"
            given = texts["train", side], tokenizer, path, options.size, algorithm
            count = train_word_vectors(*given)
            print(f"{path.name}: vectors of {count} pieces", file=sys.stderr)
    settings = {**vars(options), "seeds": ", ".join(map(str, options.seeds))}
    variants = "".join(VARIANT.format(name=name) for name in ALGORITHMS)
    path = folder / "embeddings.toml"
    path.write_text(SETTINGS.format(**settings) + variants, encoding="utf-8")
    return path


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    from kseq2seq import cli

    folder = options.run / "data"
    path = prepare(options, folder)
    trainings = options.run / "trainings"
    arguments = ["sweep", path, "--data", folder, "--run", trainings]
    return cli.main([str(x) for x in arguments])


if __name__ == "__main__":
    sys.exit(main())
