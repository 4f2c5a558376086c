"""Searches among the pieces of a shortlist."""

import dataclasses

import numpy as np
import pytest

from kseq2seq import Search
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
