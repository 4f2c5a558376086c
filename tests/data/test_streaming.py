import json
from collections import Counter

import numpy as np
import pytest

from kseq2seq import data, tokenizers
from shards import PAIRS, flat, read


def stream(corpora, tokenizer, **options):
    options = {"batch_size": 8, "buffer_size": 101, "seed": 3, **options}
    return data.stream(corpora, tokenizer, tokenizer, **options)


@pytest.mark.parametrize("format_", ["tsv", "jsonl", "parallel"])
def test_a_pass_has_each_pair_once(folder, tokenizer, format_):
    files, columns = folder / "*.tsv.gz", None
    if format_ == "jsonl":
        files, columns = folder / "*.jsonl", ("a", "b")
    if format_ == "parallel":
        files = folder / "*.src", folder / "*.tgt"
    corpus = data.corpus(files, format_, columns)
    batches = read(stream(corpus, tokenizer, passes=1).dataset(), tokenizer)
    assert sorted(flat(batches)) == sorted(PAIRS)
    # Of each buffer one batch alone may be smaller, and a batch is of like lengths.
    assert sum(len(batch) < 8 for batch in batches) <= 12
    mixed = [batch for batch in batches if len({len(a) for a, _ in batch}) > 1]
    assert len(mixed) < 0.3 * len(batches)


def test_a_place_in_other_files_is_the_beginning_of_its_pass(folder, tokenizer, caplog):
    corpus = data.corpus(folder / "*.tsv.gz")
    whole = stream(corpus, tokenizer)
    read(whole.dataset(), tokenizer, 30)
    fewer = stream(corpus._replace(parts=corpus.parts[1:]), tokenizer)
    batches = read(fewer.dataset(20, whole.place(20)), tokenizer, 320)
    assert "1.tsv.gz and its like: there were 7 files, now 6. Going on" in caplog.text
    assert {*flat(batches)} == {*PAIRS[20:]}
    caplog.clear()
    former = whole.place(20)  # of an older version
    del former["corpora"][0]["files"]
    again = read(stream(corpus, tokenizer).dataset(20, former), tokenizer, 5)
    assert again == read(whole.dataset(20), tokenizer, 5)
    assert "files" not in caplog.text


def test_a_buffer_has_the_batches_of_memory(folder, tokenizer):
    """With all in one buffer, the batches are those of the class in memory."""
    options = {"batch_tokens": 60, "seed": 5}
    corpus = data.corpus(folder / "*.tsv.gz")
    streamed = stream(corpus, tokenizer, buffer_size=1201, **options, batch_size=1)
    memory = data.MemoryBatches(PAIRS, tokenizer, tokenizer, **options)
    count = memory.steps_per_pass
    shapes = [
        Counter(tuple(labels.shape) for _, labels in x.dataset().take(count))
        for x in (streamed, memory)
    ]
    assert shapes[0] == shapes[1]
    for batch in shapes[0]:
        assert np.prod(batch) <= 60


@pytest.mark.parametrize("shard", [(1, 2), (2, 11)])
def test_any_place_can_be_gone_back_to(folder, tokenizer, shard):
    corpora = [
        data.corpus(folder / "*.tsv.gz", weight=2),
        data.corpus(folder / "3.jsonl", columns=("a", "b")),
    ]
    whole = stream(corpora, tokenizer, shard=shard)
    batches = read(whole.dataset(), tokenizer, 60)
    for step in (0, 14, 47):
        place = json.loads(json.dumps(whole.place(step)))
        assert place["step"] <= step
        again = stream(corpora, tokenizer, shard=shard)
        assert (
            read(again.dataset(step, place), tokenizer, 9) == batches[step : step + 9]
        )
    again = stream(corpora, tokenizer, shard=shard)  # also by the number alone
    assert read(again.dataset(47), tokenizer, 9) == batches[47:56]
    other = stream(corpora, tokenizer, shard=shard, seed=4)
    assert read(other.dataset(), tokenizer, 9) != batches[:9]


