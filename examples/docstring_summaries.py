#!/usr/bin/env python3
"""Makes pairs of a text and its summary, of the docstrings of Python's own modules.

    python docstring_summaries.py docstrings
    kseq2seq train summaries --data docstrings

The first line of a docstring sums up the rest of it, which is the text. Modules are
parsed, not imported. The folder gets the tables train.tsv, validation.tsv and test.tsv:
text, summary and module. No module is in two of them. The standard library has some
3,000 pairs; further folders, such as that of installed packages, give more:

    python docstring_summaries.py docstrings .venv/lib/python3.11/site-packages
"""

import argparse
import ast
import random
import sysconfig
import warnings
from pathlib import Path

PARTS = ("test", "validation", "train")
LEFT_OUT = {"site-packages", "dist-packages", "__pycache__"}
STATEMENTS = (ast.stmt, ast.excepthandler)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Words of a summary, and the fewest of a text.
FEWEST, MOST, FEWEST_OF_TEXT = 3, 20, 8


def find_modules(folder):
    """The Python files in a folder, in order, but for packages installed in it."""
    for path in sorted(folder.rglob("*.py")):
        if not LEFT_OUT.intersection(path.relative_to(folder).parts):
            yield path


def read_docstrings(path):
    """The docstrings of a module, its classes and its functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in strings
        try:
            nodes = [ast.parse(path.read_bytes())]
        # Some modules of tests are wrong on purpose.
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
    while nodes:
        node = nodes.pop()
        if isinstance(node, DOCUMENTED) and (docstring := ast.get_docstring(node)):
            yield docstring
        children = ast.iter_child_nodes(node)
        nodes += [child for child in children if isinstance(child, STATEMENTS)]


def split_docstring(docstring, most_words):
    """The text and its summary, of one line; `None` of a docstring without."""
    summary, _, text = docstring.partition("\n\n")
    words = " ".join(text.split()).split(" ")
    is_line = "\n" not in summary and summary[:1].isalpha()
    if not is_line or not FEWEST <= len(summary.split()) <= MOST:
        return None
    pair = " ".join(words[:most_words]), " ".join(summary.split())
    # Control characters are of examples of code.
    is_text = len(words) >= FEWEST_OF_TEXT and all(map(str.isprintable, pair))
    return pair if is_text else None


def read_modules(folders, most_words):
    """Pairs of each module: a list by its name. No text is there twice."""
    modules, seen = {}, set()
    for folder in folders:
        for path in find_modules(folder):
            name = ".".join(path.relative_to(folder).with_suffix("").parts)
            name = name.removesuffix(".__init__")
            for docstring in read_docstrings(path):
                pair = split_docstring(docstring, most_words)
                if pair and pair[0] not in seen:
                    seen.add(pair[0])
                    modules.setdefault(name, []).append(pair)
    return modules


def deal_modules(modules, least, generator):
    """Rows by part: whole modules, drawn until a part has enough."""
    names = sorted(modules)
    generator.shuffle(names)
    rows = {part: [] for part in PARTS}
    for part in PARTS:
        while names and len(rows[part]) < least.get(part, float("inf")):
            name = names.pop()
            rows[part] += [(*pair, name) for pair in modules[name]]
    return rows


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument(
        "more", type=Path, nargs="*", help="folder of further modules to read"
    )
    parser.add_argument("--validation", type=int, default=300, metavar="PAIRS")
    parser.add_argument("--test", type=int, default=300, metavar="PAIRS")
    parser.add_argument("--words", type=int, default=200, help="most words of a text")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    if options.words < 1:
        parser.error(f"--words must be 1 or more. Received: {options.words}")
    folders = [Path(sysconfig.get_path("stdlib")), *options.more]
    if missing := [str(path) for path in folders if not path.is_dir()]:
        parser.error(f"no such folder: {', '.join(missing)}")
    modules = read_modules(folders, options.words)
    least = {"validation": options.validation, "test": options.test}
    rows = deal_modules(modules, least, random.Random(options.seed))
    if not all(rows.values()):
        parser.error("too few pairs for three parts: make --validation, --test smaller")
    options.folder.mkdir(parents=True, exist_ok=True)
    for part in reversed(PARTS):
        with (options.folder / f"{part}.tsv").open("w", encoding="utf-8") as file:
            file.writelines("\t".join(row) + "\n" for row in rows[part])
        print(f"{part}: {len(rows[part])} pairs", flush=True)


if __name__ == "__main__":
    main()
