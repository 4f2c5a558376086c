#!/usr/bin/env python3
"""Translates files of text or JSONL in a pipeline of Apache Beam.

    pip install kseq2seq[beam]
    python beam_translate.py saved_models/dates --input "in/*.txt" --output out/dates
    python beam_translate.py saved_models/dates --input "in/*.jsonl" --text english ...

Text becomes lines of source TAB translation, JSONL the same objects with a list
`translations`; objects of what cannot be translated, with the reason, go to
OUTPUT-rejected. Lines keep no order. Other options are those of the pipeline, such as
`--direct_num_workers 2 --direct_running_mode multi_processing`.
"""

import argparse
import json

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.io import ReadFromText, WriteToText
from apache_beam.options.pipeline_options import PipelineOptions

from kseq2seq.beam import Translate


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
            yield beam.pvalue.TaggedOutput("rejected", as_rejected(row, error))


def as_rejected(row, reason):
    return {"row": row, "reason": str(reason)}


def as_tsv(row):
    return f"{row['text']}\t{row['translations'][0]['text']}"


def as_json(row):
    return json.dumps(row, ensure_ascii=False)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", help="SavedModel or run folder, on every worker")
    parser.add_argument("--input", required=True, help="files, with * and ?")
    parser.add_argument("--output", required=True, help="beginning of the files' names")
    parser.add_argument("--text", help="key of the text: read and write JSONL")
    parser.add_argument("--features", help="key of its features")
    parser.add_argument("--num-hypotheses", type=int)
    parser.add_argument("--alignments", action="store_true")
    parser.add_argument("--threads", type=int, help="threads of one operation")
    options, others = parser.parse_known_args(arguments)
    is_json = options.text is not None
    translate = Translate(
        options.path,
        text=options.text or "text",
        features=options.features,
        num_hypotheses=options.num_hypotheses,
        alignments=options.alignments,
        threads=options.threads,
    )
    with beam.Pipeline(options=PipelineOptions(others)) as pipeline:
        lines = pipeline | ReadFromText(options.input, coder=BytesCoder())
        read = lines | "Read" >> beam.ParDo(ReadRow(is_json)).with_outputs(
            "rejected", main="rows"
        )
        translated = read.rows | translate
        written = translated.rows | beam.Map(as_json if is_json else as_tsv)
        _ = written | "Write" >> WriteToText(options.output)
        rejected = (read.rejected, translated.rejected) | beam.Flatten()
        written = rejected | "Format rejected" >> beam.Map(as_json)
        _ = written | "Write rejected" >> WriteToText(f"{options.output}-rejected")


if __name__ == "__main__":
    main()
