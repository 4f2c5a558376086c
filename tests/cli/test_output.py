"""Files that verbs write."""

import pytest

from commands import assert_refused

READ = "read.tsv"


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "RUN", "--input", READ, "--output", READ],
        ["translate", "RUN", "--prefix", READ, "--output", f"./{READ}"],
        ["score", "RUN", "--input", READ, "--output", READ],
        ["transcribe", "RUN", "--input", READ, "--output", READ],
        ["filter", "RUN", READ, READ],
        ["backtranslate", "RUN", READ, READ],
        ["evaluate", "RUN", "--tsv", READ, "--output", READ],
        ["evaluate", "RUN", "--source", "x", "--reference", READ, "--output", READ],
    ],
    ids=" ".join,
)
def test_what_is_read_is_not_written_over(call, folder, monkeypatch, arguments):
    monkeypatch.chdir(folder.parent)
    (folder.parent / READ).write_text("a\tb\n")
    words = [str(folder) if word == "RUN" else word for word in arguments]
    assert_refused(call(*words), "read.tsv: would be replaced.*name another file")
    assert (folder.parent / READ).read_text() == "a\tb\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "RUN", "--input", READ, "--output", "out.gz"],
        ["score", "RUN", "--input", READ, "--output", "out.bz2"],
        ["transcribe", "RUN", "--input", READ, "--output", "out.gz"],
        ["filter", "RUN", READ, "out.tsv.gz"],
        ["backtranslate", "RUN", READ, "out.tsv.xz"],
        ["evaluate", "RUN", "--tsv", READ, "--output", "out.zip"],
    ],
    ids=" ".join,
)
def test_text_is_not_written_under_the_name_of_a_packed_file(
    call, folder, monkeypatch, tmp_path, arguments
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / READ).write_text("a\tb\n")
    words = [str(folder) if word == "RUN" else word for word in arguments]
    assert_refused(
        call(*words), r"out.*: the output is plain text.*packed file: leave out \."
    )
    assert not [*tmp_path.glob("out*")]
