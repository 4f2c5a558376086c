"""Options of the search: what they change of the run's own."""

from commands import assert_refused
from kseq2seq.decoding import Search


def test_options_change_the_search_of_the_run(call, folder, reverser):
    call("translate", folder, stdin="x")
    (folder / "settings.json").write_text('{"search": {"beam_size": 3}}')
    for arguments in (
        ["--length-penalty", "0.5"],
        ["--n-best", "7"],
        ["--beam", "2", "--max-length", "9", "--coverage-penalty", "0.25"],
        ["--max-length-factor", "1.5", "--max-length-offset", "3"],
        ["--min-length", "4", "--min-length-factor", "0.25"],
        ["--beam", "6", "--num-groups", "3", "--diversity", "0.25"],
        ["--length-normalization", "mean"],
    ):
        call("translate", folder, *arguments, stdin="x")
    assert reverser.searches == [
        Search(),
        Search(beam_size=3, length_penalty=0.5),
        Search(beam_size=7, num_hypotheses=7),
        Search(beam_size=2, max_length=9, coverage_penalty=0.25),
        Search(beam_size=3, max_length_factor=1.5, max_length_offset=3),
        Search(beam_size=3, min_length=4, min_length_factor=0.25),
        Search(beam_size=6, num_groups=3, diversity=0.25),
        Search(beam_size=3, length_normalization="mean"),
    ]


def test_rules_of_texts(call, folder, reverser, monkeypatch, tmp_path):
    for options in ([], ["--shortlist"]):
        call("translate", folder, *options, stdin="ab")
        assert reverser.searches[-1].shortlist == bool(options)
    (tmp_path / "dictionary").write_text("dog\tHund\ncat\tKatze\n")
    words = {"dog": "Hund", "cat": "Katze"}
    for value, expected in ([], True), ([tmp_path / "dictionary"], (*words.items(),)):
        call("translate", folder, "--replace-unknown", *value, stdin="ab")
        assert reverser.searches[-1].replace_unknown == expected
        assert not reverser.searches[-1].forbid_unknown
    given = {}
    translate = reverser.translate

    def with_allowed(texts, allowed, **options):
        given.update(options, allowed=allowed)
        return translate(texts, **options)

    monkeypatch.setattr(reverser, "translate", with_allowed)
    (tmp_path / "list").write_text("yes\n\nno \n")
    rules = ["--forbid-words", "x", "y", "--pattern", "a+", "--no-forbid-unknown"]
    allowed = ["--allowed", tmp_path / "list"]
    assert call("translate", folder, *allowed, *rules, stdin="ab").out == "ba\n"
    assert given["allowed"] == ["yes", "no "]
    search = given["search"]
    assert (search.forbidden_words, search.pattern) == (("x", "y"), "a+")
    assert not search.forbid_unknown
    refused = call("translate", folder, "--pattern", "(", stdin="a")
    assert_refused(refused, "`pattern` must be a regular expression")
    (tmp_path / "list").write_text("\n")
    refused = call("translate", folder, *allowed, stdin="a")
    assert_refused(refused, "must have a line that is not blank")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "saved_model.pb").touch()
    refused = call("translate", saved, *allowed, stdin="a")
    assert_refused(refused, "is a SavedModel, which searches as it was exported to")
