"""A run folder, a translator that is quick, and the command to call with them."""

import io
import json
import sys
import types

import numpy as np
import pytest

import kseq2seq
from commands import PAIRS
from kseq2seq import cli
from kseq2seq.cli import loading
from kseq2seq.inference import Alignment, Translation


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run folder, of a small model that knows nothing."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    source, target = kseq2seq.train_tokenizers(PAIRS, kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        units=14,
        embedding_size=5,
    )
    model = kseq2seq.build_model(config)
    kseq2seq.Translator(model, source, target).save(folder)
    search = {"beam_size": 2, "length_penalty": 0.5, "max_length": 13}
    settings = {"search": search, "training": {"metrics": ["character_error_rate"]}}
    (folder / "settings.json").write_text(json.dumps(settings))
    epochs = [{"loss": 3.0, "val_bleu": None}, {"loss": 2.0, "val_bleu": 5.0}]
    history = {"checkpoint": "checkpoint-2.keras", "epochs": epochs}
    (folder / "history.json").write_text(json.dumps(history))
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a run, for a model that is not looked at."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    return tmp_path / "run"


class Reverser:
    """A translator that writes each text backwards."""

    has_features = False

    def __init__(self):
        self.searches = []

    def translate(self, texts, search=None, num_hypotheses=None, alignments=False):
        self.searches.append(search)
        n = num_hypotheses or 1 if search is None else search.num_hypotheses
        return [[self.translation(text, i) for i in range(n)] for text in texts]

    def translation(self, text, i):
        weights = np.full((1, 1), 1 / 3, np.float32)
        return Translation(text[::-1] + "'" * i, -i / 8, -i, ["s"], ["t"], weights)

    def sample(self, texts, seed=0, **options):
        """Writes its seed before a text, and its options behind."""
        drawn = [f"{seed + n} {text} {options}" for n, text in enumerate(texts)]
        return [Translation(text, -1.0) for text in drawn]

    def score(self, pairs, progress=False):
        return [(-float(len(source)), len(target)) for source, target in pairs]

    def align(self, pairs):
        """Each letter of the target attends to its own, in the source reversed."""
        return [self.alignment(source, target) for source, target in pairs]

    def alignment(self, source, target):
        spans = [[(i, i + 1) for i, _ in enumerate(text)] for text in (source, target)]
        weights = np.eye(len(target), len(source))[:, ::-1]
        return Alignment([*source], [*target], *spans, weights, [])


@pytest.fixture
def reverser(monkeypatch):
    translator = Reverser()
    monkeypatch.setattr(loading, "load_translator", lambda *_: translator)
    return translator


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command; gives exit code, standard output and standard error."""

    def run_command(*arguments, stdin=""):
        stdin = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = cli.main([str(x) for x in arguments])
        except SystemExit as error:
            code = error.code
        return types.SimpleNamespace(code=code, **capsys.readouterr()._asdict())

    return run_command
