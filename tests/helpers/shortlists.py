"""Searches by a shortlist without a graph of their own."""

from functools import partial

import numpy as np
import tensorflow as tf

from kseq2seq import Search
from kseq2seq.decoding import search_ids
from kseq2seq.inference import TextToText


def text_to_text(translator, **options):
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    return TextToText([translator.model], *tokenizers, Search(), **options)


def searched(graphs, texts, search):
    """Hypotheses of texts, without a graph of the whole search."""
    source = graphs.source_ids(tf.constant(texts)).ids
    start = partial(graphs.start, alignments=True, shortlist=search.shortlist)
    return search_ids(start, source, search)


def assert_equal(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        size = tuple(map(min, a.shape, b.shape))  # of batches of unequal lengths
        cut = tuple(map(slice, size))
        np.testing.assert_allclose(a[cut], b[cut], atol=1e-4)
