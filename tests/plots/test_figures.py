import io

import numpy as np
import pytest
from PIL import Image

from heatmaps import SOURCE, TARGET, heatmap, no_warnings
from kseq2seq.plots import save, training_curves
from kseq2seq.plots.figures import SCREEN_DPI


@pytest.fixture(autouse=True)
def quiet(caplog):
    with no_warnings(caplog):
        yield


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_the_same_figure_gives_the_same_file(suffix, tmp_path):
    first = save(heatmap(TARGET, SOURCE), tmp_path / f"first{suffix}")
    second = save(heatmap(TARGET, SOURCE), str(tmp_path / f"second{suffix}"))
    assert first.read_bytes() == second.read_bytes()
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix.lower()]
    assert first.read_bytes().startswith(start)
    # Replaced, nothing left beside.
    save(training_curves({"loss": [3.0, 2.0]}), second)
    assert first.read_bytes() != second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_a_file_is_complete_or_as_it_was(tmp_path, monkeypatch):
    path, figure = tmp_path / "figure.png", heatmap(["a"], ["b"])
    path.write_bytes(b"before")

    def fail(file, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save(figure, path)
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_where_a_figure_cannot_be_saved(tmp_path):
    figure = training_curves({"loss": [1.0]})
    for name in ("figure.bmp", "figure"):
        with pytest.raises(ValueError, match=rf".png or .svg or .pdf.*{name}'"):
            save(figure, tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no folder .*missing'"):
        save(figure, tmp_path / "missing" / "figure.png")
    assert not list(tmp_path.iterdir())


def test_pyplot_keeps_no_figure():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    heatmap(["a"], ["b"])
    training_curves({"loss": [1.0]})
    assert plt.get_fignums() == before


def test_notebooks_show_figures_by_themselves():
    """As IPython does where pyplot has not been imported."""
    formatters = pytest.importorskip("IPython.core.formatters")
    formatter = formatters.PNGFormatter()
    for figure in (heatmap(TARGET, SOURCE), training_curves({"loss": [2.0, 1.0]})):
        with Image.open(io.BytesIO(formatter(figure))) as image:
            size = np.array(image.size) / SCREEN_DPI
        np.testing.assert_allclose(size, figure.get_size_inches(), atol=0.02)
