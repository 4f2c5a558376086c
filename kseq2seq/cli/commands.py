"""What the command `kseq2seq` does: each function takes the parsed options.

What takes seconds to import is imported by the functions that need it, after they
have looked at what they were given.
"""

import json
import math
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from kseq2seq.data import decoded, read_lines
from kseq2seq.utils import atomic_write, check_installed, numbered_folders

MODEL_FILE, SAVED_MODEL_FILE = "model.keras", "saved_model.pb"
SETTINGS_FILE = "settings.json"
# Options that change the search, under the names that `Search` has for them.
SEARCH_NAMES = (
    *("beam_size", "num_hypotheses", "length_penalty", "coverage_penalty"),
    *("max_length", "max_length_factor", "max_length_offset"),
)
# Formats of exports, and the folders that they go into unless told otherwise. Each has
# its own: what serves SavedModels takes any version in a folder for one.
FORMATS = {
    "saved_model": "saved_models",
    "onnx": "onnx_models",
    "litert": "litert_models",
}
# What only some of them know; LiteRT's search is greedy.
FORMAT_OPTIONS = {
    "weights": ("--weights", ("saved_model", "litert")),
    "products": ("--products", ("saved_model",)),
    "source_length": ("--source-length", ("litert",)),
    "ensemble": ("--ensemble", ("saved_model",)),
    "max_bytes": ("--max-bytes", ("saved_model",)),
    "max_tokens": ("--max-tokens", ("saved_model",)),
    "beam_size": ("--beam", ("saved_model", "onnx")),
    "num_hypotheses": ("--n-best", ("saved_model", "onnx")),
    "length_penalty": ("--length-penalty", ("saved_model", "onnx")),
    "coverage_penalty": ("--coverage-penalty", ("saved_model", "onnx")),
}
# Lines translated between one output and the next; those of like lengths together.
CHUNK = 256


def translate(options):
    """Translates lines of text, in their order."""
    _check_path(options)
    is_chat = options.input is None and sys.stdin is not None and sys.stdin.isatty()
    if is_chat:  # each line is answered before the next one is written
        chunks, total = ([line] for line in decoded(sys.stdin.buffer, "input")), None
    else:
        lines = read_lines(options.input)
        chunks = (lines[i : i + CHUNK] for i in range(0, len(lines), CHUNK))
        total = len(lines)
    number = 0
    with _output(options) as file:
        search = _search_function(options)
        with _progress(options, total) as update:
            for chunk in chunks:
                found = iter(search([line for line in chunk if line.strip()]))
                for line in chunk:
                    number += 1
                    best_first = next(found) if line.strip() else []
                    file.write(_formatted(options, number, best_first))
                file.flush()
                update(len(chunk))


def _formatted(options, number, best_first):
    """What is printed for one line of input."""
    if options.alignments:
        return json.dumps(_as_json(best_first), ensure_ascii=False) + "\n"
    # A translation is one line, whatever is in it.
    texts = [best.text.replace("\n", " ") for best in best_first]
    if options.num_hypotheses is None:
        return (texts[0] if texts else "") + "\n"
    return "".join(
        f"{number}\t{best.score:.4f}\t{text}\n"
        for best, text in zip(best_first, texts, strict=True)
    )


def _as_json(best_first):
    return {
        "source_tokens": best_first[0].source_tokens if best_first else [],
        "translations": [
            {
                "text": best.text,
                "score": round(best.score, 6),
                "log_prob": best.log_prob and round(best.log_prob, 6),
                "tokens": best.target_tokens,
                "alignment": best.alignment
                if best.alignment is None
                else [[round(x, 4) for x in row] for row in best.alignment.tolist()],
            }
            for best in best_first
        ],
    }


def score(options):
    """Prints the log-probability of each target and the number of its tokens."""
    _check_path(options)
    name = options.input or "standard input"
    pairs = []
    for number, line in enumerate(read_lines(options.input), 1):
        source, tab, rest = line.partition("\t")
        if not tab:
            raise ValueError(
                f"{name}:{number}: source and target must have a tab between them. "
                f"Received: {line[:80]!r}"
            )
        pairs.append((source, rest.partition("\t")[0]))
    if not pairs:
        raise ValueError(f"{name}: no lines to score.")
    with _output(options) as file:
        translator = _load(options.path)
        results = translator.score(pairs, progress=sys.stderr.isatty())
        for log_prob, num_tokens in results:
            file.write(f"{log_prob:.6f}\t{num_tokens}\n")
    total = sum(num_tokens for _, num_tokens in results)
    loss = -sum(log_prob for log_prob, _ in results) / total
    perplexity = math.exp(loss) if loss < 700 else math.inf
    print(
        f"perplexity {perplexity:.4f} ({total} tokens in {len(pairs)} lines)",
        file=sys.stderr,
    )


