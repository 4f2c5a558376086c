"""Readers of TensorFlow Datasets."""

import pytest
import tensorflow_datasets as tfds

from kseq2seq import data
from kseq2seq.utils import EXTRAS


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


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(EXTRAS, "tfds", ("no_such_module",))
    with pytest.raises(ValueError, match=r'Run: pip install "kseq2seq\[tfds\]"'):
        data.read_tfds("ted_hrlr_translate/pt_to_en")
