"""`Transcription`: the result of a `Transcriber`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from kseq2seq.inference.results import decoded_text


class Transcription(NamedTuple):
    """One text for one source of frames.

    Attributes:
        text: The text.
        score: By which the search ranked it.
        log_prob: Natural logarithm of its probability, EOS included.
        tokens: The text as the model wrote it, EOS included unless the length's limit
            cut it off.
        alignment: NumPy array of shape `(tokens, positions)`; `None` for a model
            without attention.
        frames: For each token the middle of the frames that it attends to most; `None`
            without attention.
        times: The same in seconds; `None` where the time of a frame is not known, too.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    alignment: np.ndarray | None = None
    frames: list[int] | None = None
    times: list[float] | None = None


def transcriptions_of_row(
    row: Mapping[str, Any],
    pieces: Callable[[list[int]], list[str]],
    num_frames: int,
    reduction: int,
    seconds_per_frame: float | None,
) -> list[Transcription]:
    """The `Transcription`s in one row of the outputs of `FramesToText.search_frames`.

    Args:
        row: Dict from the names of the outputs to their values in this row.
        pieces: Function from ids of the target to the pieces that they are.
        num_frames: Number of the row's frames.
        reduction: Number of frames that became one position; of the last one it may be
            fewer.
        seconds_per_frame: Time from one frame to the next, if it is known.

    Example:

    >>> row = {"texts": [b"a"], "ids": np.array([[4]]), "lengths": [1], "scores": [0.0],
    ...        "log_probs": [0.0], "alignments": np.array([[[0.2, 0.8, 0.0]]])}
    >>> (transcription,) = transcriptions_of_row(row, lambda ids: ["a"], 7, 4, 0.01)
    >>> transcription.frames, transcription.times
    ([5], [0.05])
    """
    # A source without frames has a position too.
    num_positions = max(1, -(-num_frames // reduction))
    transcriptions = []
    for n, length in enumerate(row["lengths"]):
        if n and length == 0:
            continue
        alignment = frames = times = None
        if "alignments" in row:
            alignment = row["alignments"][n, :length, :num_positions]
            first = alignment.argmax(axis=1) * reduction
            last = np.minimum(first + reduction, max(1, num_frames))
            frames = ((first + last) // 2).tolist()
            if seconds_per_frame is not None:
                times = [frame * seconds_per_frame for frame in frames]
        transcriptions.append(
            Transcription(
                text=decoded_text(row["texts"][n]),
                score=float(row["scores"][n]),
                log_prob=float(row["log_probs"][n]),
                tokens=pieces(row["ids"][n, :length].tolist()),
                alignment=alignment,
                frames=frames,
                times=times,
            )
        )
    return transcriptions
