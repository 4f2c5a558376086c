"""Fine-tuning: a training that begins with the weights and tokenizers of a run."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kseq2seq import runs
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.models import load_model, transfer_weights
from kseq2seq.tokenizers import (
    EXTENDABLE_KINDS,
    FeatureVocabulary,
    Tokenizer,
    add_symbols,
    kind_of,
)
from kseq2seq.trainer.model_checks import (
    VOCABULARY_SIZES,
    both_sides,
    placeholder_sizes,
)
from kseq2seq.trainer.readers import READERS, Pairs
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import Settings
from kseq2seq.trainer.vocabularies import Source, Vocabularies, make_frame_reader

_logger = logging.getLogger("kseq2seq")
# Settings of a model that have no part in the shape of its weights or their meaning.
_FREE = ("dropout", *VOCABULARY_SIZES)
_OF_LOG_MEL = (
    "num_bands",
    "sample_rate",
    "window",
    "stride",
    "min_frequency",
    "max_frequency",
    "normalize",
)
_TOKENIZER_SETTINGS = ("kind", "shared", "normalization", "split_digits")


class InitialRun(NamedTuple):
    """The run whose weights and tokenizers a training starts from.

    Attributes:
        run: `Path` of its run folder.
        source: The `kseq2seq.Tokenizer` of the source, with new symbols; where it is
            frames the `kseq2seq.inference.FrameReader`.
        target: That of the target.
        new_symbols: Dict from the sides, `source` and `target`, and from `features` if
            there are any, to the lists of them.
        features: The `kseq2seq.FeatureVocabulary`, with new symbols; `None` without.
    """

    run: Path
    source: Source
    target: Tokenizer
    new_symbols: dict[str, list[str]]
    features: FeatureVocabulary | None = None

    @property
    def vocabularies(self) -> Vocabularies:
        """The tokenizers of both sides, and the features."""
        return self.source, self.target, self.features

    def transfer_weights(self, model: keras.Model) -> None:
        """Copies the run's weights into a new model.

        Args:
            model: The model, of the sizes that the tokenizers have.
        """
        former = load_model(self.run / runs.MODEL_FILE, compile=False)
        features = self.features, runs.load_features(self.run)
        now, before = (0 if x is None else x.vocabulary_size for x in features)
        transfer_weights(model, former, (now, before))

    def record(self) -> dict[str, Any]:
        """The record of it in a run folder, of values that JSON has."""
        return {"run": self.run.resolve().name, "new_symbols": self.new_symbols}


def read_initial_run(
    run: Path, new_run: Path, settings: Settings, pairs: Pairs
) -> InitialRun:
    """Reads the initial run, and adds the symbols of new pairs to its tokenizers.

    Args:
        run: Path of the run folder.
        new_run: Path of the run folder of the new training.
        settings: The `Settings` of the new training.
        pairs: List of `(source, target)` to train on, or with features behind them.

    Raises:
        SettingsError: If there is no such run, or a setting does not fit it.
    """
    _check_run(run, new_run, settings)
    _check_embeddings(settings)
    if READERS[settings.data.format].has_frames:
        return _read_run_of_frames(run, settings, pairs)
    return _read_run_of_texts(run, settings, pairs)


def check_initial_run(run: Path, resumed: Path) -> None:
    """Refuses to resume a training that has another initial run.

    Args:
        run: Path of the run folder of the initial run, as given by the user.
        resumed: Path of the run folder of the training.

    Raises:
        SettingsError: If the training's record names another run, or none.
    """
    former = runs.begun_with(resumed)
    if former is None:
        began = "it began with new weights"
    elif former != run.resolve().name:
        began = f"it began with the run {former!r}"
    else:
        return
    raise SettingsError(
        f"the training in {resumed} cannot go on with --from {run}: {began}. Leave out "
        "--from, or begin anew with --fresh instead of --resume."
    )


def _check_run(run: Path, new_run: Path, settings: Settings) -> None:
    """Checks that there is a run with sources of the kind that the data have."""
    if not runs.is_run_folder(run):
        raise SettingsError(
            f"--from must name a run folder, with {runs.MODEL_FILE}, as 'kseq2seq "
            f"train' or Translator.save writes it. Received: {run}"
        )
    if run.resolve() == new_run.resolve():
        raise SettingsError(
            "--from must name another run folder than --run, which is written. "
            f"Received: {run}"
        )
    has_frames = READERS[settings.data.format].has_frames
    if has_frames != runs.is_transcriber(run):
        kind = "recordings or frames" if has_frames else "texts"
        raise SettingsError(
            f"--from must name a run whose sources are {kind}, as those of the data "
            f"are. Received: --from {run} with data.format={settings.data.format!r}"
        )


def _read_run_of_texts(run: Path, settings: Settings, pairs: Pairs) -> InitialRun:
    """The initial run of a training on texts."""
    _check_settings(run, settings)
    tokenizers = runs.load_tokenizers(run)
    shared = tokenizers[0].model == tokenizers[1].model
    texts = [[pair[side] for pair in pairs] for side in (0, 1)]
    if shared:
        texts = [texts[0] + texts[1]] * 2
    new: list[tuple[Tokenizer, list[str]]] = []
    for side, name in enumerate(("source", "target")):
        new.append(_extended(run, settings, side, tokenizers[side], texts[side]))
        _report(name, *new[side])
    (source, added), (target, others) = new
    symbols = {"source": added, "target": others}
    features = _features(run, settings, pairs)
    if features is not None:
        symbols["features"] = list(features.now.symbols[len(features.before.symbols) :])
    _check_frozen(settings, any(symbols.values()))
    return InitialRun(run, source, target, symbols, features and features.now)


def _extended(
    run: Path, settings: Settings, side: int, tokenizer: Tokenizer, texts: list[str]
) -> tuple[Tokenizer, list[str]]:
    """The tokenizer of a side with new symbols of texts, and these."""
    own = kind_of(tokenizer)
    kinds, sizes = settings.tokenizer.kind, settings.tokenizer.vocabulary_size
    kind = kinds[side] if isinstance(kinds, tuple) else kinds
    size = sizes[side] if isinstance(sizes, tuple) else sizes
    if kind != own:  # of a run without settings, as Translator.save writes it
        raise SettingsError(
            f"--from {run}: as in this run, tokenizer.kind of the "
            f"{('source', 'target')[side]} must be {own!r}. Received: {kind!r}"
        )
    if kind not in EXTENDABLE_KINDS:
        return tokenizer, []
    size = max(size, tokenizer.vocabulary_size)
    return add_symbols(tokenizer, texts, kind, size)


def _read_run_of_frames(run: Path, settings: Settings, pairs: Pairs) -> InitialRun:
    """The initial run of a training on recordings or frames."""
    reader = make_frame_reader(settings, pairs)
    former, now = runs.load_log_mel(run), reader.log_mel
    given = None if now is None else now.get_config()
    kept = [{x: (y or {}).get(x) for x in _OF_LOG_MEL} for y in (former, given)]
    if kept[0] != kept[1]:
        raise SettingsError(
            f"--from {run}: as in this run, frames must be made by [log_mel] of "
            f"recordings with {kept[0]}. Received: {kept[1]}"
        )
    _check_settings(run, settings, reader.frame_size)
    tokenizer = Tokenizer.load(run / runs.TARGET_FILE)
    texts = [text for _, text in pairs]
    target, added = _extended(run, settings, 1, tokenizer, texts)
    _report("target", target, added)
    _check_frozen(settings, added)
    return InitialRun(run, reader, target, {"target": added})


class _Features(NamedTuple):
    """The vocabularies of features of a run, and of the training that it begins."""

    before: FeatureVocabulary
    now: FeatureVocabulary


def _features(run: Path, settings: Settings, pairs: Pairs) -> _Features | None:
    """Features with the symbols of new pairs; they must be there in both, or none."""
    before, column = runs.load_features(run), settings.data.features_column
    if (before is None) != (column == ""):
        expected = "left out" if before is None else "set"
        raise SettingsError(
            f"--from {run}: as in this run, data.features_column must be {expected}. "
            f"Received: {column!r}"
        )
    if before is None:
        return None
    if settings.data.features_separator != before.separator:
        raise SettingsError(
            f"--from {run}: as in this run, data.features_separator must be "
            f"{before.separator!r}. Received: {settings.data.features_separator!r}"
        )
    now = before.extended(row[2] for row in pairs)
    added = now.symbols[len(before.symbols) :]
    _logger.info("new features: %s", " ".join(added) or "none")
    return _Features(before, now)


def _report(side: str, tokenizer: Tokenizer, added: list[str]) -> None:
    if not added:
        _logger.info("%s vocabulary: no new symbols", side)
        return
    _logger.info(
        "%s vocabulary: new symbols, with ids from %d on: %s%s",
        side,
        tokenizer.vocabulary_size - len(added),
        " ".join(added[:50]),
        f" and {len(added) - 50} more" if len(added) > 50 else "",
    )


def _check_settings(run: Path, settings: Settings, frame_size: int = 0) -> None:
    """Refuses settings of a model or of tokenizers other than the run's."""
    wrong = []
    path = run / runs.CONFIG_FILE
    if path.is_file():
        has_features = settings.data.features_column != ""
        sizes = placeholder_sizes(frame_size, has_features)
        former = _config_of(path)
        now = Seq2SeqConfig(**{**settings.model, **sizes})
        wrong += [
            f"model.{name} must be {value!r}. Received: {getattr(now, name)!r}"
            for name, value in former.items()
            if name not in _FREE and getattr(now, name) != value
        ]
    tokenizer = runs.read_settings(run).get("tokenizer", {})
    for name in _TOKENIZER_SETTINGS:
        value = getattr(settings.tokenizer, name)
        given = list(value) if isinstance(value, tuple) else value
        if name in tokenizer and both_sides(tokenizer[name]) != both_sides(given):
            wrong.append(
                f"tokenizer.{name} must be {tokenizer[name]!r}. Received: {given!r}"
            )
    if wrong:
        raise SettingsError(
            *(f"--from {run}: as in this run, {message}" for message in wrong)
        )


def _config_of(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text(encoding="utf-8"))
    config = Seq2SeqConfig.from_dict(values)
    return {x.name: getattr(config, x.name) for x in dataclasses.fields(config)}


def _check_embeddings(settings: Settings) -> None:
    """Refuses word vectors, which would take the place of trained embeddings."""
    named = dataclasses.asdict(settings.embeddings).items()
    vectors = {f"embeddings.{side}": name for side, name in named if name}
    if vectors:
        unset = " ".join(f"--set '{name}=\"\"'" for name in vectors)
        raise SettingsError(
            f"{' and '.join(vectors)} must be left out with --from, which begins with "
            f"the run's embeddings: take [embeddings] out of the file, or add {unset}. "
            f"Received: {', '.join(vectors.values())}"
        )


def _check_frozen(settings: Settings, has_new: Any) -> None:
    learnt = [x for x in settings.training.frozen if x in ("embeddings", "output")]
    if has_new and learnt:
        raise SettingsError(
            f"training.frozen must not hold {' and '.join(learnt)} where there are new "
            "symbols, whose rows would never be trained: train it as well, or set "
            "tokenizer.vocabulary_size to the size that the run's vocabularies have. "
            f"Received: {list(settings.training.frozen)!r}"
        )
