"""`kseq2seq score`: log-probabilities."""

import math


def test_score_prints_log_probability_and_tokens(call, folder, reverser):
    result = call("score", folder, stdin="abc\tde\tignored\n\tf\n")
    assert result.out == "-3.000000\t2\n-0.000000\t1\n"
    assert result.err == f"perplexity {math.exp(3 / 3):.4f} (3 tokens in 2 lines)\n"


def test_long_sides_are_cut_and_told(call, folder, reverser):
    result = call("score", folder, "--max-characters", 2, stdin="abc\tde\nf\tghi\n")
    assert result.out == "-2.000000\t2\n-1.000000\t2\n"
    assert "source 1 is cut to the first 2 of its 3 characters" in result.err
    assert "target 2 is cut to the first 2 of its 3 characters" in result.err
