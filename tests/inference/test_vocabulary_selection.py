"""Searches among the pieces of a shortlist."""

import dataclasses

import numpy as np
import pytest

from kseq2seq import Search
from kseq2seq.inference.shortlists import measure_shortlist
from kseq2seq.inference.vocabulary_selection import (
    VocabularySelection,
    select_vocabulary,
)
from kseq2seq.runs import Shortlist
from kseq2seq.utils import EOS_ID, PAD_ID
from shortlists import assert_equal, searched, text_to_text
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=3, num_hypotheses=3, max_length=9, shortlist=True)


@pytest.fixture(scope="module")
def plain():
    return tiny_translator()


def test_a_shortlist_of_all_pieces_changes_nothing(plain):
    table = np.zeros((plain.source_tokenizer.vocabulary_size, 1), "int32")
    pieces = np.arange(plain.target_tokenizer.vocabulary_size, dtype="int32")
    graphs = text_to_text(plain, shortlist=Shortlist(table, pieces))
    without = dataclasses.replace(SEARCH, shortlist=False)
    assert_equal(searched(graphs, TEXTS, SEARCH), searched(graphs, TEXTS, without))


def test_rows_write_pieces_of_their_own(plain):
    """Which their source gives, beside the frequent ones and those that are wanted."""
    rng = np.random.default_rng(5)
    sizes = plain.source_tokenizer.vocabulary_size, plain.target_tokenizer
    table = rng.integers(EOS_ID + 1, sizes[1].vocabulary_size, (sizes[0], 2))
    table[PAD_ID] = PAD_ID  # as of any piece that was linked to none
    shortlist = Shortlist(table.astype("int32"), np.array([7], "int32"))
    graphs = text_to_text(plain, shortlist=shortlist)
    texts = TEXTS[2:4]
    written = searched(graphs, texts, SEARCH).ids.numpy()
    for row, text in enumerate(texts):
        source = plain.source_tokenizer.tokenize([text])[0].numpy()
        own = {*range(EOS_ID + 1), 7, *table[source].ravel().tolist()}
        assert {*written[row].ravel().tolist()} <= own
        # Not all of what another row may write.
        assert len(own) < sizes[1].vocabulary_size


def test_padding_gives_no_pieces(plain):
    """Or a row would have those of PAD beside a longer one, and lack them alone."""
    size = plain.target_tokenizer.vocabulary_size
    table = np.zeros((plain.source_tokenizer.vocabulary_size, size), "int32")
    table[:, 0] = 7
    table[PAD_ID] = np.arange(size)
    shortlist = Shortlist(table, np.array([8], "int32"))
    graphs = text_to_text(plain, shortlist=shortlist)
    short, long = sorted(TEXTS[2:4], key=len)
    together = searched(graphs, [short, long], SEARCH)
    alone = searched(graphs, [short], SEARCH)
    assert_equal([x[:1] for x in together], list(alone))
    report = measure_shortlist(graphs, shortlist, [(short, "heim"), (long, "heim")])
    assert report.columns_of_batch == EOS_ID + 3  # those of padding would be all


def test_models_and_shortlists_that_do_not_fit_are_refused(plain):
    with pytest.raises(ValueError, match="'kseq2seq shortlist RUN' makes.*no shortl"):
        select_vocabulary([plain.model], None, None)
    shortlist = Shortlist(np.zeros((5, 1), "int32"), np.zeros(0, "int32"))
    for count, types in ((2, ("float32", "float32")), (1, ("int8", "int8"))):
        received = f"{count} models, weights='{types[0]}', products='{types[1]}'"
        with pytest.raises(ValueError, match=f"needs a single model.*: {received}"):
            VocabularySelection([plain.model] * count, shortlist, None, *types)
    with pytest.raises(ValueError, match="Received: "):
        VocabularySelection([plain.model], shortlist, None)
