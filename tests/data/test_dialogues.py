"""Dialogues, of text and of JSON Lines, and the pairs made of them."""

import json
import logging

import pytest

from kseq2seq import data
from packed import write

SHOP = ["Hi!", "Hello.", "A pen?", "Here it is.", "Bye."]
TALK = ["How are you?", "Fine."]
TEXT = "\n".join(SHOP) + "\n\n \n" + "\n".join(TALK)


def expected_pairs(dialogues, context_turns, step):
    """Pairs by the definition: of each reply the turns before it."""
    for turns in dialogues:
        for place, reply in enumerate(turns):
            if place and (place - 1) % step == 0:
                first = max(0, place - context_turns)
                yield "/".join(turns[first:place]), reply


@pytest.mark.parametrize("context_turns", [1, 3, 7])
@pytest.mark.parametrize(("replies", "step"), [("all", 1), ("second", 2)])
def test_a_reply_has_the_turns_before_it(tmp_path, context_turns, replies, step):
    text = write(tmp_path / "shop.txt.gz", TEXT + "\n")
    lines = [json.dumps({"turns": turns}) + "\n" for turns in (SHOP, TALK)]
    rows = write(tmp_path / "shop.jsonl.gz", "\n".join(lines))
    expected = [*expected_pairs([SHOP, TALK], context_turns, step)]
    assert len(expected) == (5 if step == 1 else 3)
    for path in (text, rows):
        assert data.read_dialogues(path, context_turns, "/", replies) == expected


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"chat": ["a", "b"]}, "chat"),
        ({"chat": {"turns": ["a", "b"]}}, "chat.turns"),
        ({"chat.turns": ["a", "b"]}, "chat.turns"),
        ({"chat": [{"who": 1, "text": "a"}, {"who": 2, "text": "b"}]}, "chat.text"),
        ({"chat": [{"x": {"y": "a"}}, {"x": {"y": "b"}}]}, "chat.x.y"),
    ],
)
def test_turns_stand_in_any_field(tmp_path, row, turns):
    path = write(tmp_path / "a.ndjson", json.dumps(row))
    assert data.read_dialogues(path, turns=turns) == [("a", "b")]


def test_turns_are_single_lines_and_blank_ones_are_no_pairs(tmp_path, caplog):
    dialogues = [["a\r\nb ", "", "c", "d"], ["alone"], []]
    lines = [json.dumps({"turns": turns}) for turns in dialogues]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    with caplog.at_level(logging.WARNING, "kseq2seq"):
        pairs = data.read_dialogues(path, context_turns=3)
    assert pairs == [("a b", "c"), ("a b | c", "d")]
    assert "left out 2 dialogues without a reply; the first is at line 2" in caplog.text
    assert "left out 1 of 3 pairs" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('["a", "b"]', "expected an object of JSON in each line"),
        ('{"turns": ["a",', r"expected an object .* \(Expecting value"),
        ('{"turns": ' + "[" * 100_000, r"expected an object .* \(maximum recursion"),
        (
            '{"said": ["a"]}',
            "list of turns in .* 'turns'. Received: fields said",
        ),
        ('{"turns": "a"}', "expected a list of turns in the field 'turns'"),
        ('{"turns": ["a", 3]}', "text in the field 'turns'. Received: 3. .* by turns"),
        ('{"turns": [{"text": "a"}]}', "text in the field 'turns'. Received: {'text"),
    ],
)
def test_errors_name_file_and_line(tmp_path, line, message):
    first = json.dumps({"turns": TALK})
    path = write(tmp_path / "a.jsonl", f"{first}\n\n{line}")
    with pytest.raises(data.DataError, match=rf"a\.jsonl:3: .*{message}"):
        data.read_dialogues(path)


def test_an_object_without_the_text_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", json.dumps({"turns": [{"role": "x"}]}))
    with pytest.raises(data.DataError, match=r":1: .*'text'. Received: fields role"):
        data.read_dialogues(path, turns="turns.text")


def test_text_without_dialogues_is_refused(tmp_path):
    path = write(tmp_path / "a.txt", "one\n\ntwo\n\nthree\n")
    with pytest.raises(data.DataError, match=r"a\.txt:1: .* Received: 3 of one turn"):
        data.read_dialogues(path)
    path = write(tmp_path / "a.txt", "\n\n")
    with pytest.raises(data.DataError, match=r"a\.txt: .* Received: 0 of one turn"):
        data.read_dialogues(path)
    dialogues = [{"turns": TALK}]
    for content in (
        json.dumps(dialogues[0]), json.dumps(dialogues), json.dumps(dialogues, indent=2)
    ):  # fmt: skip
        path = write(tmp_path / "a.json", content)
        with pytest.raises(data.DataError, match=r"a\.json:1: .* ends in \.jsonl"):
            data.read_dialogues(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_turns": 0}, "context_turns` must be an integer of at least 1"),
        ({"separator": ""}, "separator` must hold one character or more"),
        ({"replies": "third"}, "replies` must be one of all, second"),
        ({"turns": "a..b"}, r"turns` must be the name of a field.*'a\.\.b'"),
    ],
)
def test_arguments_are_checked(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        data.read_dialogues(write(tmp_path / "a.txt", TEXT), **options)


def test_a_context_is_joined_as_in_training(tmp_path):
    path = write(tmp_path / "a.txt", TEXT)
    for context_turns in (1, 3):
        pairs = data.read_dialogues(path, context_turns, " # ")
        for place in range(1, len(SHOP)):
            joined = data.join_turns(SHOP[:place], context_turns, " # ")
            assert (joined, SHOP[place]) == pairs[place - 1]
    assert data.join_turns(["a\nb", " ", "c"], 3) == "a b | c"
    for turns in ([], "ab", [3]):
        with pytest.raises(ValueError, match="must be a list of strings"):
            data.join_turns(turns)
