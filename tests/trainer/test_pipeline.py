"""A training step by step: what is made of the settings."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq import losses, runs, tokenizers, trainer
from kseq2seq.trainer import batches, pipeline, vocabularies
from kseq2seq.trainer.sampling_settings import make_scheduled_sampling
from kseq2seq.trainer.schema import SettingsError

DATES = trainer.find_recipe("dates")
SMALL = ["model.units=6", "model.embedding_size=5"]


@pytest.fixture
def tokenizer():
    return tokenizers.train_tokenizer(["abc"], kind="character")


def read_settings(*changes):
    return trainer.read_settings(DATES, [*SMALL, *changes])


def make_model(tokenizer, *changes):
    settings = read_settings(*changes)
    config = pipeline.make_config(settings, tokenizer, tokenizer)
    return pipeline.make_model(settings, config, num_steps=7)


def test_a_model_is_compiled_as_the_settings_say(tokenizer):
    changes = ["training.jit_compile=true", "training.steps_per_execution=3"]
    for given, expected in ((changes, (True, 3)), ([], (False, 1))):
        model = make_model(tokenizer, *given)
        assert (model.jit_compile, model.steps_per_execution) == expected
        assert type(model.loss) is kseq2seq.MaskedCrossentropy
    assert type(model.optimizer) is kseq2seq.Adam
    model = make_model(
        tokenizer, "training.num_sampled=7", "training.label_smoothing=0.0"
    )
    assert type(model.loss) is kseq2seq.SampledCrossentropy
    assert model.loss.num_sampled == 7


@pytest.mark.parametrize(
    "attribute", ["source_mask", "target_mask", "source_swap", "shared_mask"]
)
def test_noise_is_for_training_alone(tokenizer, tmp_path, attribute):
    noisy, plain = read_settings(f"batches.{attribute}=0.9"), read_settings()
    pairs = [("abcabcabc", "cba")] * 11
    vocabularies = tokenizer, tokenizer, None
    side = "target" if attribute == "target_mask" else "source"

    def sides(settings, start=0):
        made = batches.make_training_batches(settings, tmp_path, pairs, vocabularies)
        return [np.asarray(x[side]) for x, _ in made.dataset(start).take(2)]

    without, first, again = sides(plain), sides(noisy), sides(noisy)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(sides(noisy, start=1)[0], first[1])
    assert (first[0] != without[0]).any() and (first[0] != first[1]).any()
    validation = batches.make_batches(noisy, pairs, vocabularies)
    np.testing.assert_array_equal(next(iter(validation))[0][side], without[0])


def test_devices_have_equal_parts_of_a_batch(tokenizer, tmp_path):
    """Keras fails where the first batch of a MirroredStrategy has no equal parts."""
    settings = read_settings("training.devices=['GPU:0', 'GPU:1', 'GPU:2']")
    pairs = [("abcabcabc", "cba")] * 11
    vocabularies = tokenizer, tokenizer, None
    made = batches.make_training_batches(settings, tmp_path, pairs, vocabularies)
    for dataset in (
        made.dataset(),
        batches.make_batches(settings, pairs, vocabularies),
    ):
        inputs, labels = next(iter(dataset))
        assert len(labels) == 12
        for rows in (*inputs.values(), labels):
            assert rows[:11].numpy().any(axis=1).all()
            assert not rows[11:].numpy().any()


def test_other_pieces_are_drawn_for_training(tmp_path):
    pairs = [("a banana and ananas", "ananas")] * 11
    texts = ["a banana and ananas", "a bandana", "nab an ananas"]
    subwords = tokenizers.train_tokenizer(texts, 17, allow_smaller=True)
    changes = ["batches.sampling_nbest_size=[-1, 0]", "batches.buckets=[31]"]
    changes += ["tokenizer.kind=unigram"]
    settings = read_settings(*changes)
    sides = subwords, subwords, None
    made = batches.make_training_batches(settings, tmp_path, pairs, sides)
    inputs, labels = next(iter(made.dataset()))
    assert len({tuple(row) for row in inputs["source"].numpy()}) > 1
    assert len({tuple(row) for row in labels.numpy()}) == 1
    assert {*subwords.detokenize(inputs["source"]).numpy()} == {b"a banana and ananas"}


def test_a_training_samples_as_the_settings_say(tmp_path):
    changes = ["scheduled_sampling.schedule=exponential", "training.seed=3"]
    settings = read_settings(*changes, "scheduled_sampling.steps=7", "data.limit=50")
    training = pipeline.prepare(settings, tmp_path / "run")
    sampling = training.model.scheduled_sampling
    assert (sampling.schedule, sampling.steps, sampling.seed) == ("exponential", 7, 3)
    assert make_scheduled_sampling(read_settings().scheduled_sampling, 3) is None


def test_a_training_compares_two_passes_if_it_is_asked_to(tmp_path):
    for value, folder in ((0.0, "one"), (1.5, "two")):
        settings = read_settings(f"training.consistency={value}", "data.limit=50")
        model = pipeline.prepare(settings, tmp_path / folder).model
        assert getattr(model.consistency, "weight", 0.0) == value


def test_a_training_is_guided_by_links_that_stay_with_their_pairs(tmp_path):
    words, rows = "abcdefghijklmnopqrstu", []
    for n, letter in enumerate(words):
        rows.append((f"{letter} x", f"x {letter}", f"0-1 {n % 2}-0"))
    for side, *column in zip(("en", "de", "links"), *rows, strict=True):
        (tmp_path / side).write_text("\n".join(column))
    changes = ["data.format=parallel", 'data.train=["en", "de"]', "data.links=links"]
    changes += ["training.guided_alignment=0.3", "tokenizer.kind=word"]
    changes += ["data.held_out=3"]
    settings = read_settings(*changes)
    training = pipeline.prepare(settings, tmp_path / "run", tmp_path)
    assert training.model.guided_alignment.weight == 0.3
    inputs, _ = next(iter(training.batches.dataset()))
    for source, links in zip(inputs["source"], inputs["links"].numpy(), strict=True):
        letter = training.source.pieces(source.numpy())[0].removeprefix("▁")
        expected = [1, 0] if words.index(letter) % 2 == 0 else [0, 1]
        assert links[:2, :2].tolist() == [expected, [1, 0]]
    validation, _ = next(iter(training.validation_batches))
    assert "links" not in validation
    assert {len(row) for row in [*training.validation, *training.test]} == {2}
    train, held_out = trainer.pairs_of_run(tmp_path / "run", tmp_path)
    assert {len(row) for row in [*train, *held_out]} == {2}
    (tmp_path / "links").write_text("0-0\n")
    with pytest.raises(ValueError, match=r"links: expected a line .* 21 pairs"):
        pipeline.prepare(settings, tmp_path / "other", tmp_path)


def test_the_loss_fits_the_probabilities(tokenizer):
    model = make_model(tokenizer, "model.output_probability_fn=sparsemax")
    assert type(model.loss) is losses.EntmaxLoss
    assert model.loss.probability_fn == "sparsemax"
    assert model.loss.label_smoothing == 0.1


def test_the_first_step_is_traced_once(tokenizer):
    """Also with a scaled loss, which makes numbers of its own."""
    try:
        model = make_model(tokenizer, "training.precision=mixed_float16")
    finally:
        keras.config.set_dtype_policy("float32")
    traces, plain = [], model.train_step
    model.train_step = lambda data: traces.append(1) or plain(data)
    batch = {"source": np.full((2, 3), 4), "target": np.full((2, 5), 4)}
    model.fit(batch, np.full((2, 5), 4), verbose=0)
    assert traces == [1]


def test_a_slow_precision_is_a_warning(tokenizer, monkeypatch, caplog):
    monkeypatch.setattr(pipeline, "advice", lambda precision: f"{precision} is slow")
    make_model(tokenizer)
    assert caplog.messages == ["float32 is slow"]


def test_word_vectors_start_the_embeddings(tmp_path, caplog):
    pairs = [("a dog", "un chien"), ("the dog", "le chien")]
    source, target = kseq2seq.train_tokenizers(pairs, kind="word")
    settings = read_settings("embeddings.target=vectors.txt", "model.embedding_size=3")
    config = pipeline.make_config(settings, source, target)
    model = kseq2seq.build_model(config)
    (tmp_path / "vectors.txt").write_text("chien 5 6 7\nle 1 2 3\n")
    caplog.set_level("INFO", "kseq2seq")
    pipeline.start_embeddings(settings, model, source, target, tmp_path)
    row = next(i for i in range(4, 9) if target.pieces([i])[0].endswith("chien"))
    matrix = keras.ops.convert_to_numpy(model.get_layer("target_embedding").embeddings)
    np.testing.assert_array_equal(matrix[row], [5, 6, 7])
    assert "target embeddings: 2 of 3 pieces" in caplog.text
    assert "source embeddings" not in caplog.text


def test_a_vocabulary_is_as_large_as_little_text_allows(caplog):
    settings = read_settings("tokenizer.kind=bpe", "tokenizer.vocabulary_size=8000")
    pairs = [("a dog runs", "ein Hund"), ("a dog", "ein Hund läuft")]
    for tokenizer in vocabularies.make_tokenizers(settings, pairs):
        size = tokenizer.vocabulary_size
        assert f"a vocabulary of {size} pieces (bpe) instead of 8000" in caplog.text
        assert 10 < size < 100


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ('training.frozen=["attention"]', "training.frozen: .*'attention', of which"),
        ('training.devices=["GPU:7"]', "training.devices must be some of"),
        ("embeddings.target=absent.txt", "absent.txt"),
        ("batches.buckets=[1]", "buckets"),
    ],
)
def test_a_fresh_start_that_is_refused_leaves_the_former_training(
    tmp_path, change, match
):
    former = ["data.count=60", "data.held_out=5", "model.attention=none"]
    trainer.prepare(read_settings(*former), tmp_path, tmp_path)
    (tmp_path / runs.HISTORY_FILE).touch()
    (tmp_path / runs.MODEL_FILE).write_bytes(b"hours of work")
    held = {path: path.read_bytes() for path in tmp_path.iterdir()}
    settings = read_settings(*former, change)
    with pytest.raises((ValueError, OSError), match=match):
        trainer.prepare(settings, tmp_path, tmp_path, fresh=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == held
    trainer.prepare(read_settings(*former), tmp_path, tmp_path, fresh=True)
    assert not (tmp_path / runs.HISTORY_FILE).exists()
    assert not (tmp_path / runs.MODEL_FILE).exists()


def test_devices_are_checked_before_data_are_read(tmp_path):
    absent = "data.format=tsv", "data.train=['absent.tsv']"
    settings = read_settings(*absent, "training.devices=['GPU:7']")
    with pytest.raises(ValueError, match=r"training\.devices must be some of"):
        trainer.prepare(settings, tmp_path)


def test_a_training_in_the_folder_is_found_before_data_are_read(tmp_path):
    absent = "data.format=tsv", "data.train=['absent.tsv']"
    runs.write_settings(tmp_path, read_settings(*absent).to_dict())
    (tmp_path / runs.HISTORY_FILE).touch()
    with pytest.raises(SettingsError, match="holds a training already: go on with"):
        trainer.prepare(read_settings(*absent), tmp_path)
    other = read_settings(*absent, "model.units=8")
    with pytest.raises(SettingsError, match=r"model\.units was 6, now 8"):
        trainer.prepare(other, tmp_path, resume=True)


def test_a_folder_in_which_another_process_trains_is_refused(tmp_path, monkeypatch):
    def held(folder):
        raise ValueError(f"another process trains in {folder}")

    monkeypatch.setattr(runs, "check_is_free", held)
    absent = "data.format=tsv", "data.train=['absent.tsv']"
    (tmp_path / runs.SETTINGS_FILE).touch()
    for options in ({}, {"resume": True}, {"fresh": True}):
        with pytest.raises(ValueError, match=f"trains in {tmp_path}"):
            trainer.prepare(read_settings(*absent), tmp_path, **options)
    assert (tmp_path / runs.SETTINGS_FILE).exists()


def test_tensorboard_is_asked_for_first(tmp_path, monkeypatch):
    settings = read_settings("training.tensorboard=true")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed: tensorboard\. Run: pip inst"):
        trainer.prepare(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_test_set_of_sentences_is_scored_line_by_line(monkeypatch, tmp_path):
    asked = []

    class Parrot:
        def translate(self, texts, search, progress, features):
            asked.append(texts)
            return [[] for _ in texts]

    monkeypatch.setattr(kseq2seq.Translator, "load", lambda run: Parrot())
    pairs = [("a", "x"), ("b", "y"), ("a", "z")]
    for format_ in ("parallel", "tfds", "tsv", "dates"):
        settings = read_settings(f"data.format={format_}")
        folder = trainer.RunFolder(tmp_path, "val_exact_match", True)
        provenance = runs.provenance_of("kseq2seq train x", seed=7)
        training = trainer.Training(
            **dict.fromkeys(x.name for x in dataclasses.fields(trainer.Training))
        )
        training = dataclasses.replace(
            training,
            settings=settings,
            run_folder=folder,
            test=pairs,
            provenance=provenance,
        )
        trainer.score(training)
    assert asked == [["a", "b", "a"], ["a", "b", "a"], ["a", "b"], ["a", "b"]]
    text = (tmp_path / "scores.json").read_text()
    assert re.search("nrefs:var", text)
    assert json.loads(text)["provenance"] == provenance
    assert not (tmp_path / "alignment.png").exists()


def test_dates_are_read_in_digits_of_full_width():
    pairs = kseq2seq.data.dates(300)
    source, target = vocabularies.make_tokenizers(read_settings(), pairs)
    texts = [text for text, _ in pairs]
    zero = ord("\N{FULLWIDTH DIGIT ZERO}")
    wide = {ord(str(digit)): zero + digit for digit in range(10)}
    widened = [text.translate(wide) for text in texts]
    assert widened != texts
    assert source.tokenize(widened).to_list() == source.tokenize(texts).to_list()
    # Targets are written as they were read.
    backs = target.detokenize(target.tokenize([date for _, date in pairs])).numpy()
    assert [back.decode() for back in backs] == [date for _, date in pairs]


def test_a_training_with_averages_ends_whole(tmp_path, caplog):
    changes = ["data.count=60", "data.held_out=7", "batches.buckets=[40]"]
    changes += ["training.epochs=3", "training.ema=0.9", "training.average_best=2"]
    changes += ["training.validation_search=search", "search.beam_size=2"]
    changes += ["optimizer.schedule=plateau", "optimizer.accumulation_steps=2"]
    changes += ["optimizer.weight_decay=0.01", "batches.batch_size=16"]
    changes += ["training.metrics=ter", "search.max_length=12"]
    caplog.set_level("INFO", "kseq2seq")
    training = trainer.prepare(read_settings(*changes), tmp_path)
    trainer.fit(training)
    average = runs.load_history(tmp_path).average
    assert len(average["epochs"]) == 2 and "val_ter" in average["scores"]
    assert f"average of the epochs {average['epochs'][0]}, " in caplog.text
    assert not list(tmp_path.glob("best-*"))
    history = runs.read_history(tmp_path)
    names = {"learning_rate", "val_ter", "val_alignment", "val_alignment_sharpness"}
    assert names < set(history) and len(history["val_ter"]) == 3
    before = (tmp_path / runs.MODEL_FILE).stat().st_mtime_ns
    again = trainer.prepare(read_settings(*changes), tmp_path, resume=True)
    trainer.fit(again)
    assert (tmp_path / runs.MODEL_FILE).stat().st_mtime_ns == before
    assert again.run_folder.average == average
