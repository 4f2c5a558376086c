"""Searches from ids to ids, for other runtimes."""

import pytest

from kseq2seq import Search
from kseq2seq.export.ids import search_function


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"shortlist": True}, "shortlist=False .* only a SavedModel has a shortlist"),
        (
            {"replace_unknown": True, "forbid_unknown": False},
            "replace_unknown=False .* writes words",
        ),
    ],
)
def test_what_ids_alone_cannot_say_is_refused(option, match):
    with pytest.raises(ValueError, match=match):
        search_function(None, Search(**option), [None, None])
