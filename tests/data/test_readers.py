"""Readers against files written here, batches against a loop over the pairs."""

import gzip
import itertools
import logging
import random
import re
import zipfile

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID
from paths import SHARED


def write(path, content):
    """Writes text or bytes, packed as the suffix says; returns the path."""
    content = content.encode() if isinstance(content, str) else content
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("_about.txt", "Not\tdata\n")
            archive.writestr("fra-eng/fra.txt", content)
    else:
        path.write_bytes(content)
    return path


# --- read_parallel ---


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".zip"])
def test_read_parallel(tmp_path, suffix):
    source = write(tmp_path / f"source{suffix}", "a b\n \u2028c\u0085d\n  e \n")
    target = write(tmp_path / f"target{suffix}", "\ufeffÄ\r\nß\rs\r\n日\x0b\x0c本")
    assert data.read_parallel(source, target) == [
        ("a b", "Ä"), (" \u2028c\u0085d", "ß\rs"), ("  e ", "日\x0b\x0c本")
    ]  # fmt: skip


def test_packed_files_are_known_by_their_content(tmp_path):
    path = tmp_path / "train.en"
    path.write_bytes(gzip.compress(b"a\n"))
    assert data.read_parallel(str(path), path) == [("a", "a")]


def test_different_line_counts(tmp_path):
    source = write(tmp_path / "train.en", "a\nb\nc\n")
    target = write(tmp_path / "train.de", "a\nb\n")
    message = r"train\.en with 3 and .*train\.de with 2 lines; from line 3 on"
    with pytest.raises(data.DataError, match=message):
        data.read_parallel(source, target)


def test_empty_sides_are_left_out_and_reported(tmp_path, caplog):
    source = write(tmp_path / "train.en", "a\n\nc\nd\ne\n")
    target = write(tmp_path / "train.de", "A\nB\n \t\nD\n\u3000\n")
    assert data.read_parallel(source, target) == [("a", "A"), ("d", "D")]
    [message] = caplog.messages
    assert re.search(r"train\.en.*train\.de: left out 3 of 5 .* number 2\.", message)
    assert caplog.records[0].name == "kseq2seq"
    with pytest.raises(data.DataError, match="every pair has an empty side"):
        data.read_parallel(
            write(tmp_path / "void", "\n\n"), write(tmp_path / "v", "a\n\n")
        )


