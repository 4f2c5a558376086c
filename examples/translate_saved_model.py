#!/usr/bin/env python3
"""Translates sentences by a SavedModel, in Python with TensorFlow alone.

    pip install tensorflow tensorflow-text
    python translate_saved_model.py saved_models/dates/1 "4 March 2017"

Neither kseq2seq nor Keras is needed. Without sentences they are read from standard
input, one a line.
"""

import argparse
import sys


def load(path):
    """The function of the signature `serving_default`."""
    import tensorflow as tf

    # Registers the operations of the tokenizers. Without it loading fails: "Op type not
    # registered 'SentencepieceOp'".
    import tensorflow_text  # noqa: F401

    loaded = tf.saved_model.load(path)
    translate = loaded.signatures["serving_default"]
    translate.loaded = loaded  # a function alone does not keep its variables
    return translate


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", help="folder of a version: saved_models/dates/1")
    parser.add_argument("sentence", nargs="*", help="default: lines of standard input")
    options = parser.parse_args(arguments)
    sentences = options.sentence or [line.rstrip("\r\n") for line in sys.stdin]
    translate = load(options.path)

    import tensorflow as tf

    outputs = translate(text=tf.constant(sentences, tf.string))
    for translation in outputs["translation"].numpy():
        print(translation.decode())


if __name__ == "__main__":
    main()
