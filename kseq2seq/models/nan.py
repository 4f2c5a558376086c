"""Models of a training that diverged, told by weights that are NaN."""

import keras
from keras import ops


def has_nan(model: keras.Model) -> bool:
    """Whether a weight of a model is NaN.

    An infinite one may be meant: a bias of -inf rules an output out.

    Args:
        model: A `keras.Model`.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> has_nan(model)
    False
    """
    return bool(_nan_weights(model))


def check_no_nan(model: keras.Model) -> None:
    """Refuses a model of a training that diverged, which would write no text at all.

    Args:
        model: A `keras.Model`.

    Raises:
        ValueError: If a weight is NaN.

    Example:

    >>> check_no_nan(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]))
    """
    wrong = _nan_weights(model)
    if wrong:
        raise ValueError(
            "`model` must have weights that are numbers: with NaN it would write no "
            "text at all. Its training has diverged: take the weights of an epoch "
            "before, or train anew with a lower learning rate, or with gradients "
            "clipped, by `global_clipnorm` of the optimizer or `optimizer.clip_norm` "
            f"of a recipe. Received: NaN in {len(wrong)} of {len(model.weights)} "
            f"weights, such as {wrong[0]}"
        )


def _nan_weights(model):
    """The paths of the weights with NaN."""
    return [
        x.path for x in model.weights if "float" in x.dtype and ops.any(ops.isnan(x))
    ]