def test_weights_are_shares_of_each_buffer(folder, tokenizer):
    corpora = [
        data.corpus(folder / "6.tsv.gz", weight=3.0),
        data.corpus(folder / "0.tsv.gz", weight=0.5),
    ]
    streamed = stream(corpora, tokenizer, buffer_size=70, batch_size=10)
    pairs = flat(read(streamed.dataset(), tokenizer, 70))  # ten buffers
    assert sum(pair in PAIRS[:20] for pair in pairs) == 100


def test_corpora_end_after_their_passes(folder, tokenizer):
    corpora = [data.corpus(folder / f"{n}.jsonl", columns=("b", "a")) for n in (0, 3)]
    streamed = stream(corpora, tokenizer, passes=2, buffer_size=1000)
    pairs = flat(read(streamed.dataset(), tokenizer))
    expected = 2 * [(target, source) for source, target in PAIRS[:20] + PAIRS[180:320]]
    assert sorted(pairs) == sorted(expected)


def test_the_end_of_one_corpus_does_not_end_another(folder, tokenizer):
    """Of the second one a pair comes in one of 20 buffers, and the first one ends."""
    several = [
        data.corpus(folder / "0.tsv.gz", weight=99),
        data.corpus(folder / "1.tsv.gz", weight=1),
    ]
    batches = stream(several, tokenizer, buffer_size=5, passes=1)
    expected = sorted(PAIRS[:80])
    assert sorted(flat(read(batches.dataset(), tokenizer))) == expected
    place = json.loads(json.dumps(batches.place(30)))
    assert len(place["corpora"]) == 2
    later = flat(read(batches.dataset(30, place), tokenizer))
    whole = flat(read(batches.dataset(), tokenizer))
    assert later and later == whole[-len(later) :]


def test_names_of_columns_are_told_once(tmp_path, caplog):
    for name in ("a.tsv", "b.tsv"):
        (tmp_path / name).write_text("src phrase\ttgt phrase\nIt.\tEs.\n")
    (tmp_path / "a.src").write_text("src phrase\nHe\n")
    (tmp_path / "a.tgt").write_text("tgt phrase\nit\n")
    for _ in range(2):
        rows = data.sample(data.corpus(tmp_path / "*.tsv"))
        assert rows == [("It.", "Es.")] * 2
    both = [tmp_path / "a.src", tmp_path / "a.tgt"]
    assert data.sample(data.corpus(both, "parallel")) == [("He", "it")]
    (message,) = caplog.messages
    assert "and any that begins so: left out the first line" in message
    assert "('src phrase', 'tgt phrase')" in message


def test_reasons_for_leaving_out_are_counted(tmp_path, tokenizer, caplog):
    path = tmp_path / "a.tsv"
    path.write_text("source\ttarget\n1\t1\n\n2\t \n123456\t1\n" + "3\t3\n" * 90)
    streamed = stream(data.corpus(path), tokenizer, passes=2, buckets=(3, 5))
    pairs = flat(read(streamed.dataset(), tokenizer))
    assert Counter(pairs) == {("1", "1"): 2, ("3", "3"): 180}
    assert streamed.left_out == {"blank": 4, "too long": 2}
    assert "first 101 pairs: 4 blank, 2 too long (more than 5 tokens" in caplog.text
    last = streamed.place(10**6)
    assert last["left_out"]["blank"] == 4
    message = "No pair is left .*, [0-9]+ too long .* of the first 1010. Give"
    with pytest.raises(Exception, match=message):
        read(stream(data.corpus(path), tokenizer, buckets=(1,)).dataset(), tokenizer, 1)


def test_small_buffers_may_have_no_pair_left(tmp_path, tokenizer):
    path = tmp_path / "a.tsv"
    path.write_text("\t\n" * 7 + "1\t1\n")
    options = {"buffer_size": 3, "passes": 2}
    streamed = stream(data.corpus(path), tokenizer, **options)
    assert flat(read(streamed.dataset(), tokenizer)) == [("1", "1")] * 2
    path.write_text("\t\n" * 7)
    streamed = stream(data.corpus(path), tokenizer, **options)
    with pytest.raises(Exception, match="No pair is left .*: 14 blank .* first 14"):
        read(streamed.dataset(), tokenizer)


