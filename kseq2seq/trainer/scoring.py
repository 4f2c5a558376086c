"""Scores of a training's best model, with what it wrote and a picture."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kseq2seq import evaluation, plots, runs
from kseq2seq.decoding import Search
from kseq2seq.evaluation import Score
from kseq2seq.inference import FrameReader
from kseq2seq.trainer.pairs import reference_set
from kseq2seq.trainer.training import Training
from kseq2seq.transcriber import Transcriber
from kseq2seq.translator import Translator
from kseq2seq.utils import join_lines, write_text


def score(training: Training) -> dict[str, Score]:
    """Translates the test set with the best model, and writes translations and scores.

    Args:
        training: Result of `prepare`, trained by `fit`.

    Returns:
        A dict from the name of a metric to its `kseq2seq.evaluation.Score`.
    """
    settings, run = training.settings, training.run_folder.folder
    search = Search(**settings.search)
    sources, features, references = reference_set(settings.data, training.test)
    options: dict[str, Any] = {"progress": sys.stderr.isatty()}
    if isinstance(training.source, FrameReader):
        model: Any = Transcriber.load(run)
        translations = model.transcribe(sources, search, **options)
    else:
        model = Translator.load(run)
        options["features"] = features
        translations = model.translate(sources, search, **options)
    hypotheses = [best[0].text if best else "" for best in translations]
    scores = evaluation.evaluate(
        hypotheses, references, settings.training.metrics, bootstrap=1000
    )
    report = {
        "search": dataclasses.asdict(search),
        "sentences": len(sources),
        "scores": {
            name: {**value._asdict(), "line": str(value)}
            for name, value in scores.items()
        },
        "provenance": training.provenance,
    }
    lines = [join_lines(hypothesis) + "\n" for hypothesis in hypotheses]
    write_text(run / runs.TRANSLATIONS_FILE, "".join(lines))
    # Recordings are named by their files.
    rows = evaluation.compare(list(map(str, sources)), hypotheses, references)
    write_text(run / runs.COMPARISON_FILE, evaluation.comparison_table(rows, features))
    runs.write_scores(run, report)
    _draw_alignment(model, sources, translations, run / runs.ALIGNMENT_FILE)
    runs.record_finish(run)
    return scores


def _draw_alignment(
    model: Any, sources: Sequence[str], results: Sequence[Any], path: Path
) -> None:
    """Draws the first source's best text that has an alignment."""
    for source, best in zip(sources, results, strict=True):
        if not best or best[0].alignment is None:
            continue
        if isinstance(model, Transcriber):
            figure = model.plot_transcription(source, best[0])
        else:
            figure = plots.alignment_heatmap(best[0])
        plots.save(figure, path)
        return
