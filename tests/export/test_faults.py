"""Faults while a SavedModel is written: other writers, full disks, kills."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kseq2seq import Search, Translator
from kseq2seq.export import saved_model
from kseq2seq.export.settings import ExportSettings
from kseq2seq.utils import numbered_folders
from paths import ROOT
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=2, max_length=7)
FILES = {
    "saved_model.pb",
    "fingerprint.pb",
    "model_card.json",
    "README.md",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    "assets.extra/kseq2seq.json",
    "assets.extra/tf_serving_warmup_requests",
}
# Exports once in earnest, and then again and again what it has made, until killed.
WRITER = """
import sys
from kseq2seq.utils import import_tensorflow

import_tensorflow()
from kseq2seq import Search, Translator
from kseq2seq.export import saved_model

translator = Translator.load(sys.argv[1])
trace, made = saved_model._trace, []

def traced_once(*arguments):
    if not made:
        made.append(trace(*arguments))
    return made[0]

every = saved_model.signature_functions

def two(*arguments):
    functions = every(*arguments)
    return {name: functions[name] for name in ("serving_default", "score")}

saved_model._trace = traced_once
saved_model.signature_functions = two
for answer in sys.stdin:
    path = translator.export(sys.argv[2], Search(beam_size=2, max_length=7))
    print(path.name, flush=True)
    if answer == "on and on\\n":
        while True:
            translator.export(sys.argv[2], Search(beam_size=2, max_length=7))
"""


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def writers(translator, tmp_path_factory):
    """Two processes that load one run folder, and the folder they export to."""
    run = tmp_path_factory.mktemp("run")
    translator.save(run)
    folder = tmp_path_factory.mktemp("saved_models") / "tiny"
    command = [sys.executable, "-c", WRITER, run, folder]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(2)
    ]
    yield processes, folder
    for process in processes:
        process.kill()
        process.communicate()


def tell(processes, word):
    for process in processes:
        process.stdin.write(f"{word}\n")
        process.stdin.flush()


def files_of(version):
    paths = (path for path in version.rglob("*") if path.is_file())
    return {path.relative_to(version).as_posix(): path for path in paths}


def variables_of(version):
    """The values of all variables, which are numbered otherwise in each process."""
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    names = reader.get_variable_to_shape_map()
    values = [reader.get_tensor(x) for x in names if not x.startswith("_CHECK")]
    return sorted(value.tobytes() for value in values)


def signatures_of(version):
    content = (version / "saved_model.pb").read_bytes()
    return set(
        saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].signature_def
    )


def assert_whole(version, like):
    """All files are there and readable, and say the same as another version's."""
    actual, other = files_of(version), files_of(like)
    assert set(actual) == FILES
    assert variables_of(version) == variables_of(like) != []
    assert signatures_of(version) == signatures_of(like) > {"serving_default", "score"}
    name = "assets.extra/kseq2seq.json"
    assert actual[name].read_text() == other[name].read_text()
    name = "assets.extra/tf_serving_warmup_requests"
    assert actual[name].stat().st_size == other[name].stat().st_size > 0
    assert json.loads(actual["model_card.json"].read_text())["name"] == "tiny"
    assert len(actual["README.md"].read_text()) == len(other["README.md"].read_text())


def test_two_exports_at_once_are_two_whole_versions(writers, translator):
    processes, folder = writers
    tell(processes, "once")
    numbers = [process.stdout.readline().strip() for process in processes]
    assert sorted(numbers) == ["1", "2"]
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    expected = [best.text for best, *_ in translator.translate(TEXTS, SEARCH)]
    assert len(set(expected)) > 2
    for number in numbers:
        assert_whole(folder / number, folder / "1")
        assert Translator.load(folder / number)(TEXTS) == expected


def stopped(processes):
    """Stops processes where they are: the disk is as a kill would leave it."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)


def test_killed_exports_leave_whole_versions_or_none(writers, translator):
    processes, folder = writers
    draw, incomplete, seen, rounds = random.Random(7), 0, set(), 0
    tell(processes, "on and on")
    while rounds < 15 or len(seen) < 4:  # a busy machine takes longer
        rounds += 1
        time.sleep(draw.uniform(0.05, 0.5))
        stopped(processes)
        actual = set(numbered_folders(folder))
        for version in actual - seen:
            assert_whole(version, folder / "1")
        others = set(folder.iterdir()) - actual
        assert all(path.name.startswith(".incomplete-") for path in others)
        seen, incomplete = actual, incomplete + len(others)
        for process in processes:
            process.send_signal(signal.SIGCONT)
    assert incomplete > 5  # it was looked at while something was being written
    for process in processes:
        process.kill()
        process.wait()
        time.sleep(draw.uniform(0.05, 0.5))
    actual = numbered_folders(folder)
    assert len(actual) > 3
    assert [int(path.name) for path in actual] == list(range(1, len(actual) + 1))
    for version in set(actual) - seen:
        assert_whole(version, folder / "1")
    newest = Translator.load(folder)
    assert newest.path == actual[-1]
    assert newest(TEXTS) == Translator.load(folder / "1")(TEXTS)


@pytest.fixture
def small_disk(tmp_path):
    """Function that mounts a file system of so many bytes, and gives its folder."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("there is no command 'mount'")
        if done.returncode:
            pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def fill(folder, left):
    """Fills a file system up to so many bytes."""
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_frsize - left
    assert size > 0
    (folder / "ballast").write_bytes(bytes(size))


@pytest.fixture(scope="module")
def traced(translator):
    """The graphs that an export has in memory before it writes."""
    return saved_model._trace([translator], ExportSettings(SEARCH), None)


def test_a_full_disk_leaves_no_version(translator, traced, small_disk, monkeypatch):
    monkeypatch.setattr(saved_model, "_trace", lambda *_: traced)
    save_graphs, page = saved_model.save_graphs, 4096
    # The variables, the graph: with too small a disk. What is written behind the graph
    # is smaller than that: others fill the disk meanwhile.
    cases = [(3 * page, None), (30 * page, None)]
    cases += [(1000 * page, pages * page) for pages in (1, 5, 8)]
    for size, left in cases:
        disk = small_disk(size)
        folder = disk / "tiny"

        def save_and_fill(graphs, variables, path, disk=disk, left=left):
            save_graphs(graphs, variables, path)
            fill(disk, left)

        save = save_and_fill if left else save_graphs
        monkeypatch.setattr(saved_model, "save_graphs", save)
        with pytest.raises(OSError, match="No space left on device") as full:
            translator.export(folder, SEARCH)
        assert "could not be written" in str(full.value)
        assert str(folder) in str(full.value)
        assert list(folder.iterdir()) == []
        (disk / "ballast").unlink(missing_ok=True)
    monkeypatch.setattr(saved_model, "save_graphs", save_graphs)
    assert translator.export(folder, SEARCH) == folder / "1"
    assert set(files_of(folder / "1")) == FILES
