#!/usr/bin/env python3
"""Translates files of text, JSONL or Avro in a pipeline of Apache Beam.

    pip install "kseq2seq[beam]"
    python beam_translate.py saved_models/dates --input "in/*.txt" --output out/dates
    python beam_translate.py saved_models/dates --input "in/*.jsonl" --text english ...

Text becomes lines of source TAB translation; JSONL (.jsonl) and Avro (.avro) the same
rows with a list `translations`. What cannot be translated goes to
OUTPUT-rejected-*.jsonl, with the reason. Rows keep no order. Other options are those of
the pipeline, such as `--direct_num_workers 2 --direct_running_mode multi_processing`.
"""

import argparse
import json
import sys

import apache_beam as beam
import fastavro
from apache_beam.coders import BytesCoder
from apache_beam.io import ReadFromAvro, ReadFromText, WriteToAvro, WriteToText
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from kseq2seq.beam import Translate

TRANSLATION = {
    "name": "translation",
    "type": "record",
    "fields": [{"name": "text", "type": "string"}, {"name": "score", "type": "double"}],
}
TRANSLATIONS = {
    "name": "translations",
    "type": {"type": "array", "items": TRANSLATION},
}


class ReadRow(beam.DoFn):
    """Bytes of a line to a text or an object; what is neither to `rejected`."""

    def __init__(self, is_json):
        super().__init__()
        self.is_json = is_json

    def process(self, line):
        try:
            text = line.decode("utf-8")
            yield json.loads(text) if self.is_json else text
        except ValueError as error:  # of UTF-8 or JSON
            row = line.decode("utf-8", "replace")
            rejected = {"row": row, "reason": str(error)}
            yield beam.pvalue.TaggedOutput("rejected", rejected)


def as_tsv(row):
    return f"{row['text']}\t{row['translations'][0]['text']}"


def as_json(row):
    return json.dumps(row, ensure_ascii=False, default=str)


def avro_schema(pattern):
    """The schema of the first of the files, with translations."""
    (match,) = FileSystems.match([pattern])
    with FileSystems.open(match.metadata_list[0].path) as file:
        schema = fastavro.reader(file).writer_schema
    return {**schema, "fields": [*schema["fields"], TRANSLATIONS]}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("path", help="SavedModel or run folder, on every worker")
    add("--input", required=True, help="files, with * and ?")
    add("--output", required=True, help="beginning of the files' names")
    add("--text", default="text", help="key of the text in a row")
    add("--features", help="key of its features")
    add("--num-hypotheses", type=int)
    add("--threads", type=int, help="threads of one operation")
    add("--attempts", type=int, default=2, help="if workers are lost (default: 2)")
    options, others = parser.parse_known_args(arguments)
    if options.attempts < 1:
        parser.error("--attempts must be at least 1")
    of_rows = options.features, options.num_hypotheses
    if of_rows != (None, None) and not options.input.endswith((".jsonl", ".avro")):
        parser.error("--features and --num-hypotheses are for .jsonl and .avro")
    for left in reversed(range(options.attempts)):
        try:
            return run(options, others)
        except RuntimeError as error:  # files are written at the end alone
            if not left:
                raise
            reason = str(error).strip().rpartition("\n")[2]
            print(f"{parser.prog}: begins anew after: {reason}", file=sys.stderr)


def run(options, others):
    """Runs the pipeline, with the options of this program and those of Beam."""
    is_avro = options.input.endswith(".avro")
    is_json = options.input.endswith(".jsonl")
    translate = Translate(
        options.path,
        text=options.text if is_avro or is_json else "text",
        features=options.features,
        num_hypotheses=options.num_hypotheses,
        threads=options.threads,
    )
    with beam.Pipeline(options=PipelineOptions(others)) as pipeline:
        if is_avro:
            translated = pipeline | ReadFromAvro(options.input) | translate
            write = WriteToAvro(options.output, avro_schema(options.input))
            _ = translated.rows | "Write" >> write
            rejected = translated.rejected
        else:
            lines = pipeline | ReadFromText(options.input, coder=BytesCoder())
            read = lines | "Read" >> beam.ParDo(ReadRow(is_json)).with_outputs(
                "rejected", main="rows"
            )
            translated = read.rows | translate
            written = translated.rows | beam.Map(as_json if is_json else as_tsv)
            _ = written | "Write" >> WriteToText(options.output)
            rejected = (read.rejected, translated.rejected) | beam.Flatten()
        # The suffix keeps it from the files OUTPUT-*, which "Write" deletes first.
        write = WriteToText(f"{options.output}-rejected", ".jsonl")
        _ = rejected | "As JSON" >> beam.Map(as_json) | "Write rejected" >> write


if __name__ == "__main__":
    main()
