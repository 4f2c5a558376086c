"""`kseq2seq plot`: files with figures."""

from commands import assert_refused
from kseq2seq import plots
from kseq2seq.inference import Translation


def test_the_help_names_all_formats(call):
    words = call("plot", "--help").out.replace(",", "").split()
    assert set(plots.FORMATS) <= set(words)


def test_plots_are_written(call, run, tmp_path):
    heatmap, curves = tmp_path / "a.png", tmp_path / "b.svg"
    assert call("plot", run, "--text", "ein Hund", "--output", heatmap).code == 0
    assert heatmap.read_bytes().startswith(b"\x89PNG")
    assert call("plot", run, "--history", "--output", curves).code == 0
    assert "<svg" in curves.read_text()


def test_no_heatmap_without_attention(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(
        reverser, "translation", lambda text, i: Translation(text, 0.0, 0.0, [], [])
    )
    result = call("plot", folder, "--text", "x", "--output", folder / "x.png")
    assert_refused(result, "this model has no attention")
