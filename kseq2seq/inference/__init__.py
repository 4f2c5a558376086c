"""Text to text: the functions of `Translator` and of every export."""

from kseq2seq.inference.base import (
    BaseTranslator,
    rows_of_batches,
)
from kseq2seq.inference.batches import (
    check_allowed,
    check_texts,
    length_sorted_batches,
    tensors_of_rows,
    text_tensor,
)
from kseq2seq.inference.controlled import (
    ControlledSearches,
)
from kseq2seq.inference.distinct_samples import (
    DistinctSamples,
)
from kseq2seq.inference.ensemble import (
    Joinable,
    check_same_tokenizers,
)
from kseq2seq.inference.forks import check_fork, enter_process, works_in_forks
from kseq2seq.inference.frame_reader import (
    FrameReader,
    is_recording,
    sources_and_texts,
)
from kseq2seq.inference.frames_to_text import (
    FramesToText,
)
from kseq2seq.inference.graphs import (
    Graphs,
)
from kseq2seq.inference.minimum_risk import minimum_risk
from kseq2seq.inference.quantization import (
    ProductsError,
    check_processor,
    int8_product,
    quantized_halves,
    store_weights,
    with_int8_products,
)
from kseq2seq.inference.reranking import (
    forward_score,
    rerank,
    reverse_score,
    right_to_left_score,
)
from kseq2seq.inference.results import (
    Alignment,
    Encoded,
    Translation,
    translations_of_row,
)
from kseq2seq.inference.saved_model import (
    SavedTranslator,
)
from kseq2seq.inference.search_arguments import check_search, search_of_beam
from kseq2seq.inference.shortlists import (
    ShortlistReport,
    make_shortlist,
    measure_shortlist,
)
from kseq2seq.inference.signatures import (
    Signature,
    SignatureFunction,
    check_extra,
    frame_signature_functions,
    signature_functions,
)
from kseq2seq.inference.text_rules import (
    text_constraints,
)
from kseq2seq.inference.text_searches import (
    TextSearches,
)
from kseq2seq.inference.text_to_text import (
    TextToText,
)
from kseq2seq.inference.tokenizer_graphs import (
    check_vocabularies,
)
from kseq2seq.inference.transcriptions import (
    Transcription,
    transcriptions_of_row,
)
from kseq2seq.inference.vocabulary_selection import (
    VocabularySelection,
)
from kseq2seq.inference.word_links import word_links, word_weights

__all__ = [
    "Alignment",
    "BaseTranslator",
    "ControlledSearches",
    "DistinctSamples",
    "Encoded",
    "FrameReader",
    "FramesToText",
    "Graphs",
    "Joinable",
    "ProductsError",
    "SavedTranslator",
    "ShortlistReport",
    "Signature",
    "SignatureFunction",
    "TextSearches",
    "TextToText",
    "Transcription",
    "Translation",
    "VocabularySelection",
    "check_allowed",
    "check_extra",
    "check_fork",
    "check_processor",
    "check_same_tokenizers",
    "check_search",
    "check_texts",
    "check_vocabularies",
    "enter_process",
    "forward_score",
    "frame_signature_functions",
    "int8_product",
    "is_recording",
    "length_sorted_batches",
    "make_shortlist",
    "measure_shortlist",
    "minimum_risk",
    "quantized_halves",
    "rerank",
    "reverse_score",
    "right_to_left_score",
    "rows_of_batches",
    "search_of_beam",
    "signature_functions",
    "sources_and_texts",
    "store_weights",
    "tensors_of_rows",
    "text_constraints",
    "text_tensor",
    "transcriptions_of_row",
    "translations_of_row",
    "with_int8_products",
    "word_links",
    "word_weights",
    "works_in_forks",
]
