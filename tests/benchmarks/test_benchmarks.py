"""The benchmarks' own arithmetic, and each script end to end on next to nothing."""

import gzip
import json
import os
import subprocess
import sys

import pytest

import kseq2seq
from paths import BENCHMARKS

WORDS = ("walk", "jump", "look", "run")


@pytest.fixture(scope="module")
def source_length():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import source_length
    finally:
        sys.path.remove(str(BENCHMARKS))
    return source_length


def score(value, low=None, high=None):
    interval = None if low is None else [low, high]
    return {"value": value, "interval": interval, "signature": "nrefs:1"}


def result(**changes):
    """A result of `run_task` for a task with three bins, the second of them empty."""
    plain = {"sets": {"test": score(40.0, 30.0, 52.5)}}
    plain["bins"] = [score(90.04, 80.0, 100.0), None, score(0.0)]
    other = {"sets": {"test": score(60.0)}, "bins": [score(95.0), None, score(55.0)]}
    return {
        "metric": "exact_match",
        "length": "actions",
        "sizes": {"train": 20, "test": 7},
        "bins": ["1–4", "5–8", "≥9"],
        "train_pairs": [20, 0, 0],
        "scored_pairs": [2, 0, 5],
        "models": {"none": plain, "bahdanau": other},
        **changes,
    }


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 0), (8, 0), (9, 1), (11, 1), (12, 2), (13, 3), (99, 3)]
)
def test_a_bound_is_the_last_length_of_its_bin(source_length, length, expected):
    assert source_length.bin_of(length, (8, 11, 12)) == expected


def test_bins_are_called_by_their_lengths(source_length):
    assert source_length.bin_names((8, 11, 12)) == ["1–8", "9–11", "12", "≥13"]


@pytest.mark.parametrize("side", [0, 1])
def test_every_pair_is_in_the_bin_of_its_words(source_length, side):
    lengths = [3, 1, 2, 5, 4, 2]
    pairs = [(" ".join("a" * n), " ".join("b" * (6 - n))) for n in lengths]
    rows = source_length.by_bin(pairs, side, (2, 3))
    assert rows == ([[1, 2, 5], [0], [3, 4]], [[3, 4], [0], [1, 2, 5]])[side]


def test_seeds_are_summed_up_by_their_mean_and_ends(source_length):
    one, other = score(10.0, 5.0, 15.0), score(30.0, 25.0, 35.0)
    assert source_length.summarize([one]) == one
    assert source_length.summarize([None, None]) is None
    assert source_length.summarize([other, one]) == score(20.0, 10.0, 30.0)


def test_the_table_has_a_row_for_each_bin_and_set(source_length):
    assert source_length.table("scan", result()) == [
        "SCAN, length split: exact_match",
        "",
        "| actions | pairs scored | pairs in training | no attention | bahdanau |",
        "| --- | --- | --- | --- | --- |",
        "| 1–4 | 2 | 20 | 90.0 (80.0 to 100.0) | 95.0 |",
        "| 5–8 | 0 | 0 | – | – |",
        "| ≥9 | 5 | 0 | 0.0 | 55.0 |",
        "| all of test | 7 |  | 40.0 (30.0 to 52.5) | 60.0 |",
    ]


def test_the_figure_has_a_panel_for_each_task_and_a_line_for_each_model(source_length):
    seen = result(metric="bleu", train_pairs=[9, 9, 9])
    figure = source_length.draw({"multi30k": seen, "scan": result()})
    left, right = figure.axes
    for axes in left, right:
        _, names = axes.get_legend_handles_labels()
        assert names == ["no attention", "attention: bahdanau"]
        plain, other = (bars.lines[0] for bars in axes.containers)
        assert list(plain.get_ydata()) == [90.04, 0.0]
        assert list(other.get_ydata()) == [95.0, 55.0]
        assert [round(x) for x in plain.get_xdata()] == [0, 2]  # a gap, not a zero
    assert not left.texts
    (text,) = right.texts
    assert text.get_text() == "longer than in training"
    assert 0.5 <= text.get_position()[0] <= 1


@pytest.mark.parametrize("task", ["multi30k", "scan"])
def test_the_settings_can_be_built(source_length, task):
    options = source_length.parse_arguments(["--data", "data", "--units", "6"])
    settings = source_length.settings_of(task, options)
    for attention in ("none", options.attention):
        config = kseq2seq.Seq2SeqConfig(
            source_vocabulary_size=9,
            target_vocabulary_size=9,
            attention=attention,
            **settings["model"],
        )
        assert config.units == 6
    search = kseq2seq.Search(**settings["search"])
    bounds = source_length.TASKS[task]["bounds"]
    # A command of one word and EOS may have the longest of SCAN's answers and EOS.
    longest = search.max_length_factor * 2 + search.max_length_offset
    assert task != "scan" or 49 <= longest <= search.max_length
    assert list(bounds) == sorted(set(bounds))
    # The options change a copy.
    assert source_length.TASKS[task]["settings"]["model"]["units"] > 6