def evaluate(options):
    """Translates a test set and prints its scores."""
    from kseq2seq import evaluation

    _check_path(options)
    metrics = options.metrics or _settings(options.path, "training").get("metrics")
    metrics = evaluation.check_metrics(metrics or evaluation.DEFAULT_METRICS)
    if options.bootstrap == 1:
        raise ValueError("--bootstrap must be 0 or at least 2. Received: 1")
    sources, references = _test_set(options)
    written = atomic_write(options.output) if options.output else nullcontext()
    with written as file:
        search = _search_function(options)
        hypotheses = []
        with _progress(options, len(sources)) as update:
            for first in range(0, len(sources), CHUNK):
                found = search(sources[first : first + CHUNK])
                hypotheses += [best[0].text if best else "" for best in found]
                update(len(found))
        scores = evaluation.evaluate(hypotheses, references, metrics, options.bootstrap)
        if file:
            file.writelines(x.replace("\n", " ") + "\n" for x in hypotheses)
    for value in scores.values():
        print(value)


def _test_set(options):
    """Sources, and for each the list of its references."""
    if options.tsv:
        if options.reference:
            raise ValueError("--reference goes with --source, not with --tsv.")
        _import_tensorflow()
        from kseq2seq import data

        return data.group_references(data.read_tsv(options.tsv, options.columns))
    if not options.reference:
        raise ValueError("--source needs --reference and one file or more.")
    sources = read_lines(options.source)
    columns = []
    for path in options.reference:
        columns.append(read_lines(path))
        if len(columns[-1]) != len(sources):
            raise ValueError(
                "Source and reference must have the same number of lines. Received: "
                f"{options.source} with {len(sources)} and {path} with "
                f"{len(columns[-1])} lines"
            )
    if not sources:
        raise ValueError(f"{options.source}: no lines to translate.")
    return sources, [list(accepted) for accepted in zip(*columns, strict=True)]


def export(options):
    """Writes a model in a format of others and prints its path."""
    _check_path(options, only_run="to export")
    folder = options.folder
    if folder is None:
        folder = Path(FORMATS[options.format]) / options.path.resolve().name
    given = _format_options(options)
    if options.format == "saved_model":
        print(_export_saved_model(folder, options, given))
        return
    check_installed(options.format)
    translator = _load(options.path)
    if options.format == "onnx":
        from kseq2seq.export import export_onnx as write
    else:
        from kseq2seq.export import export_litert as write
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    print(write(folder, translator.model, *tokenizers, _search(options), **given))


def _export_saved_model(folder, options, given):
    others = given.pop("ensemble", [])
    for path in others:
        if not (path / MODEL_FILE).is_file():
            raise ValueError(f"--ensemble {path}: no run folder, with {MODEL_FILE}.")
    dtypes = {x: given.pop(x) for x in ("weights", "products") if x in given}
    translators = [_load(path) for path in (options.path, *others)]
    from kseq2seq import Limits
    from kseq2seq.export import export_translators

    limits = Limits(**given)
    return export_translators(folder, translators, _search(options), limits, **dtypes)


def _format_options(options):
    """The options given that belong to a format, each of which must know it."""
    given = {}
    for name, (option, formats) in FORMAT_OPTIONS.items():
        value = getattr(options, name)
        if value is None:
            continue
        if options.format not in formats:
            raise ValueError(
                f"{option} goes with --format {' or '.join(formats)}. "
                f"Received: --format {options.format}"
            )
        if name not in SEARCH_NAMES:
            given[name] = value
    return given


def serve(options):
    """Answers a page and the REST API, up to Ctrl-C."""
    _check_path(options, only_saved_model="to serve")
    from kseq2seq import serve as server

    opened = server.listen(options.host, options.port)
    with opened:
        server.serve(_load(options.path), opened)


