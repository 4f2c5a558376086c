"""Types for annotations."""

import os
from typing import Any, TypeAlias

# A tensor of Keras's backend, or what `keras.ops.convert_to_tensor` takes: a NumPy
# array, a list of numbers. The shape and dtype are in the docstring.
Tensor: TypeAlias = Any
PathLike: TypeAlias = str | os.PathLike[str]