def damaged(tmp_path):
    """Files that cannot be read, each with what the error says."""
    long = b"".join(b"line %d of many\n" % n for n in range(9973))
    packed = gzip.compress(long)
    zipped = write(tmp_path / "whole.zip", long).read_bytes()
    member = zipped.index(b"fra-eng/fra.txt") + 15
    broken = bytearray(zipped)
    broken[member + 50 : member + 60] = b"0123456789"
    return {
        "empty.txt": (b"", "empty.txt: .*the file is empty"),
        "empty.gz": (b"", "empty.gz: .*the file is empty"),
        "latin1.txt": ("a\nb\nné\n".encode("latin1"), "latin1.txt:3: not valid UTF-8.*"
                       "byte 0xe9 at offset 1"),
        "utf16.txt": ("ab\n".encode("utf16"), "utf16.txt:1: not valid UTF-8.*iconv"),
        "cut.gz": (packed[: len(packed) // 2], r"cut.gz:\d+: cannot be read"),
        "not.gz": (b"a\nb\n", "not.gz:1: cannot be read"),
        "bits.gz": (packed[:500] + b"\0\1\2\3" + packed[504:], r"bits.gz:\d+: cannot"),
        "cut.zip": (zipped[: len(zipped) // 2], "cut.zip:1: cannot be read"),
        "not.zip": (b"a\tb\n", "not.zip:1: cannot be read"),
        "bits.zip": (bytes(broken), r"bits.zip:\d+: cannot be read"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "empty.txt", "empty.gz", "latin1.txt", "utf16.txt", "cut.gz", "not.gz",
        "bits.gz", "cut.zip", "not.zip", "bits.zip",
    ],
)  # fmt: skip
def test_damaged_files(tmp_path, name):
    content, message = damaged(tmp_path)[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(data.DataError, match=message) as error:
        data.read_tsv(tmp_path / name)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(data.DataError, match="nowhere.txt: no such file"):
        data.read_tsv(tmp_path / "nowhere.txt")
    with pytest.raises(data.DataError, match="cannot be read.*directory"):
        data.read_parallel(tmp_path, tmp_path)


# --- read_tsv ---

FRA = 'Go.\tVa !\tCC-BY 2.0 (France) #2877272\nHi.\tSalut "toi" !\tCC-BY\n'


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".zip"])
def test_read_tsv(tmp_path, suffix):
    path = write(tmp_path / f"fra{suffix}", FRA)
    assert data.read_tsv(path) == [("Go.", "Va !"), ("Hi.", 'Salut "toi" !')]
    assert data.read_tsv(path, columns=[2, 0])[1] == ("CC-BY", "Hi.")


def test_read_tsv_names_the_line_without_the_column(tmp_path, caplog):
    path = write(tmp_path / "fra.txt", "a\tb\tc\n\n\td\te\nf\tg\n")
    assert data.read_tsv(path) == [("a", "b"), ("f", "g")]
    assert "left out 2 of 4" in caplog.text and "number 2." in caplog.text
    message = r"fra.txt:4: column 2 .*at least 3 columns.*Received: 2 in 'f\\tg'"
    with pytest.raises(data.DataError, match=message):
        data.read_tsv(path, columns=(0, 2))


@pytest.mark.parametrize("columns", [(0,), (0, -1), (0, 1, 2), (0, "1"), ()])
def test_columns_must_be_two(tmp_path, columns):
    with pytest.raises(ValueError, match=re.escape(f"columns={columns!r}")):
        data.read_tsv(tmp_path / "fra.txt", columns)


def test_zip_must_hold_one_text(tmp_path):
    for names in (["a.txt", "b.tsv"], ["_about.txt", "c.pdf"]):
        with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "a\tb\n")
        with pytest.raises(data.DataError, match=r"many\.zip: expected one file"):
            data.read_tsv(tmp_path / "many.zip")


# --- read_tfds ---


def translations(self, **_):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(
        {"en": ["one", "", "three"], "pt": ["um", "dois", "três"]}
    )


def test_read_tfds(caplog):
    name = "ted_hrlr_translate/pt_to_en"
    with tfds.testing.mock_data(as_dataset_fn=translations):
        assert data.read_tfds(name) == [("um", "one"), ("três", "three")]
        assert f"{name}, split train: left out 1 of 3" in caplog.text
        swapped = [("one", "um"), ("three", "três")]
        assert data.read_tfds(name, "test", source="en") == swapped
        assert data.read_tfds(name, target="pt") == swapped
        assert data.read_tfds(name, source="en", target="pt") == swapped
        with pytest.raises(data.DataError, match="en, pt. Received: source='fr'"):
            data.read_tfds(name, source="fr")
        with pytest.raises(data.DataError, match="two of the texts.*none"):
            data.read_tfds("mnist")


def in_many_languages(self, **_):
    import tensorflow as tf

    examples = [{"de": "eins", "fr": "un"}, {"en": "two", "fr": "deux"}]
    return tf.data.Dataset.from_generator(
        lambda: (
            {"translations": {"language": list(e), "translation": list(e.values())}}
            for e in examples
        ),
        output_signature={
            "translations": {
                key: tf.TensorSpec([None], tf.string)
                for key in ("language", "translation")
            }
        },
    )


def test_read_tfds_of_varying_languages(caplog):
    with tfds.testing.mock_data(as_dataset_fn=in_many_languages):
        pairs = data.read_tfds("ted_multi_translate", source="fr", target="de")
        assert pairs == [("un", "eins")]
        assert "left out 1 of 2" in caplog.text
        with pytest.raises(data.DataError, match="zh-tw. Received: source=None"):
            data.read_tfds("ted_multi_translate")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ted_hrlr_translat", "Received: 'ted_hrlr_translat' .*: ted_hrlr_translate"),
        ("ted_hrlr_translate/pt_to_e", "Similar names: ted_hrlr_translate/pt_to_en"),
        ("no such set", "no such data set. Received: 'no such set'"),
    ],
)
def test_unknown_data_set(name, message):
    with pytest.raises(data.DataError, match=message) as error:
        data.read_tfds(name)
    assert "\n" not in str(error.value)


