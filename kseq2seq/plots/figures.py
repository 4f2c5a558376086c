"""Figures that notebooks show by themselves, and their files.

They are made without pyplot, so that nothing is shown or left open elsewhere.
"""

import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kseq2seq.utils import PathLike, atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
SCREEN_DPI, FILE_DPI = 100, 200


@functools.cache
def _figure_class():
    """The class of the figures; Matplotlib is slow to import."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A figure that IPython shows where it is the value of a cell.

        IPython knows how to show Matplotlib's own figures only once pyplot has been
        imported.
        """

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            FigureCanvasAgg(self)  # measures text; a bare figure would be slow at it

        def _repr_png_(self):
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=SCREEN_DPI)
            return file.getvalue()

    return NotebookFigure


def new_figure(figsize: tuple[float, float], **options: Any) -> "Figure":
    r"""An empty figure that notebooks show by themselves.

    Args:
        figsize: Width and height in inches.
        **options: Other arguments of `matplotlib.figure.Figure`.

    Example:

    >>> figure = new_figure((3, 2))
    >>> figure._repr_png_()[:4]
    b'\x89PNG'
    """
    return _figure_class()(figsize=figsize, dpi=SCREEN_DPI, **options)


def figure_and_axes(
    ax: "Axes | None", figsize: tuple[float, float]
) -> tuple["Figure", "Axes"]:
    """The axes to draw into, and their figure.

    Args:
        ax: `matplotlib.axes.Axes` of the caller; a new figure is made if `None`.
        figsize: Width and height of a new figure in inches.

    Returns:
        A tuple `(figure, axes)`.

    Example:

    >>> figure, axes = figure_and_axes(None, (3, 2))
    >>> figure.axes == [axes]
    True
    """
    if ax is None:
        figure = new_figure(figsize, layout="constrained")
        return figure, figure.add_subplot()
    axes: Any = ax
    return axes.get_figure(), axes


def save(figure: "Figure", path: PathLike) -> Path:
    """Writes a figure to a file, complete or not at all.

    The same figure gives the same file again, without a date in it.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: File to write, ending in `.png`, `.svg` or `.pdf`.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        ValueError: If the file's ending is another.
        FileNotFoundError: If its folder does not exist.

    Example:

    >>> import tempfile
    >>> figure = new_figure((3, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(figure, f"{folder}/empty.png").name
    'empty.png'
    """
    import matplotlib

    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise ValueError(
            f"A figure's file must end in {' or '.join(FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r}: create it.")
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(kind)
    settings: dict[Any, Any] = {"svg.hashsalt": "kseq2seq"}
    with atomic_path(path) as beside, matplotlib.rc_context(settings):
        figure.savefig(beside, format=kind[1:], dpi=FILE_DPI, metadata=undated)
    return path
