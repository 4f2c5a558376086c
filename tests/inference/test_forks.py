"""Forks, in which translators answer by a process of their own."""

import os
import pickle
import signal
import time
from multiprocessing import get_context

import pytest

import kseq2seq
from kseq2seq import Search, Transcriber, Translator
from kseq2seq.inference import SavedTranslator, forks
from translators import TEXTS, tiny_translator

# Python 3.12 warns of forks of processes with threads, which ours are.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork")
SEARCH = Search(beam_size=3, max_length=11)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def in_fork(function):
    """The result of a function in a fork of this process."""
    receiver, sender = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=lambda: sender.send(function()))
    process.start()
    try:
        assert receiver.poll(120), "no answer"
        return receiver.recv()
    finally:
        process.kill()
        process.join()


def error_of(function):
    """The type and the text of what a function raises."""
    try:
        function()
    except Exception as error:
        return type(error).__name__, str(error)
    return None


def test_a_fork_gives_the_answers_of_the_process_that_it_was_forked_from(translator):
    pairs = [("the cat", "die Katze"), ("a dog", "ein Hund")]

    def ask():
        def generated():
            yield from TEXTS[:2]

        return (
            translator.translate(generated(), search=SEARCH),
            translator.score(pairs),
            translator.sample(TEXTS, seed=3),
            error_of(lambda: translator("the cat")),
        )

    expected = ask()
    (translations, *others), process = in_fork(lambda: (ask(), own_process(translator)))
    assert [best.text for best, *_ in translations] == [
        best.text for best, *_ in expected[0]
    ]
    assert translations[0][0].score == pytest.approx(expected[0][0][0].score, rel=1e-5)
    (score, sampled, error) = others
    assert [n for _, n in score] == [n for _, n in expected[1]]
    assert [x for x, _ in score] == pytest.approx([x for x, _ in expected[1]], rel=1e-5)
    assert [one.text for one in sampled] == [one.text for one in expected[2]]
    assert error == expected[3] and error[0] == "ValueError"
    with pytest.raises(ProcessLookupError):  # it ends with the fork
        for _ in range(100):
            os.kill(process, 0)
            time.sleep(0.1)


def own_process(translator):
    return translator.__dict__["_copy_process"]._process.pid


def test_a_process_that_was_killed_is_told_and_followed_by_another(tiny_saved_model):
    saved = Translator.load(tiny_saved_model.parent)

    def interrupt(file):
        raise KeyboardInterrupt

    def ask():
        first = saved(TEXTS[:1])
        killed = saved.__dict__["_copy_process"]
        os.kill(own_process(saved), signal.SIGKILL)
        lost = error_of(lambda: killed.ask(b"a call"))
        second, another = saved(TEXTS[:1]), saved.__dict__["_copy_process"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pickle, "load", interrupt)
            with pytest.raises(KeyboardInterrupt):
                saved(TEXTS[1:2])
        return first, lost, second, another.is_alive()

    first, lost, second, is_alive = in_fork(ask)
    assert first == second == saved(TEXTS[:1])
    kind, text = lost
    assert kind == "RuntimeError" and "its end, with exit status -9" in text
    # Its answer would be taken for that to the next call.
    assert not is_alive


def test_a_process_that_cannot_start_is_told(tiny_saved_model, monkeypatch):
    saved = Translator.load(tiny_saved_model.parent)
    monkeypatch.setattr(forks, "_START", "raise SystemExit(7)")
    kind, text = in_fork(lambda: error_of(lambda: saved(TEXTS[:1])))
    assert kind == "RuntimeError" and "its end, with exit status 7" in text


def test_what_a_fork_cannot_do_is_refused_at_once(translator, tmp_path):
    translator.save(tmp_path / "run")

    def ask():
        return (
            error_of(lambda: Translator.load(tmp_path / "run")),
            error_of(lambda: translator.translate([], search=lambda: None)),
        )

    load, call = in_fork(ask)
    for kind, text in (load, call):
        assert kind == "RuntimeError"
        assert 'get_context("spawn"), or fork first. Received: ' in text
        assert f"a fork of process {os.getpid()}" in text
    assert "a new translator" in load[1]
    assert "arguments of `translate` that cannot be pickled" in call[1]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            Translator,
            "translate run score align encode sample sample_distinct alternatives "
            "export save save_to_preset push",
        ),
        (SavedTranslator, "translate run score align encode sample alternatives"),
        (Transcriber, "transcribe score frames export save"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_method_that_needs_tensorflow_is_sent(monkeypatch, kind, names):
    asked = []

    class Process:
        def __init__(self, translator):
            assert isinstance(translator, kind)

        def is_alive(self):
            return True

        def ask(self, call):
            asked.append(pickle.loads(call))

    monkeypatch.setattr(forks, "_processes", {os.getpid() + 1})
    monkeypatch.setattr(forks, "_CopyProcess", Process)
    translator = object.__new__(kind)
    for name in names.split():
        getattr(translator, name)(iter(["x"]), progress=False)
        assert asked.pop() == (name, [["x"]], {"progress": False})
    with pytest.raises(RuntimeError, match="Received: a new translator"):
        kseq2seq.inference.enter_process()


def test_an_error_that_cannot_be_sent_is_told_in_words():
    class LocalError(Exception):
        pass

    sent = forks._sendable(LocalError("seven"))
    assert isinstance(sent, RuntimeError) and str(sent) == "LocalError: seven"
    error = ValueError("five")
    assert str(forks._sendable(error)) == "five"