def plot(options):
    """Draws the alignment of one translation, or a training's curves."""
    from kseq2seq import plots

    _check_path(options, only_run="to draw")
    if options.output.suffix.lower() not in plots.FORMATS:
        raise ValueError(
            f"--output must end in {', '.join(plots.FORMATS)}. "
            f"Received: {str(options.output)!r}"
        )
    if not options.output.absolute().parent.is_dir():
        raise ValueError(f"{options.output}: there is no such folder to write into.")
    if options.history:
        _import_tensorflow()
        from kseq2seq.trainer import read_history

        figure = plots.training_curves(read_history(options.path))
    else:
        figure = _heatmap(options)
    plots.save(figure, options.output)


def _heatmap(options):
    from kseq2seq import plots

    if not options.text.strip():
        raise ValueError("--text must hold something to translate.")
    found = _search_function(options)([options.text])[0]
    if not found or found[0].alignment is None:
        raise ValueError(f"{options.path}: this model has no attention to draw.")
    best = found[0]
    return plots.alignment_heatmap(
        best.alignment, best.source_tokens, best.target_tokens
    )


def _check_path(options, only_run=None, only_saved_model=None):
    """Sees, before anything slow, that the path is what the command needs."""
    path = options.path
    if (path / MODEL_FILE).is_file():
        if only_saved_model:
            raise ValueError(
                f"{path} is a run folder: give the SavedModel that 'kseq2seq export "
                f"{path}' writes {only_saved_model}."
            )
        return
    folders = [path, *numbered_folders(path)]
    if not any((folder / SAVED_MODEL_FILE).is_file() for folder in folders):
        wrong = "holds no model" if path.is_dir() else "is no folder"
        raise ValueError(
            f"{path} {wrong}: give a run folder, in which is {MODEL_FILE}, or a "
            f"SavedModel, in which is {SAVED_MODEL_FILE}."
        )
    if only_run:
        raise ValueError(
            f"{path} is a SavedModel: give the run folder that it came from {only_run}."
        )
    changes = set(_search_changes(options))
    alignments = getattr(options, "alignments", False)
    if changes - {"num_hypotheses"} or (changes and alignments):
        raise ValueError(
            f"{path} is a SavedModel, which searches as it was exported to, and aligns "
            "the best translation: leave out the options of the search, and --n-best "
            "beside --alignments, or give the run folder."
        )


def _import_tensorflow():
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()


def _load(path):
    _import_tensorflow()
    from kseq2seq import Translator

    try:
        return Translator.load(path)
    except Exception as error:  # a damaged file fails in any way
        raise ValueError(
            f"{path}: cannot be loaded, perhaps because it is damaged or of another "
            f"version: {one_line(error) or type(error).__name__}"
        ) from error


def _settings(path, section):
    """A section of the settings that a run was trained with; empty if unknown."""
    file = path / SETTINGS_FILE
    if not file.is_file():
        return {}
    return json.loads(file.read_text(encoding="utf-8")).get(section, {})


def _search(options):
    """The run's own search, changed by the options."""
    from kseq2seq import Search

    settings = _settings(options.path, "search")
    changes = _search_changes(options)
    if "num_hypotheses" in changes and "beam_size" not in changes:
        usual = settings.get("beam_size", Search.beam_size)
        changes["beam_size"] = max(usual, changes["num_hypotheses"])
    return Search(**{**settings, **changes})


def _search_changes(options):
    """The options of the search that were given."""
    values = {name: getattr(options, name, None) for name in SEARCH_NAMES}
    return {name: value for name, value in values.items() if value is not None}


def _search_function(options):
    """Function from texts to the translations of each."""
    translator = _load(options.path)
    is_run_folder = (options.path / MODEL_FILE).is_file()
    return partial(
        translator.translate,
        search=_search(options) if is_run_folder else None,
        num_hypotheses=getattr(options, "num_hypotheses", None),
        alignments=getattr(options, "alignments", None) or None,
    )


def _output(options):
    return atomic_write(options.output) if options.output else nullcontext(sys.stdout)


@contextmanager
def _progress(options, total):
    """Yields the function to report work done to a bar on standard error."""
    from tqdm import tqdm

    # Where the translations are seen as they come, a bar would be in their way.
    seen = getattr(options, "output", None) is None and sys.stdout.isatty()
    hidden = total is None or seen or not sys.stderr.isatty()
    with tqdm(total=total, unit=" lines", disable=hidden) as bar:
        yield bar.update


def one_line(error):
    """What an error says, on one line."""
    text = str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}."
    return " ".join(text.split())