class SmallTranslation(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    fails = True

    def _info(self):
        features = tfds.features.Translation(languages=["en", "pt"])
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        if self.fails:
            raise OSError("no route to host\nand much more")
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"en": "one", "pt": "um"}


def test_download_is_announced_and_may_fail(tmp_path, monkeypatch, caplog):
    builder = SmallTranslation(data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    with pytest.raises(data.DataError, match=r"no route to host\). Connect") as error:
        data.read_tfds("small_translation")
    assert "\n" not in str(error.value)
    assert "small_translation/1.0.0 is not in" in caplog.text
    assert "downloading it now" in caplog.text
    builder.fails = False
    assert data.read_tfds("small_translation") == [("one", "um")]
    with pytest.raises(data.DataError, match=r"\['train'\].*split='dev'"):
        data.read_tfds("small_translation", "dev")
    caplog.clear()
    data.read_tfds("small_translation")
    assert "downloading" not in caplog.text


# --- split, group_references ---


def test_split():
    pairs = [(str(n % 61), str(n)) for n in range(211)]
    parts = data.split(pairs, (0.7, 0.2, 0.1), seed=3)
    assert sorted(itertools.chain(*parts), key=pairs.index) == pairs
    sources = [{source for source, _ in part} for part in parts]
    assert [len(part) for part in sources] == [43, 12, 6]
    for one, other in itertools.combinations(sources, 2):
        assert not one & other
    for part in parts:
        assert part == sorted(part, key=pairs.index)
    assert data.split(pairs, (0.7, 0.2, 0.1), seed=3) == parts
    assert data.split(pairs, (0.7, 0.2, 0.1), seed=4) != parts


@pytest.mark.parametrize("fractions", [(), (0.5, 0.4), (1.5, -0.5), (1.0, 0.0)])
def test_fractions_must_sum_to_one(fractions):
    with pytest.raises(ValueError, match=re.escape(f"fractions={fractions!r}")):
        data.split([("a", "b")] * 9, fractions)


def test_no_part_may_be_empty():
    with pytest.raises(ValueError, match="part would be empty.*3 distinct sources"):
        data.split([("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")])


def test_group_references():
    pairs = [("b", "2"), ("a", "1"), ("b", "3"), ("b", "2"), ("a", "0")]
    expected = ["b", "a"], [["2", "3"], ["1", "0"]]
    assert data.group_references(pairs) == expected


# --- batches ---

BUCKETS = (5, 11, 17)


@pytest.fixture(scope="module", name="tokenizers")
def tokenizers_():
    source = train_tokenizer(["abcdefg"], kind="character")
    return source, train_tokenizer(["a b c d e f g h i"], kind="word")


@pytest.fixture(scope="module", name="pairs")
def pairs_():
    """All different; the longest source and target have 19 and 17 tokens."""
    rng = random.Random(1)
    pairs = set()
    while len(pairs) < 211:
        source = "".join(rng.choices("abcdefg", k=rng.randint(1, 18)))
        target = " ".join(rng.choices("abcdefghi", k=rng.randint(1, 16)))
        pairs.add((source, target))
    return sorted(pairs, key=str)


def bucket_of(ids):
    """The length that one side is padded to, if it is alone; `None` if too long."""
    return next((n for n in BUCKETS if len(ids) <= n), None)


def shape_of(rows):
    """Number of rows and the lengths of both sides, of a batch with these rows."""
    return len(rows), *(max(map(bucket_of, side)) for side in zip(*rows, strict=True))


def rows_of(batch):
    """Takes a batch apart and checks what holds of every batch."""
    inputs, labels = batch
    assert set(inputs) == {"source", "target"}
    arrays = [inputs["source"], inputs["target"], labels]
    assert all(a.dtype == np.int32 and a.ndim == 2 for a in arrays)
    for source, target, label in zip(
        *(a.numpy().tolist() for a in arrays), strict=True
    ):
        source_length, label_length = source.index(EOS_ID) + 1, label.index(EOS_ID) + 1
        assert set(source[source_length:]) <= {PAD_ID}
        assert set(label[label_length:]) <= {PAD_ID}
        label_ids = label[:label_length]
        padding = [PAD_ID] * (len(label) - label_length)
        assert target == [BOS_ID, *label_ids[:-1], *padding]
        yield tuple(source[:source_length]), tuple(label_ids)


def epoch(dataset):
    """All rows of one epoch, and each batch's rows, source and target length."""
    rows, shapes = [], []
    for batch in dataset:
        inputs, labels = batch
        assert inputs["target"].shape == labels.shape
        shapes.append((*inputs["source"].shape, labels.shape[1]))
        rows += rows_of(batch)
    return rows, shapes


def groups_of(rows, shapes):
    """The rows of each batch."""
    ends = list(itertools.accumulate(size for size, *_ in shapes))
    return [rows[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def kept(pairs, tokenizers):
    """The ids of the pairs that are not too long."""
    sides = zip(*pairs, strict=True)
    ids = [
        t.tokenize(side).to_list() for t, side in zip(tokenizers, sides, strict=True)
    ]
    rows = [(tuple(source), tuple(target)) for source, target in zip(*ids, strict=True)]
    return [row for row in rows if all(map(bucket_of, row))]


def test_batches_in_order(pairs, tokenizers, caplog):
    dataset = data.batches(pairs, *tokenizers, batch_size=13, buckets=BUCKETS)
    expected = kept(pairs, tokenizers)
    left_out = len(pairs) - len(expected)
    assert f"Left out {left_out} of 211 pairs" in caplog.text and left_out > 5
    assert "17 tokens" in caplog.text
    rows, shapes = epoch(dataset)
    assert rows == expected
    groups = [expected[i : i + 13] for i in range(0, len(expected), 13)]
    assert shapes == [shape_of(group) for group in groups]
    assert int(dataset.cardinality()) == len(groups)
    assert epoch(dataset) == (rows, shapes)


def test_batches_shuffled(pairs, tokenizers):
    def make(seed):
        return data.batches(
            pairs, *tokenizers, batch_size=13, buckets=BUCKETS, seed=seed
        )

    dataset = make(7)
    epochs = [epoch(dataset) for _ in range(3)]
    expected = kept(pairs, tokenizers)
    assert [epoch(make(7)) for _ in range(1)] == epochs[:1]
    again = make(7)
    assert [epoch(again) for _ in range(3)] == epochs
    assert epoch(make(8)) != epochs[0]
    for rows, shapes in epochs:
        assert sorted(rows) == sorted(expected)
        assert len(shapes) == int(dataset.cardinality()) == -(-len(expected) // 13)
        assert [shape_of(group) for group in groups_of(rows, shapes)] == shapes
        assert sum(size < 13 for size, *_ in shapes) <= 1
        # XLA has to compile for the shapes of the first epoch only.
        assert sorted(shapes) == sorted(epochs[0][1])
    orders = [rows for rows, _ in epochs]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert epochs[0][1] != epochs[1][1]  # the batches' order, too
    one, other = ({frozenset(x) for x in groups_of(*found)} for found in epochs[:2])
    assert not one & other  # and who shares a batch


def test_shuffled_batches_hold_pairs_of_like_lengths(pairs, tokenizers):
    _, shapes = epoch(
        data.batches(pairs, *tokenizers, batch_size=13, buckets=BUCKETS, seed=1)
    )
    # In the order of targets' buckets, and within them of the sources', back and forth.
    expected = sorted(
        (n, m if BUCKETS.index(n) % 2 == 0 else -m)
        for m, n in ([*map(bucket_of, row)] for row in kept(pairs, tokenizers))
    )
    groups = [expected[i : i + 13] for i in range(0, len(expected), 13)]
    assert sorted(shapes) == sorted(
        (len(g), max(abs(m) for _, m in g), max(n for n, _ in g)) for g in groups
    )
    # Without sorting, nearly every batch would have the greatest lengths.
    assert sum(n for *_, n in shapes) < 0.8 * 17 * len(shapes)


@pytest.mark.parametrize("seed", [None, 3])
def test_no_iterator_waits_for_the_tuner(pairs, tokenizers, seed):
    dataset = data.batches(pairs, *tokenizers, seed=seed)
    assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_one_pair_is_a_batch(tokenizers, batch_size):
    arguments = {"batch_size": batch_size, "buckets": BUCKETS, "seed": 0}
    dataset = data.batches([("abcdef", "a b")], *tokenizers, **arguments)
    assert epoch(dataset)[1] == epoch(dataset)[1] == [(1, 11, 5)]


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_by_tokens(pairs, tokenizers, seed):
    dataset = data.batches(
        pairs, *tokenizers, batch_tokens=67, buckets=BUCKETS, seed=seed
    )
    rows, shapes = epoch(dataset)
    assert sorted(rows) == sorted(kept(pairs, tokenizers))
    assert int(dataset.cardinality()) == len(shapes)
    assert all(size * max(lengths) <= 67 for size, *lengths in shapes)
    if seed is None:
        assert rows == kept(pairs, tokenizers)
        # Greedy: the next row would not have fitted.
        groups = groups_of(rows, shapes)
        for group, following in itertools.pairwise(groups):
            size, *lengths = shape_of([*group, following[0]])
            assert size * max(lengths) > 67
    else:
        full = [size == 67 // max(lengths) for size, *lengths in shapes]
        assert sum(not x for x in full) <= len(BUCKETS) ** 2
        again = epoch(dataset)
        assert sorted(again[1]) == sorted(shapes) and again[0] != rows


def test_a_batch_of_tokens_has_at_least_one_row(tokenizers):
    dataset = data.batches([("ab", "a b")] * 2, *tokenizers, batch_tokens=1)
    assert epoch(dataset)[1] == [(1, 4, 4), (1, 4, 4)]


def test_chunks_make_no_difference(pairs, tokenizers, monkeypatch, capsys):
    whole = epoch(data.batches(pairs, *tokenizers, buckets=BUCKETS))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("kseq2seq.data.batching._CHUNK", 7)
    monkeypatch.setattr("kseq2seq.data.batching._PATIENCE", 0.0)
    assert epoch(data.batches(pairs, *tokenizers, buckets=BUCKETS)) == whole
    assert capsys.readouterr().err.endswith("\rtokenised 211 of 211 pairs\n")


def test_length_counts_eos(tokenizers):
    pairs = [("abcd", "a"), ("a", "a b c d"), ("abcde", "a"), ("a", "a b c d e")]
    _, shapes = epoch(data.batches(pairs, *tokenizers, batch_size=1, buckets=[5, 6]))
    assert shapes == [(1, 5, 5), (1, 5, 5), (1, 6, 5), (1, 5, 6)]


def test_order_of_buckets_does_not_matter(pairs, tokenizers):
    one = data.batches(pairs, *tokenizers, buckets=(17, 5, 11, 5), seed=1)
    other = data.batches(pairs, *tokenizers, buckets=BUCKETS, seed=1)
    assert epoch(one) == epoch(other)


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_fit_takes_it_and_sees_each_pair_once_an_epoch(
    pairs, tokenizers, steps_per_execution
):
    class Count(keras.callbacks.Callback):
        ends = ()

        def on_train_batch_end(self, batch, logs=None):
            Count.ends += (batch,)

    dataset = data.batches(pairs, *tokenizers, batch_size=13, buckets=BUCKETS, seed=1)
    inputs = {name: keras.Input((None,), name=name) for name in ("source", "target")}
    embedded = keras.layers.Embedding(20, 3)(inputs["target"])
    sources = keras.layers.Embedding(20, 3)(inputs["source"])
    read = keras.layers.GlobalAveragePooling1D(keepdims=True)(sources)
    model = keras.Model(inputs, keras.layers.Dense(13)(embedded + read))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # The batches of one execution differ in shape.
    model.compile("sgd", loss, steps_per_execution=steps_per_execution)
    model.fit(
        dataset, epochs=2, verbose=0, callbacks=[Count()], validation_data=dataset
    )
    count = int(dataset.cardinality())
    assert int(model.optimizer.iterations) == 2 * count
    assert len(Count.ends) == 2 * -(-count // steps_per_execution)
    assert Count.ends[:2] == (steps_per_execution - 1, 2 * steps_per_execution - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a positive integer.*batch_size=0"),
        ({"batch_tokens": 2.5}, r"`batch_tokens` must be.*batch_tokens=2\.5"),
        ({"buckets": ()}, r"`buckets` must be a list.*buckets=\(\)"),
        ({"buckets": (5, 0)}, r"positive integers.*buckets=\(5, 0\)"),
        ({"buckets": 10}, "buckets=10"),
        ({"seed": 1.5}, r"`seed` must be an integer or None.*seed=1\.5"),
        ({"buckets": (2,)}, "2 of 2 pairs are longer than the last bucket, 2 tokens"),
    ],
)
def test_errors_of_batches(tokenizers, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.batches([("abc", "a"), ("abc", "b")], *tokenizers, **arguments)


def test_there_must_be_pairs(tokenizers):
    with pytest.raises(ValueError, match="at least one pair"):
        data.batches([], *tokenizers)


# --- real data ---


@pytest.mark.skipif(not SHARED.exists(), reason="no shared data")
def test_real_files(caplog):
    caplog.set_level(logging.WARNING, "kseq2seq")
    multi30k = SHARED / "multi30k"
    pairs = data.read_parallel(multi30k / "val.en.gz", multi30k / "val.de.gz")
    assert len(pairs) == 1014
    assert pairs[0][0].startswith("A group of men are loading cotton")
    assert len(data.read_tsv(SHARED / "tatoeba_eng-fra" / "dev.tsv.gz")) > 3000
    words = data.read_tsv(SHARED / "cmudict" / "pronalsyl.test.tsv.gz")
    sources, references = data.group_references(words)
    assert len(sources) == 12000
    assert max(map(len, references)) > 1
    assert not caplog.messages


@pytest.mark.skipif(not SHARED.exists(), reason="no shared data")
def test_little_is_padding_in_few_shapes_by_default():
    multi30k = SHARED / "multi30k"
    pairs = data.read_parallel(multi30k / "train.en.gz", multi30k / "train.de.gz")
    tokenizer = train_tokenizer(
        [text for pair in pairs for text in pair], vocabulary_size=8000
    )
    dataset = data.batches(pairs, tokenizer, tokenizer, batch_size=64, seed=1)
    shapes, real, padded = set(), np.zeros(2, int), np.zeros(2, int)
    for inputs, labels in dataset:
        sides = [inputs["source"].numpy(), labels.numpy()]
        shapes.add((*sides[0].shape, sides[1].shape[1]))
        real += [np.count_nonzero(side != PAD_ID) for side in sides]
        padded += [side.size for side in sides]
    waste = 1 - real / padded
    assert max(waste) < 0.08 and 1 - real.sum() / padded.sum() < 0.07, waste
    assert len(shapes) < 60
