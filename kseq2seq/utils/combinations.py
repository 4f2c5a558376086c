"""Checks of settings of a model that must fit together."""

from typing import Any

from kseq2seq.utils.checks import check_integer

# Four special ids, and a token.
LEAST_VOCABULARY = 5
_OF_IDS = ("source_vocabulary_size", "feature_vocabulary_size", "copying")
_OF_FRAMES = ("convolutions", "pyramidal_layers", "spec_augment")


def check_frames(config: Any) -> None:
    """Checks that a source is ids or frames, with the settings of the one alone.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if not config.source_frame_size:
        size, note = config.source_vocabulary_size, "without source_frame_size"
        check_integer("source_vocabulary_size", size, LEAST_VOCABULARY, note=note)
    others = _OF_IDS if config.source_frame_size else _OF_FRAMES
    given = [f"{name}={getattr(config, name)}" for name in others]
    if any(getattr(config, name) for name in others):
        raise ValueError(
            f"A source is ids, to which {', '.join(_OF_IDS)} belong, or frames of "
            f"a source_frame_size, to which {', '.join(_OF_FRAMES)} do: leave the "
            f"others out. Received: source_frame_size={config.source_frame_size}, "
            f"{', '.join(given)}"
        )
    if config.pyramidal_layers > config.encoder_layers:
        raise ValueError(
            "`pyramidal_layers` must be at most `encoder_layers`, of which they "
            f"are the upper ones. Received: pyramidal_layers="
            f"{config.pyramidal_layers}, encoder_layers={config.encoder_layers}"
        )


def check_copying(config: Any) -> None:
    """Checks that the other settings allow copying, where it is asked for.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if not config.copying:
        return
    if config.attention == "none":
        raise ValueError(
            "copying=True needs attention, which points at what is copied; name a "
            f"mechanism. Received: attention={config.attention!r}"
        )
    if config.output_probability_fn != "softmax":
        raise ValueError(
            "copying=True mixes with the probabilities of softmax; leave "
            "output_probability_fn as it is. "
            f"Received: output_probability_fn={config.output_probability_fn!r}"
        )


def check_hard_attention(config: Any) -> None:
    """Checks that the other settings allow hard attention, where it is asked for.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if config.hard_attention == "none":
        return
    needed = {
        "attention_query": "current",
        "input_feeding": False,
        "output_probability_fn": "softmax",
        "copying": False,
        "feature_vocabulary_size": 0,
    }
    wrong = {name: getattr(config, name) for name in needed}
    wrong = {name: wrong[name] for name in needed if wrong[name] != needed[name]}
    if config.attention == "none":
        wrong["attention"] = "none"
    if wrong:
        raise ValueError(
            f"hard_attention={config.hard_attention!r} needs attention on which no "
            "step of the decoder depends, and neither features nor another head: "
            f"leave {', '.join(wrong)} as it is by default. Received: "
            f"{', '.join(f'{name}={value!r}' for name, value in wrong.items())}"
        )
