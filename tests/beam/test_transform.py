"""Translation in Beam's DirectRunner; skipped without the extra `beam`."""

# ruff: noqa: E402  # Beam is looked for first

import json
import runpy
import shutil

import pytest

beam = pytest.importorskip("apache_beam")

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from kseq2seq import Search, Translator
from kseq2seq.beam import Translate
from paths import ROOT
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=3, num_hypotheses=2, max_length=11)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beam") / "saved"
    tiny_translator().export(folder, SEARCH)
    return folder


def pipeline(*, options=()):
    # The runner in this process, not one that is downloaded.
    return beam.Pipeline("FnApiRunner", PipelineOptions(options))


def rounded(row):
    for translation in row["translations"]:
        translation["score"] = round(translation["score"], 4)
    return row


def test_rows_keep_their_keys_and_get_translations(saved):
    expected = Translator.load(saved).translate(TEXTS)
    rows = [{"id": n, "line": text} for n, text in enumerate(TEXTS)]
    with pipeline() as p:
        translated = p | beam.Create(rows) | Translate(saved, text="line")
        wanted = [
            {**row, "translations": [
                {"text": x.text, "score": round(x.score, 4)} for x in best_first
            ]}
            for row, best_first in zip(rows, expected, strict=True)
        ]  # fmt: skip
        assert max(len(row["translations"]) for row in wanted) == 2
        assert_that(translated.rows | beam.Map(rounded), equal_to(wanted))
        assert_that(translated.rejected, equal_to([]), label="nothing rejected")


def test_bad_rows_go_to_an_output_of_their_own_with_the_reason(saved):
    rows = ["a dog", 5, None, {"id": 1}, {"text": b"a dog"}, {"text": "a" * 31},
            {"text": "we go", "tags": 3}, {}, "",
            {"text": "we go", "translations": "mine"}]  # fmt: skip
    with pipeline() as p:
        transform = Translate(saved, features="tags", max_characters=30)
        # The model reads no features; nobody asks it here.
        checked = p | beam.Create(rows) | beam.ParDo(transform._check).with_outputs()
        reasons = checked.rejected | beam.Map(lambda x: (repr(x["row"]), x["reason"]))
        wanted = [
            ("5", "A row must be a text or a dict. Received: int"),
            ("None", "A row must be a text or a dict. Received: NoneType"),
            ("{'id': 1}", "A row must have the key 'text'. Received: 'id'"),
            ("{}", "A row must have the key 'text'. Received: none"),
            ("{'text': b'a dog'}", "'text' must be a text. Received: bytes"),
            (
                repr({"text": "a" * 31}),
                "'text' must have at most 30 characters. Received: 31",
            ),
            (
                "{'text': 'we go', 'tags': 3}",
                "'tags' must be a text, or missing. Received: int",
            ),
            (
                "{'text': 'we go', 'translations': 'mine'}",
                "A row must not have the key 'translations', which the result adds: "
                "rename it first. Received: 'mine'",
            ),
        ]
        assert_that(reasons, equal_to(wanted))
        assert_that(
            checked[None], equal_to([{"text": "a dog"}, {"text": ""}]), label="good"
        )
    counters = p.result.metrics().query()["counters"]
    counted = {x.key.metric.name: x.committed for x in counters}
    assert counted["translated"] == 2 and counted["rejected"] == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_hypotheses", 0), ("threads", 0.5), ("max_characters", -1),
     ("alignments", 1), ("batch_size", 0)],
)  # fmt: skip
def test_arguments_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        Translate("saved", **{name: value})


def test_more_translations_than_a_saved_model_gives_are_refused(saved, tmp_path):
    Translate(saved, num_hypotheses=2)
    Translate(saved, num_hypotheses=1, alignments=True)
    with pytest.raises(ValueError, match="at most 2, as many as.* for .*saved"):
        Translate(saved, num_hypotheses=3)
    with pytest.raises(ValueError, match="at most 1, beside `alignments`.*: num_hy"):
        Translate(saved, num_hypotheses=2, alignments=True)
    # What is not here, or does not tell, may be right for the workers.
    Translate(tmp_path, num_hypotheses=97)
    other = shutil.copytree(saved / "1", tmp_path / "1")
    (other / "assets.extra" / "kseq2seq.json").write_text("{}")
    Translate(tmp_path, num_hypotheses=97)


