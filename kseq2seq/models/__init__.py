"""The encoder-decoder model, and its halves for inference."""

from kseq2seq.models.build import (
    build_model,
)
from kseq2seq.models.columns import (
    column_product,
    column_step,
    start_column_search,
)
from kseq2seq.models.consistency import (
    Consistency,
)
from kseq2seq.models.copying import (
    all_copied_ids,
    copied_ids_of,
)
from kseq2seq.models.guided_alignment import (
    GuidedAlignment,
    alignment_model,
)
from kseq2seq.models.halves import (
    encode_and_step,
    encoder_model,
    start_decoding,
    start_search,
    step_model,
)
from kseq2seq.models.language_model import (
    MEAN,
    Fusion,
    Mixture,
    build_language_model,
    fuse_language_model,
    language_model_step,
    mixed_halves,
)
from kseq2seq.models.loading import (
    load_model,
)
from kseq2seq.models.nan import (
    check_no_nan,
    has_nan,
)
from kseq2seq.models.precision import (
    float16_copy,
    float32_copy,
    is_float32,
    portable_copy,
)
from kseq2seq.models.pretrained import (
    set_pretrained_embeddings,
)
from kseq2seq.models.scheduled_sampling import (
    SAMPLING_SCHEDULES,
    ScheduledSampling,
)
from kseq2seq.models.seq2seq_model import (
    Seq2SeqModel,
)
from kseq2seq.models.sizes import (
    frame_size,
    time_reduction,
    vocabulary_sizes,
)
from kseq2seq.models.states import (
    final_states,
    make_room,
)
from kseq2seq.models.transfer import (
    PARTS,
    freeze,
    transfer_weights,
)

__all__ = [
    "MEAN",
    "PARTS",
    "SAMPLING_SCHEDULES",
    "Consistency",
    "Fusion",
    "GuidedAlignment",
    "Mixture",
    "ScheduledSampling",
    "Seq2SeqModel",
    "alignment_model",
    "all_copied_ids",
    "build_language_model",
    "build_model",
    "check_no_nan",
    "column_product",
    "column_step",
    "copied_ids_of",
    "encode_and_step",
    "encoder_model",
    "final_states",
    "float16_copy",
    "float32_copy",
    "frame_size",
    "freeze",
    "fuse_language_model",
    "has_nan",
    "is_float32",
    "language_model_step",
    "load_model",
    "make_room",
    "mixed_halves",
    "portable_copy",
    "set_pretrained_embeddings",
    "start_column_search",
    "start_decoding",
    "start_search",
    "step_model",
    "time_reduction",
    "transfer_weights",
    "vocabulary_sizes",
]