def test_features_follow_the_source(tmp_path, tokenizer):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "1", "b": "2", "c": "X"}\n{"a": "1", "b": "2"}\n')
    features = tokenizers.FeatureVocabulary.from_texts(["X;Y"])
    corpus = data.corpus(path, columns=("a", "b", "c"))
    streamed = stream(corpus, tokenizer, features=features, passes=1)
    rows = data.sample(corpus, 9)
    expected = data.batches(rows, tokenizer, tokenizer, features=features)
    (batch,), (plain,) = list(streamed.dataset()), list(expected)
    assert sorted(batch[0]["source"].numpy().tolist()) == sorted(
        plain[0]["source"].numpy().tolist()
    )


def test_an_error_names_file_and_line(folder, tmp_path, tokenizer):
    (tmp_path / "a.tsv").write_text("1\t1\n2\t2\n3\n")
    streamed = stream(data.corpus(tmp_path / "a.tsv"), tokenizer)
    with pytest.raises(Exception, match=r"a\.tsv:3: column 1 .* is missing"):
        read(streamed.dataset(), tokenizer, 1)
    (tmp_path / "a.tgt").write_text("1\n")
    files = folder / "0.src", tmp_path / "a.tgt"
    with pytest.raises(data.DataError, match=r"a\.tgt ends before line 2"):
        data.sample(data.corpus(files, "parallel"))


def test_what_cannot_be_streamed(folder, tmp_path, tokenizer):
    (tmp_path / "empty.tsv").touch()
    (tmp_path / "blank.tsv").write_text("\n\u200b\t1\n", "utf-8")
    empty, blank = (data.corpus(tmp_path / x) for x in ("empty.tsv", "blank.tsv"))
    with pytest.raises(Exception, match="Received: no row in 1 files"):
        read(stream(empty, tokenizer).dataset(), tokenizer, 1)
    with pytest.raises(data.DataError, match="a sample of 2 pairs, of which every"):
        data.sample(blank)
    with pytest.raises(data.DataError, match=r"no\*: no such file.*a pattern"):
        data.corpus(tmp_path / "no*")
    with pytest.raises(data.DataError, match="Received: 7 of .* and 1 of"):
        data.corpus((folder / "*.src", folder / "0.tgt"), "parallel")
    corpus = data.corpus(folder / "*.tsv.gz")
    for make, match in [
        (lambda: data.corpus([]), "must name a file or more"),
        (lambda: data.corpus(["a"], "parallel"), "must be two, the sources'"),
        (lambda: data.corpus("a", "csv"), "one of tsv, jsonl, parallel"),
        (lambda: data.corpus("a", weight=0), "`weight` must be a finite number above"),
        (lambda: stream([], tokenizer), "must be a Corpus or several"),
        (lambda: stream(corpus, tokenizer, shard=(2, 2)), r"`shard\[0\]` must be"),
        (lambda: stream(corpus, tokenizer, passes=0), "`passes` must be"),
        (lambda: stream(corpus, tokenizer).place(7), "has come to not long ago"),
    ]:
        with pytest.raises(ValueError, match=match):
            make()


def test_a_set_of_tfds_is_a_corpus(monkeypatch, tokenizer):
    def iter_tfds(name, split, source, target):
        assert (name, split, source, target) == ("set", "train", "a", None)
        return iter(PAIRS[:20])

    monkeypatch.setattr("kseq2seq.data.corpora.iter_tfds", iter_tfds)
    corpus = data.tfds_corpus("set", source="a")
    streamed = stream(corpus, tokenizer, passes=1)
    assert sorted(flat(read(streamed.dataset(), tokenizer))) == sorted(PAIRS[:20])
