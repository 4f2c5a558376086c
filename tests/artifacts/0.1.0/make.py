"""Makes this folder with version 0.1.0 of kseq2seq, which alone it is for.

PYTHONPATH=. python tests/artifacts/0.1.0/make.py, from the root of that version, trains
small models, writes what the version writes of them, and writes down what they answer.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from kseq2seq.provenance import package_versions

import kseq2seq
from kseq2seq import layers

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]
RECORDS = ["config", "settings", "history", "scores", "training"]

DATES_TOML = """
[data]
format = "tsv"
train = ["train.tsv"]
held_out = 100

[tokenizer]
kind = "character"

[batches]
buckets = [11, 17, 23, 29]

[model]
embedding_size = 11
encoder_units = 14
units = 17
attentional_units = 13
bridge = "dense"
input_feeding = true
dropout = 0.05

[optimizer]
learning_rate = 0.02
warmup_steps = 30
decay = true

[training]
epochs = 13
label_smoothing = 0.05
metrics = ["exact_match", "chrf"]

[search]
beam_size = 3

[card]
source = "dates in English, French and German"
target = "dates in ISO 8601"
data = "made on the spot by kseq2seq.data.dates"
licence = "none: there are no files"
example = "20 juillet 1969"
"""

# What is asked of each run folder: texts, and pairs, not all of them right.
QUESTIONS = {
    "dates": (
        ["20 juillet 1969", "", "Saturday, 4 March 2017", "9. November 1989", "12 ☃ b"],
        [("9. November 1989", "1989-11-09"), ("20 juillet 1969", "1969"), ("", "2")],
    ),
    "numbers": (
        ["307", "41", "", "888", "9 x 12"],
        [("307", "three hundred seven"), ("12", "twelve thirty"), ("5", "")],
    ),
    "romans": (
        ["17", "399", "", "246", "3 é"],
        [("17", "XVII"), ("399", "ID"), ("8", "")],
    ),
}
SEARCH = {"beam_size": 4, "num_hypotheses": 3, "max_length": 29}


def train_dates(folder):
    """A run of `training/train.py`: the default mechanism, step by step."""
    pairs = kseq2seq.data.dates(3000, locales=["en_GB", "de", "fr"])
    with tempfile.TemporaryDirectory() as work:
        lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
        Path(work, "data").mkdir()
        Path(work, "data", "train.tsv").write_text(lines, encoding="utf-8")
        Path(work, "dates.toml").write_text(DATES_TOML, encoding="utf-8")
        command = [sys.executable, str(ROOT / "training" / "train.py"), "dates.toml"]
        command += ["--data", "data", "--run", "dates"]
        subprocess.run(command, cwd=work, check=True)
        folder.mkdir(parents=True)
        for name in ["model.keras", "source.model", "target.model"]:
            shutil.copy(Path(work, "dates", name), folder)
        for name in RECORDS:
            shutil.copy(Path(work, "dates", f"{name}.json"), folder)


def in_words(n):
    """A number below 1,000 in English."""
    small = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    small += ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"]
    small += ["seventeen", "eighteen", "nineteen"]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty"]
    tens += ["ninety"]
    if n >= 100:
        return f"{in_words(n // 100)} hundred {in_words(n % 100)}".strip()
    if n >= 20:
        return f"{tens[n // 10 - 2]} {in_words(n % 10)}".strip()
    return small[n - 1] if n else ""


def in_roman(n):
    """A number below 400 in Roman figures."""
    tens = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"]
    ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    return "C" * (n // 100) + tens[n // 10 % 10] + ones[n % 10]


def train(pairs, tokenizers, epochs, **settings):
    """A `Translator`, as `fit` in Python makes it."""
    keras.utils.set_random_seed(1)
    source, target = kseq2seq.train_tokenizers(pairs, **tokenizers)
    sizes = source.vocabulary_size, target.vocabulary_size
    model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(*sizes, **settings))
    model.compile(
        kseq2seq.Adam(0.02, global_clipnorm=5.0),
        loss=kseq2seq.MaskedCrossentropy(),
        metrics=[kseq2seq.TokenAccuracy(), kseq2seq.Perplexity()],
    )
    batches = kseq2seq.data.batches(pairs, source, target, batch_size=32, seed=1)
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    return kseq2seq.Translator(model, source, target)


def train_numbers():
    """A mechanism with a state and a loss, asked ahead of each step; two layers."""
    return train(
        [(str(n), in_words(n)) for n in range(1, 1000)],
        {"kind": ("character", "word")},
        epochs=12,
        embedding_size=7,
        encoder_units=10,
        units=13,
        decoder_layers=2,
        residual=True,
        bridge="zeros",
        attention="coverage",
        attention_units=5,
        attention_options={"max_fertility": 2, "loss_weight": 0.1},
        attention_query="previous",
        dropout=0.0,
    )


def train_romans():
    """GRUs in half precision without attention, one matrix for target and softmax."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    translator = train(
        [(str(n), in_roman(n)) for n in range(1, 400)],
        {"kind": "bpe", "vocabulary_size": 23, "shared": True},
        epochs=110,
        embedding_size=22,
        units=22,
        cell="gru",
        attention="none",
        tie_embeddings=True,
        dropout=0.0,
    )
    keras.config.set_dtype_policy("float32")
    return translator


