"""Every mechanism of attention; a new one joins the tests of all by a row here."""

from kseq2seq import layers

# Different from all other sizes in the tests that use it, as are the dropouts' rates.
U = 19

# From keyword arguments of any layer; query and key are of equal size in the tests.
MECHANISMS = {
    "bahdanau": lambda **kw: layers.BahdanauAttention(U, **kw),
    "bahdanau_normalize": lambda **kw: layers.BahdanauAttention(
        U, True, True, dropout=0.3, seed=7, bias_initializer="ones", **kw
    ),
    "bahdanau_sparsemax": lambda **kw: layers.BahdanauAttention(
        U, probability_fn="sparsemax", temperature=0.7, **kw
    ),
    "luong_dot": lambda **kw: layers.LuongAttention("dot", use_scale=True, **kw),
    "luong_general": lambda **kw: layers.LuongAttention(
        "general", kernel_initializer="he_normal", **kw
    ),
    "luong_concat": lambda **kw: layers.LuongAttention("concat", U, dropout=0.3, **kw),
    "luong_scaled_dot": lambda **kw: layers.LuongAttention(
        "scaled_dot", temperature=1.7, **kw
    ),
    "luong_scaled_general": lambda **kw: layers.LuongAttention("scaled_general", **kw),
    "luong_entmax15": lambda **kw: layers.LuongAttention(
        "general", probability_fn="entmax15", **kw
    ),
    "luong_hardmax": lambda **kw: layers.LuongAttention(
        "general", probability_fn="hardmax", **kw
    ),
    "location": lambda **kw: layers.LocationSensitiveAttention(U, 3, 5, **kw),
    "location_cumulative": lambda **kw: layers.LocationSensitiveAttention(
        U, 3, 7, cumulative=True, normalize=True, dropout=0.3, **kw
    ),
    "coverage": lambda **kw: layers.CoverageAttention(U, loss_weight=0.7, **kw),
    "coverage_fertility": lambda **kw: layers.CoverageAttention(
        U, max_fertility=2, use_bias=False, temperature=0.7, **kw
    ),
    "local_monotonic": lambda **kw: layers.LocalMonotonicAttention(
        layers.LuongAttention("general", dropout=0.3, **kw), 1, **kw
    ),
    "local_predictive": lambda **kw: layers.LocalPredictiveAttention(
        layers.BahdanauAttention(U, temperature=0.7, **kw), 2, units=17, **kw
    ),
    # As many heads as divide the size of the values in the tests.
    "multi_head_additive": lambda **kw: layers.MultiHeadAttention(13, 26, **kw),
    "multi_head_dot": lambda **kw: layers.MultiHeadAttention(
        13, 39, "dot", dropout=0.3, seed=7, probability_fn="sparsemax", **kw
    ),
    "monotonic_hard": lambda **kw: layers.MonotonicAttention(
        layers.LuongAttention("general", **kw), score_bias_init=-0.3, **kw
    ),
    "monotonic_parallel": lambda **kw: layers.MonotonicAttention(
        layers.LuongAttention("concat", U, dropout=0.3, **kw), hard=False, **kw
    ),
    "monotonic_noise": lambda **kw: layers.MonotonicAttention(
        layers.BahdanauAttention(U, normalize=True, **kw),
        sigmoid_noise=0.7,
        hard=False,
        seed=7,
        **kw,
    ),
    "chunkwise_hard": lambda **kw: layers.ChunkwiseAttention(
        layers.LuongAttention("general", **kw),
        layers.BahdanauAttention(U, **kw),
        chunk_size=2,
        **kw,
    ),
    "chunkwise_soft": lambda **kw: layers.ChunkwiseAttention(
        layers.BahdanauAttention(U, dropout=0.3, **kw),
        layers.LuongAttention("general", **kw),
        chunk_size=3,
        hard=False,
        **kw,
    ),
}
WITHOUT_WEIGHTS = {"luong_scaled_dot"}
# Whose choice of a position passes no gradient to what chose it.
WITHOUT_GRADIENT = {"luong_hardmax", "monotonic_hard", "chunkwise_hard"}
# Whose rows may sum to less than 1.
BELOW_ONE = {
    "local_predictive",
    "monotonic_hard",
    "monotonic_parallel",
    "monotonic_noise",
    "chunkwise_hard",
    "chunkwise_soft",
}
