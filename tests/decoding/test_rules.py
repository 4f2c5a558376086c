import numpy as np
import pytest

from kseq2seq.decoding import beam_search, greedy_search, sample
from search_oracles import (
    B,
    Tables,
)

ERRORS = [
    (beam_search, {"beam_size": 0}, "`beam_size` .* of at least 1.*beam_size=0"),
    (beam_search, {"beam_size": 2.5}, "beam_size=2.5"),
    (beam_search, {"beam_size": True}, "beam_size=True"),
    (beam_search, {"num_hypotheses": 0}, "`num_hypotheses`.*num_hypotheses=0"),
    (
        beam_search,
        {"num_hypotheses": 4},
        "at most `beam_size`; raise.*num_hypotheses=4, beam_size=3",
    ),
    (beam_search, {"length_penalty": -0.5}, "at least 0.*length_penalty=-0.5"),
    (beam_search, {"length_penalty": "0"}, "length_penalty='0'"),
    (beam_search, {"coverage_penalty": -1}, "at least 0.*coverage_penalty=-1"),
    (beam_search, {"coverage_penalty": float("nan")}, "coverage_penalty=nan"),
    (sample, {"num_samples": 0}, "`num_samples`.*num_samples=0"),
    (sample, {"seed": None}, "one of `seed` and `uniform`.*seed=None, uniform=None"),
    (sample, {"seed": 1.5}, "`seed` must.*or a `keras.random.SeedGen.*seed=1.5 of"),
    (sample, {"seed": True}, "seed=True of type bool"),
    (sample, {"temperature": 0.0}, "number above 0.*temperature=0.0"),
    (sample, {"temperature": float("inf")}, "finite number above 0.*temperature=inf"),
    (sample, {"top_k": 0}, "`top_k`.*top_k=0"),
    (sample, {"top_p": 0.0}, "above 0 and at most 1.*top_p=0.0"),
    (sample, {"top_p": 1.5}, "above 0 and at most 1.*top_p=1.5"),
    (greedy_search, {"max_length": 0}, "`max_length`.*at least 1.*max_length=0"),
    (greedy_search, {"max_length": 2.0}, "`max_length`.*or an integer tensor.*=2.0"),
    (
        greedy_search,
        {"max_length": np.ones((B, 1), int)},
        r"\(3,\).*\(3, 1\)",
    ),
    (greedy_search, {"max_length": np.ones(B)}, "an integer tensor.*max_length"),
    (greedy_search, {"max_length": np.ones(2, int)}, r"`max_length`.*\(3,\).*\(2,\)"),
    (greedy_search, {"min_length": -1}, "`min_length`.*at least 0.*min_length=-1"),
    (greedy_search, {"min_length": 9}, "min_length=9, max_length=5"),
    (greedy_search, {"eos_id": -1}, "`eos_id`.*eos_id=-1"),
    (greedy_search, {"bos_id": None}, "`bos_id`.*bos_id=None"),
    (greedy_search, {"forbidden_ids": (0, "a")}, "`forbidden_ids`.*, 'a'"),
    (greedy_search, {"forbidden_ids": 2}, "`forbidden_ids`.*forbidden_ids=2"),
    (greedy_search, {"forbidden_ids": (7,)}, "ids of the vocabulary.*id=7.*gives 7"),
    (greedy_search, {"initial_state": ()}, "one or more tensors.*initial_state=.."),
    (greedy_search, {"initial_state": None}, "one or more tensors.*state=None"),
    (
        greedy_search,
        {"initial_state": [np.ones((B, 2)), np.ones((B + 1, 2))]},
        r"of one batch size, on their first axis.*batch sizes \[3, 4\]",
    ),
]


@pytest.mark.parametrize("search, options, message", ERRORS)
def test_bad_arguments(search, options, message):
    model = Tables(15)
    defaults = {"initial_state": model.initial_state(), "max_length": 5}
    defaults |= {beam_search: {"beam_size": 3}, sample: {"seed": 0}}.get(search, {})
    with pytest.raises(ValueError, match=message):
        search(model.step, **(defaults | options))


def test_the_source_mask_must_fit():
    model = Tables(17)
    with pytest.raises(ValueError, match=r"`source_mask`.*Received.*\(3, 4\)"):
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=2,
            max_length=5,
            coverage_penalty=0.1,
            source_mask=model.mask[:, :4],
        )