def test_the_example_reads_and_writes_jsonl_and_text(saved, tmp_path):
    main = runpy.run_path(str(ROOT / "examples" / "beam_translate.py"))["main"]
    expected = [best.text for best, *_ in Translator.load(saved).translate(TEXTS)]
    runner = ["--runner", "FnApiRunner"]
    objects = [json.dumps({"en": text}) for text in TEXTS]
    (tmp_path / "in.jsonl").write_text("\n".join([*objects, "{", '{"de": 1}']))
    files = ["--input", f"{tmp_path}/in.jsonl", "--output", f"{tmp_path}/json"]
    main([str(saved), *files, "--text", "en", "--num-hypotheses", "1", *runner])
    rows = [json.loads(line) for line in lines_of(tmp_path, "json-0*")]
    actual = sorted((row["en"], row["translations"][0]["text"]) for row in rows)
    assert actual == sorted(zip(TEXTS, expected, strict=True))
    rejected = [json.loads(line) for line in lines_of(tmp_path, "json-rejected-*")]
    assert sorted(str(x["row"]) for x in rejected) == ["{", "{'de': 1}"]
    (tmp_path / "in.txt").write_bytes("\n".join(TEXTS).encode() + b"\n\xff\n")
    files = ["--input", f"{tmp_path}/in.txt", "--output", f"{tmp_path}/text"]
    main([str(saved), *files, *runner])
    actual = sorted(line.split("\t") for line in lines_of(tmp_path, "text-0*"))
    assert actual == sorted(map(list, zip(TEXTS, expected, strict=True)))
    assert "invalid start byte" in lines_of(tmp_path, "text-rejected-*")[0]
    # Beam deletes these before it writes `text`, the rejected lines among them.
    assert len([*tmp_path.glob("text-*-of-00001")]) == 1
    for option in (["--num-hypotheses", "2"], ["--features", "tags"]):
        with pytest.raises(SystemExit):
            main([str(saved), *files, *option, *runner])


def test_the_example_begins_anew_when_a_worker_is_lost(saved, tmp_path, capsys):
    main = runpy.run_path(str(ROOT / "examples" / "beam_translate.py"))["main"]
    plain, begun = main.__globals__["run"], []

    def run(*arguments):
        begun.append(arguments)
        if len(begun) < 3:
            raise RuntimeError("in a worker\nChannel closed prematurely.")
        plain(*arguments)

    main.__globals__["run"] = run
    (tmp_path / "in.txt").write_text("\n".join(TEXTS))
    files = ["--input", f"{tmp_path}/in.txt", "--output", f"{tmp_path}/out"]
    words = [str(saved), *files, "--runner", "FnApiRunner"]
    with pytest.raises(RuntimeError, match="Channel closed prematurely"):
        main(words)
    assert len(begun) == 2 and not [*tmp_path.glob("out*")]
    main(words)
    assert len(begun) == 3 and len(lines_of(tmp_path, "out-0*")) == len(TEXTS)
    assert "begins anew after: Channel closed prematurely.\n" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--attempts", "0"])


def test_the_example_reads_and_writes_avro(saved, tmp_path):
    fastavro = pytest.importorskip("fastavro")
    main = runpy.run_path(str(ROOT / "examples" / "beam_translate.py"))["main"]
    schema = {
        "name": "row",
        "type": "record",
        "fields": [
            {"name": "id", "type": "int"},
            {"name": "en", "type": ["null", "string"]},
        ],
    }
    rows = [{"id": n, "en": text} for n, text in enumerate([*TEXTS, None])]
    with (tmp_path / "in.avro").open("wb") as file:
        fastavro.writer(file, schema, rows)
    files = ["--input", f"{tmp_path}/in.avro", "--output", f"{tmp_path}/out"]
    main([str(saved), *files, "--text", "en", "--runner", "FnApiRunner"])
    (path,) = tmp_path.glob("out-0*")
    with path.open("rb") as file:
        actual = sorted(fastavro.reader(file), key=lambda row: row["id"])
    expected = Translator.load(saved).translate(TEXTS)
    assert [row["en"] for row in actual] == TEXTS
    for row, best_first in zip(actual, expected, strict=True):
        assert [x["text"] for x in row["translations"]] == [x.text for x in best_first]
    (rejected,) = map(json.loads, lines_of(tmp_path, "out-rejected-*"))
    assert rejected["row"] == {"id": len(TEXTS), "en": None}


def lines_of(folder, pattern):
    return [
        line for path in folder.glob(pattern) for line in path.read_text().splitlines()
    ]