def answers(name, translator, arrays):
    """Answers of a run folder or a SavedModel; long ones go into `arrays`."""
    texts, pairs = QUESTIONS[name.partition("/")[2]]
    search = kseq2seq.Search(**SEARCH)
    actual = translator.translate(texts, search)
    expected = {
        "texts": texts,
        "pairs": pairs,
        "search": SEARCH,
        "translations": [[(x.text, x.score) for x in best] for best in actual],
        "scored": translator.score(pairs),
        "sampled": [(x.text, x.log_prob) for x in translator.sample(texts, seed=5)],
    }
    if isinstance(translator, kseq2seq.Translator):
        expected["greedy"] = translator(texts, beam=1)
        expected["log_probs"] = [[x.log_prob for x in best] for best in actual]
        expected["tokens"] = [
            [(x.source_tokens, x.target_tokens) for x in best] for best in actual
        ]
    if not name.endswith("romans"):
        aligned = [x._asdict() for x in translator.align(pairs)]
        for n, x in enumerate(aligned):
            arrays[f"{name}/align/{n}"] = x.pop("weights")
        expected["aligned"] = aligned
    for n, x in enumerate(translator.encode(texts)):
        arrays[f"{name}/state/{n}"] = x.state
        if x.memory is not None:
            arrays[f"{name}/memory/{n}"] = x.memory
    return expected


SIZES = {"source": 13, "target": 11}  # of the vocabularies of the models below


def ids():
    """Sources to be reversed, the targets that the models see, and their labels."""
    generator = np.random.default_rng(0)
    source, target, labels = np.zeros((3, 64, 7), "int32")
    for row, length in enumerate(generator.integers(2, 7, 64)):
        drawn = generator.integers(4, SIZES["target"], length)
        source[row, :length] = drawn
        labels[row, : length + 1] = [*drawn[::-1], 3]
        target[row, : length + 1] = [2, *drawn[::-1]]
    return source, target, labels


def own_model(*attentions, projection=keras.layers.Dense):
    """The model of the README's section "Attention in a model of your own"."""
    source = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(SIZES["source"], 7, mask_zero=True)(source)
    encoder = keras.layers.LSTM(11, return_sequences=True, return_state=True)
    memory, *states = encoder(embedded)
    embedded = keras.layers.Embedding(SIZES["target"], 5)(target)
    decoder = keras.layers.LSTM(11, return_sequences=True)
    outputs = decoder(embedded, initial_state=states)
    contexts = [attention(outputs, memory) for attention in attentions]
    joined = keras.layers.Concatenate()([*contexts, outputs])
    vector = keras.layers.Dense(13, "tanh", use_bias=False)(joined)
    logits = projection(SIZES["target"])(vector)
    return keras.Model([source, target], logits)


def decoder_model():
    """Our own layers beside attention: LSTM, decoder, vocabulary."""
    source = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    mask, target_mask = layers.PaddingMask()(source), layers.PaddingMask()(target)
    embedding = layers.VocabularyEmbedding(SIZES["target"], 5)
    encoder = layers.LSTM(7, return_sequences=True, zero_output_for_mask=True)
    memory = keras.layers.Bidirectional(encoder)(
        keras.layers.Embedding(SIZES["source"], 7)(source), mask=mask
    )
    cell = layers.DecoderCell(
        [keras.layers.LSTMCell(11), keras.layers.GRUCell(11)],
        attention=layers.LocationSensitiveAttention(7, 3, 5, cumulative=True),
        attentional=keras.layers.Dense(13, "tanh", use_bias=False),
        input_feeding=True,
        residual=True,
    )
    outputs = layers.DecoderRNN(cell)(
        embedding(target), memory, memory_mask=mask, target_mask=target_mask
    )
    outputs = layers.Dropout(0.0)(outputs)
    logits = layers.VocabularyProjection(SIZES["target"])(outputs)
    return keras.Model([source, target], layers.Logits()(logits))


