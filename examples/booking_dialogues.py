#!/usr/bin/env python3
"""Makes dialogues in which guests book a table, to train a model that answers them.

    python booking_dialogues.py bookings
    kseq2seq train conversation --data bookings

A guest tells how many persons come, on which day, at what time and by what name, and
may change it. The restaurant asks for what is missing, repeats all of it, and confirms.
Its words follow from the guest's: a reply is right or wrong. The folder gets the files
train.jsonl, validation.jsonl and test.jsonl, a dialogue in each line. No name of the
test is in the others.
"""

import argparse
import json
import random
from pathlib import Path

SLOTS = ("persons", "day", "time", "name")
ASKED = {
    "persons": "For how many persons?",
    "day": "On which day?",
    "time": "At what time?",
    "name": "By what name, please?",
}
# Ways to say a slot in a sentence of its own, and inside of the first one.
SAID = {
    "persons": ("{}", "{} persons", "we are {}", "{} of us, please"),
    "day": ("{}", "on {}", "{} would be good", "on {}, if you can"),
    "time": ("{}", "at {}", "{}, please", "let us say {}"),
    "name": ("{}", "the name is {}", "by {}, please", "{} is my name"),
}
INSIDE = {"persons": "for {}", "day": "on {}", "time": "at {}", "name": "by {}"}
GREETINGS = ("Hello", "Hi", "Good evening", "Good morning")
WISHES = ("I would like a table", "a table, please,", "can we have a table", "a table")
AGREEMENTS = ("Yes.", "That is right.", "Yes, please.", "Exactly.")
CHANGES = ("No, rather {}.", "Sorry, {}.", "Can we make it {}?", "Better {}.")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
BEGINNINGS = ("An", "Ber", "Cor", "Dal", "El", "Fen", "Gar", "Hol", "Is", "Jor", "Kel")
MIDDLES = ("a", "de", "en", "gi", "i", "lo", "ma", "o", "ri", "ta", "u", "ve")
ENDINGS = ("berg", "dahl", "feld", "kin", "land", "mann", "ner", "ro", "sen", "son")
NAMES = [a + b + c for a in BEGINNINGS for b in MIDDLES for c in ENDINGS]
TEST_NAMES = 200


def draw_slot(slot, names, generator):
    """A value of a slot."""
    if slot == "time":
        return f"{generator.randrange(17, 23)}:{generator.choice(['00', '15', '30'])}"
    return generator.choice({"persons": NUMBERS, "day": DAYS, "name": names}[slot])


def repeat(booking):
    """The restaurant's question whether it has understood."""
    persons, day, time, name = (booking[slot] for slot in SLOTS)
    return f"A table for {persons} on {day} at {time}, by {name}. Is that right?"


def make_dialogue(names, generator):
    """The turns of a dialogue, the guest's first."""
    told = [slot for slot in SLOTS if generator.random() < 0.3]
    generator.shuffle(told)
    booking = {slot: draw_slot(slot, names, generator) for slot in told}
    parts = [INSIDE[slot].format(booking[slot]) for slot in told]
    opening = f"{generator.choice(GREETINGS)}, {generator.choice(WISHES)}"
    turns = [" ".join([opening, *parts]).rstrip(",") + "."]
    for slot in SLOTS:
        if slot not in booking:
            booking[slot] = draw_slot(slot, names, generator)
            said = generator.choice(SAID[slot]).format(booking[slot])
            turns += [ASKED[slot], f"{said}."]
    turns.append(repeat(booking))
    while generator.random() < 0.3:
        slot = generator.choice(SLOTS)
        booking[slot] = draw_slot(slot, names, generator)
        said = INSIDE[slot].format(booking[slot])
        turns += [generator.choice(CHANGES).format(said), repeat(booking)]
    goodbye = f"Thank you, {booking['name']}. See you on {booking['day']}!"
    return [*turns, generator.choice(AGREEMENTS), goodbye]


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder to write")
    for part, count in (("train", 4000), ("validation", 200), ("test", 400)):
        parser.add_argument(f"--{part}", type=int, default=count, metavar="DIALOGUES")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    names = list(NAMES)
    random.Random(options.seed).shuffle(names)
    new, known = names[:TEST_NAMES], names[TEST_NAMES:]
    options.folder.mkdir(parents=True, exist_ok=True)
    for part, of_part in (("train", known), ("validation", known), ("test", new)):
        generator = random.Random(f"{options.seed} {part}")
        with (options.folder / f"{part}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(getattr(options, part)):
                turns = make_dialogue(of_part, generator)
                file.write(json.dumps({"turns": turns}) + "\n")
        print(f"{part}: {getattr(options, part)} dialogues", flush=True)


if __name__ == "__main__":
    main()
