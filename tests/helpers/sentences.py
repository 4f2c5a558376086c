"""Hypotheses of five sentences and their accepted references."""

import itertools

HYPOTHESES = [
    "The cat sat on a mat.",
    "Zwei Hunde laufen durch den Schnee",
    "Ein Mädchen liest.",
    "",
    "a man in red is riding his bike",
]
# 1, 3, 2, 1 and 2 accepted references.
REFERENCES = [
    ["The cat sat on the mat."],
    [
        "Zwei Hunde rennen durch Schnee",
        "Hunde laufen im Schnee",
        "Zwei Hunde im Schnee",
    ],
    ["Ein Mädchen liest.", "Ein Mädchen liest ein Buch."],
    ["Nothing was said."],
    ["a man in red rides his bike", "on his bike a man in red is riding"],
]
FIRST = [references[0] for references in REFERENCES]
STREAMS = list(itertools.zip_longest(*REFERENCES))  # None where there is no more
ERROR_RATES = ("word_error_rate", "character_error_rate", "phone_error_rate")
