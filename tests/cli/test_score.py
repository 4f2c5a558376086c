"""`kseq2seq score`: log-probabilities and the perplexity."""

import math


def test_score_prints_log_probability_and_tokens(call, folder, reverser):
    result = call("score", folder, stdin="abc\tde\tignored\n\tf\n")
    assert result.out == "-3.000000\t2\n-0.000000\t1\n"
    assert result.err == f"perplexity {math.exp(3 / 3):.4f} (3 tokens in 2 lines)\n"