def test_multi30k_is_trained_on_train_and_scored_on_all_else(source_length, tmp_path):
    for name in ("train", "val", "test_2016_flickr"):
        for side in ("en", "de"):
            with gzip.open(tmp_path / f"{name}.{side}.gz", "wt") as file:
                file.write(f"{name} {side}\n")
    train, sets = source_length.read_multi30k(tmp_path)
    assert train == [("train en", "train de")]
    assert sets == {
        "val": [("val en", "val de")],
        "test_2016_flickr": [("test_2016_flickr en", "test_2016_flickr de")],
    }
    for path in tmp_path.glob("test*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"test_2016_flickr.*Received: train, val"):
        source_length.read_multi30k(tmp_path)


def write_commands(path, counts):
    """Commands "walk 3 times", so to say, with as many actions."""
    lines = []
    for n in counts:
        for word in WORDS:
            command, actions = [word] + ["again"] * (n - 1), [word.upper()] * n
            lines.append(f"IN: {' '.join(command)} OUT: {' '.join(actions)}\n")
    path.write_text("".join(lines))


@pytest.fixture
def data(tmp_path):
    """A folder with a length split: up to 6 actions, and 24 to 25 of them."""
    folder = tmp_path / "data" / "scan"
    folder.mkdir(parents=True)
    write_commands(folder / "tasks_train_length.txt", range(1, 7))
    write_commands(folder / "tasks_test_length.txt", (24, 25))
    return folder.parent


def test_held_out_commands_are_not_trained_on(source_length, data):
    train, sets = source_length.read_scan(data / "scan")
    held_out = sets["held_out"]
    assert len(train) == len(held_out) == 12 and not set(train) & set(held_out)
    assert sets["test_length"][0] == ("walk" + " again" * 23, "WALK" + " WALK" * 23)
    (data / "scan" / "tasks_test_length.txt").write_text("walk WALK\n")
    with pytest.raises(ValueError, match=r"tasks_test_length.*IN: command OUT"):
        source_length.read_scan(data / "scan")


def test_the_script_trains_scores_and_scores_again(source_length, data, capsys):
    output = data.parent / "results"
    arguments = [
        "--data",
        data,
        "--output",
        output,
        "--tasks",
        "scan",
        "--epochs",
        "1",
        "--units",
        "8",
        "--bootstrap",
        "20",
    ]
    arguments = [str(x) for x in arguments]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "source_length.py", *arguments],
        # What the test run has set would make another process as quiet as this one.
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "scan, attention=none, seed 1",
        "scan, attention=bahdanau, seed 1",
    ]
    assert done.stdout.count("token_accuracy") == 2
    report = json.loads((output / "source_length.json").read_text())
    actual = report["tasks"]["scan"]
    assert actual["sizes"] == {"train": 12, "held_out": 12, "test_length": 8}
    assert sum(actual["train_pairs"]) == 12 and actual["train_pairs"][2:] == [0] * 7
    assert sum(actual["scored_pairs"][:2]) == 12 and actual["scored_pairs"][5] == 8
    none, other = (actual["models"][name] for name in ("none", "bahdanau"))
    assert none["runs"][0]["parameters"] < other["runs"][0]["parameters"]
    assert none["sets"]["test_length"]["signature"].startswith("nrefs:1|bs:20|")
    assert (output / "source_length.png").read_bytes()[:4] == b"\x89PNG"

    models = {path: path.read_bytes() for path in output.rglob("*.keras")}
    assert len(models) == 2
    assert source_length.main([*arguments, "--reuse"]) == 0
    assert "token_accuracy" not in capsys.readouterr().out
    again = json.loads((output / "source_length.json").read_text())["tasks"]["scan"]
    for name, model in actual["models"].items():
        assert again["models"][name]["bins"] == model["bins"]
    assert {path: path.read_bytes() for path in models} == models

    assert source_length.main([*arguments, "--reuse", "--epochs", "2"]) == 2
    assert "a model of other settings" in capsys.readouterr().err


def test_files_that_are_missing_are_named(source_length, tmp_path, capsys):
    arguments = ["--data", str(tmp_path), "--output", str(tmp_path / "results")]
    assert source_length.main([*arguments, "--tasks", "scan"]) == 2
    assert "tasks_train_length.txt" in capsys.readouterr().err
