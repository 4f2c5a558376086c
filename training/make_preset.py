"""Makes a preset of a run folder, and compares it with the run on texts."""

import argparse
import shutil
from pathlib import Path

from kseq2seq import Translator, data


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="run folder")
    parser.add_argument("folder", type=Path, help="preset to write; it is replaced")
    parser.add_argument("--weights", default="float32", choices=("float32", "float16"))
    parser.add_argument("--licence", help="such as apache-2.0")
    parser.add_argument(
        "--texts", help="texts to compare, one a line (default: 1,000 dates)"
    )
    options = parser.parse_args(arguments)
    run = Translator.load(options.run)
    if options.folder.is_dir():
        shutil.rmtree(options.folder)
    run.save_to_preset(options.folder, options.weights, options.licence)
    preset = Translator.from_preset(options.folder)
    if options.texts:
        texts = data.read_lines(options.texts)
    else:
        texts = [text for text, _ in data.dates(1000, seed=7)]
    differ = sum(a != b for a, b in zip(run(texts), preset(texts), strict=True))
    size = sum(path.stat().st_size for path in options.folder.iterdir())
    print(f"{options.folder}: {size:,} bytes; {differ} of {len(texts)} texts differ")


if __name__ == "__main__":
    main()