def keras_models():
    """Functional models by their names."""
    luong, bahdanau = layers.LuongAttention, layers.BahdanauAttention
    return {
        "luong_bahdanau": own_model(
            luong("general"),
            luong("concat", 7, probability_fn="sparsemax"),
            bahdanau(7, normalize=True, use_bias=True),
        ),
        "monotonic_past": own_model(
            layers.MonotonicAttention(luong(), score_bias_init=-0.3, hard=False),
            layers.ChunkwiseAttention(
                luong("general"), bahdanau(7), chunk_size=2, hard=False
            ),
            layers.CoverageAttention(7, max_fertility=2, loss_weight=0.1),
            layers.LocationSensitiveAttention(7, 3, 5),
        ),
        "heads_local": own_model(
            layers.MultiHeadAttention(11, 22),
            layers.MultiHeadAttention(11, 22, "dot"),
            layers.LocalPredictiveAttention(bahdanau(7, temperature=0.7), 2, units=5),
            layers.LocalMonotonicAttention(luong("general"), 1),
            projection=layers.VocabularyProjection,
        ),
        "decoder": decoder_model(),
    }


def compile_model(name, model):
    loss = kseq2seq.MaskedCrossentropy(0.1)
    if name == "heads_local":
        loss = kseq2seq.SampledCrossentropy(1009, seed=3)
    optimizer = kseq2seq.Adam(0.01, global_clipnorm=5.0)
    metrics = [kseq2seq.TokenAccuracy(), kseq2seq.Perplexity()]
    model.compile(optimizer, loss=loss, metrics=metrics)


def train_keras_models(folder):
    """One model with the state of its optimizer; the others are smaller without."""
    keras.utils.set_random_seed(2)
    folder.mkdir()
    source, target, labels = ids()
    for name, model in keras_models().items():
        compile_model(name, model)
        model.fit([source, target], labels, epochs=90, verbose=0)
        if name != "luong_bahdanau":
            compile_model(name, model)
        model.save(folder / f"{name}.keras")


def keras_answers(name, model, arrays):
    """Logits, the optimizer's state, and what `evaluate` says before and after a step.

    A first step of Adam, whose moments are noise, and dropout cannot be repeated.
    """
    source, target, labels = ids()
    inputs = {"source": source, "target": target}
    if not isinstance(model.input, dict):
        inputs = [source, target]
    arrays[f"{name}/logits"] = keras.ops.convert_to_numpy(model(inputs))[:5]
    state = [float(np.abs(x).sum()) for x in model.optimizer.variables]
    expected = {
        "optimizer": state,
        "evaluated": model.evaluate(inputs, labels, return_dict=True, verbose=0),
    }
    if name == "keras/luong_bahdanau.keras":
        model.train_on_batch(inputs, labels)
        after = model.evaluate(inputs, labels, return_dict=True, verbose=0)
        expected["evaluated_after_a_step"] = after
    return expected


def without_optimizer(path):
    """The model once more, smaller, as whoever loads it so may save it."""
    keras.models.load_model(path, compile=False).save(path)


def main():
    for name in ["runs", "saved_models", "keras"]:
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    runs, saved_models = FOLDER / "runs", FOLDER / "saved_models"
    train_dates(runs / "dates")
    train_numbers().save(runs / "numbers")
    train_romans().save(runs / "romans")
    without_optimizer(runs / "numbers" / "model.keras")
    without_optimizer(runs / "romans" / "model.keras")
    for name in ["dates", "numbers"]:
        translator = kseq2seq.Translator.load(runs / name)
        translator.export(saved_models / name, kseq2seq.Search(**SEARCH))
    train_keras_models(FOLDER / "keras")

    arrays = dict(zip(["source", "target", "labels"], ids(), strict=True))
    translators, models = {}, {}
    for path in [*sorted(runs.iterdir()), *sorted(saved_models.iterdir())]:
        name = path.relative_to(FOLDER).as_posix()
        translator = kseq2seq.Translator.load(path)
        translators[name] = answers(name, translator, arrays)
    compiled = sorted(FOLDER.glob("keras/*.keras"))
    for path in [runs / "dates" / "model.keras", *compiled]:
        name = path.relative_to(FOLDER).as_posix()
        models[name] = keras_answers(name, keras.models.load_model(path), arrays)
    expected = {
        "versions": package_versions(),
        "translators": translators,
        "models": models,
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "expected.json").write_text(text, encoding="utf-8")
    np.savez_compressed(FOLDER / "expected.npz", **arrays)


if __name__ == "__main__":
    main()
