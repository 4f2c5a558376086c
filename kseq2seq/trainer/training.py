"""A training that is ready to begin."""

import dataclasses
from typing import Any

import keras

from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.trainer.batches import TrainingBatches
from kseq2seq.trainer.progress import Progress
from kseq2seq.trainer.readers import Pairs
from kseq2seq.trainer.run_folder import RunFolder
from kseq2seq.trainer.settings import Settings
from kseq2seq.trainer.vocabularies import Source


@dataclasses.dataclass
class Training:
    """A training that is ready to begin, or to go on, made by `prepare`.

    Attributes:
        settings: The `Settings`.
        run_folder: The `RunFolder`, the callback that keeps the training.
        source: The `kseq2seq.Tokenizer` of the source; where it is frames the
            `kseq2seq.inference.FrameReader`.
        target: That of the target.
        features: The `kseq2seq.FeatureVocabulary`; `None` without features.
        model: The compiled model.
        batches: The `TrainingBatches`.
        progress: The `Progress`, with the step to go on from.
        validation_batches: That of the validation set.
        validation: Its pairs, with frames where the source is such.
        test: The pairs to score at the end; those of the validation set where there are
            no others.
        provenance: As of `kseq2seq.runs.provenance_of`.
    """

    settings: Settings
    run_folder: RunFolder
    source: Source
    target: Tokenizer
    features: FeatureVocabulary | None
    model: keras.Model
    batches: TrainingBatches
    progress: Progress
    validation_batches: Any
    validation: Any
    test: Pairs
    provenance: dict[str, Any]
