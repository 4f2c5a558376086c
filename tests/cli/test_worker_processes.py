"""Worker processes: order, deaths, errors. Each takes 0.2 s to start."""

import multiprocessing
import os

import pytest

import workers
from kseq2seq.cli.worker_processes import map_in_processes

TEXTS = [f"{chr(97 + n % 26)}{n}" for n in range(23)]


def test_results_are_in_order_whoever_dies(tmp_path):
    texts = [*TEXTS[:7], "kill", *TEXTS[7:]]
    share = max(1, os.cpu_count() // 2)
    taken = []

    def items():
        for text in texts:
            taken.append(text)
            yield text

    results = map_in_processes(workers.reverser, (str(tmp_path),), items(), 2)
    actual, ahead = [], []
    for result in results:
        actual.append(result)
        ahead.append(len(taken) - len(actual))
    assert actual == [f"{text[::-1]} by {share}" for text in texts]
    assert max(ahead) <= 4  # two for each process, however slow one of them is
    assert (tmp_path / "kill").read_text() == "."
    assert not multiprocessing.active_children()


def test_two_deaths_at_one_item_are_an_error(tmp_path):
    results = map_in_processes(
        workers.reverser, (str(tmp_path),), ["ab", "killkill", "cd"], 2
    )
    assert next(results).startswith("ba")
    with pytest.raises(ValueError, match=r"at killkill \(killed by signal 9\), and so"):
        list(results)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("folder", "texts", "match"),
    [
        ("die", ["a"], r"while it started \(exit code 3\)\. If memory is short, ask"),
        ("fail", ["a"], "^no such model$"),
        ("", ["a", "wrong", "c"], "^no translation of wrong$"),
    ],
)
def test_errors_reach_the_caller(folder, texts, match):
    with pytest.raises(ValueError, match=match):
        list(map_in_processes(workers.reverser, (folder,), texts, 2))
    assert not multiprocessing.active_children()


def test_no_items_have_no_results():
    assert not list(map_in_processes(workers.reverser, ("",), [], 2))
