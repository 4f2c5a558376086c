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
    result = call("plot", run, "--history", "--beam", 3, "--output", curves)
    assert_refused(result, "--history draws without searching: leave out")


def test_the_alignment_of_a_saved_model_is_drawn(call, reverser, monkeypatch, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    asked, translate = [], reverser.translate

    def spy(texts, **options):
        asked.append(options)
        return translate(texts, **options)

    monkeypatch.setattr(reverser, "translate", spy)
    path = tmp_path / "a.png"
    assert call("plot", tmp_path, "--text", "ab", "--output", path).code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert asked == [{"search": None, "num_hypotheses": None, "alignments": True}]
    result = call("plot", tmp_path, "--history", "--output", path)
    assert_refused(result, "is a SavedModel: give the run folder .* draw its history")
    result = call("plot", tmp_path, "--text", "x", "--beam", 2, "--output", path)
    assert_refused(result, "leave out the options of the search")


def test_no_heatmap_without_attention(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(
        reverser, "translation", lambda text, i: Translation(text, 0.0, 0.0, [], [])
    )
    result = call("plot", folder, "--text", "x", "--output", folder / "x.png")
    assert_refused(result, "this model has no attention")
