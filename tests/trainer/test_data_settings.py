"""Settings of streams and tables, and those that they are refused with."""

import pytest

from kseq2seq import trainer
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import read_settings

DATES = trainer.find_recipe("dates")
STREAM = (
    "data.stream=true",
    "data.format=tsv",
    'data.train=["a", "b"]',
    "data.validation=c",
    "training.steps_per_epoch=6",
)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (("data.format=dates",), "one of the formats parallel, tsv, jsonl, tfds"),
        (("data.validation=[]",), r"needs data\.validation.*Received: \[\] and 6"),
        (("training.steps_per_epoch=0",), r"Received: \['c'\] and 0"),
        (("data.limit=7",), "data.limit is for data in memory.*Received: 7"),
        (("data.train=[]",), "must name what to stream.* Received: \\[\\]"),
        (("data.format=parallel", 'data.train=["a", "b", "c"]'), "'parallel' by twos"),
        (("data.weights=[1, 2, 3]",), "as many as data.train has corpora, 2"),
        (("data.stream=false", "data.weights=[1, 2]"), "set data.stream to true"),
        (("training.steps_per_execution=4",), "multiple of .*Received: 6 and 4"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(changes, match):
    settings = read_settings(DATES, [*STREAM, "data.weights=[3, 0.5]"])
    assert settings.data.weights == (3, 0.5)
    with pytest.raises(SettingsError, match=match) as error:
        read_settings(DATES, [*STREAM, *changes])
    assert len(error.value.messages) == 1


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            ("data.header=1",),
            r"`data\.header` must be true, false or 'auto'. Received: data\.header=1",
        ),
        (
            ("data.quoting=yes",),
            r"`data\.quoting` must be .* Received: data\.quoting='yes'",
        ),
        (
            ("data.format=jsonl", 'data.columns=["a", "b"]', "data.header=false"),
            r"data\.header is for the format 'tsv'",
        ),
        (
            ("data.format=parallel", "data.quoting=true"),
            r"data\.quoting is for the format 'tsv'.*data\.format='parallel'",
        ),
        (
            ("data.header=false", 'data.columns=["a", "b"]'),
            r"data\.header cannot be false with names.*\['a', 'b'\]",
        ),
    ],
)
def test_what_is_said_of_tables_is_of_tables(changes, match):
    settings = read_settings(DATES, [*STREAM, "data.header=true", "data.quoting=false"])
    assert (settings.data.header, settings.data.quoting) == (True, False)
    settings = read_settings(DATES, [*STREAM, "data.header=auto"])
    assert (settings.data.header, settings.data.quoting) == ("auto", "auto")
    with pytest.raises(SettingsError, match=match):
        read_settings(DATES, [*STREAM, *changes])
