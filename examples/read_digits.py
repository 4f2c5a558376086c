#!/usr/bin/env python3
"""Reads rows of handwritten digits: attention over a picture, words as target.

    pip install scikit-learn
    python read_digits.py --plot words.png

A small CNN makes a grid of features, which flattened is the memory of a decoder with
attention. The test is of digits that were never trained on.
"""

import argparse

import keras
import numpy as np
from keras import layers, ops
from scipy import ndimage

import kseq2seq
from kseq2seq import decoding, plots, tokenizers
from kseq2seq.layers import DecoderCell, DecoderRNN, DecoderStart, DecoderStep

HEIGHT, WIDTH, SIZE = 12, 72, 8
GRID = HEIGHT // 4, WIDTH // 4
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def make_rows(digits, numbers, count, generator, warp=0.0):
    """Pictures of 3 to 7 digits, their words, and the columns where digits begin."""
    pictures, texts, lefts = np.zeros((count, HEIGHT, WIDTH, 1), "float32"), [], []
    for picture in pictures:
        chosen = generator.integers(len(digits), size=generator.integers(3, 8))
        lefts.append(np.cumsum(SIZE + generator.integers(3, size=len(chosen))) - SIZE)
        for left, digit in zip(lefts[-1], digits[chosen], strict=True):
            top = generator.integers(HEIGHT - SIZE + 1)
            matrix = np.eye(2) + generator.normal(0, warp, (2, 2))
            shift = (SIZE - 1) / 2 * (1 - matrix.sum(axis=1))  # keeps the middle
            warped = ndimage.affine_transform(digit, matrix, shift)
            picture[top : top + SIZE, left : left + SIZE, 0] = warped.clip(0, 1)
        texts.append(" ".join(NAMES[number] for number in numbers[chosen]))
    return pictures, texts, lefts


class Reader:
    """The layers, the model to train, and the search."""

    def __init__(self, vocabulary_size, units):
        picture = keras.Input((HEIGHT, WIDTH, 1), name="picture")
        target = keras.Input((None,), dtype="int32", name="target")
        grid = picture
        for filters, pool in [(16, 1), (32, 2), (64, 2), (128, 1)]:
            grid = layers.Conv2D(filters, 3, padding="same")(grid)
            grid = layers.ReLU()(layers.BatchNormalization()(grid))
            grid = layers.MaxPooling2D(pool)(grid)
        positions = layers.Reshape((-1, 128))(layers.Dropout(0.2)(grid))
        # Each position has a bias of its own, which tells where it is.
        size = positions.shape[1], units
        memory = layers.EinsumDense("bsd,de->bse", size, bias_axes="se")(positions)
        self.encoder = keras.Model(picture, memory)
        self.embedding = layers.Embedding(vocabulary_size, units)
        attention = kseq2seq.layers.BahdanauAttention(units)
        joined = layers.Dense(units, "tanh")
        self.cell = DecoderCell(layers.LSTMCell(units), attention, joined)
        self.project = layers.Dense(vocabulary_size)
        logits = self.project(DecoderRNN(self.cell)(self.embedding(target), memory))
        self.model = keras.Model({"picture": picture, "target": target}, logits)

    def search(self, pictures, beam_size=4):
        """Ids and alignments of the best hypothesis of each picture."""
        zeros = ops.zeros((len(pictures), self.cell.output_size))
        memory = self.encoder.predict(pictures, verbose=0)
        states, memory = DecoderStart(self.cell)([zeros, zeros], memory)
        run = DecoderStep(self.cell)

        def step(tokens, states):
            outputs, states, alignment = run(self.embedding(tokens), states, memory)
            log_probs = ops.log_softmax(self.project(outputs))
            return log_probs, states, {"alignment": alignment}

        best = decoding.beam_search(step, states, beam_size=beam_size, max_length=9)
        return best.ids[:, 0], ops.convert_to_numpy(best.alignments[:, 0])


def main(arguments=None):
    from sklearn.datasets import load_digits

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    defaults = {"rows": 16000, "tests": 2000, "epochs": 12, "units": 96, "seed": 0}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--plot", help="file to draw the longest row into")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    digits, numbers = load_digits(return_X_y=True)
    order = generator.permutation(len(digits))
    digits, numbers = digits[order].reshape(-1, SIZE, SIZE) / 16, numbers[order]
    cut = len(digits) * 4 // 5
    rows = make_rows(digits[:cut], numbers[:cut], options.rows, generator, warp=0.1)
    tokenizer = tokenizers.train_tokenizer(rows[1], kind="word")
    labels = tokenizer.tokenize(rows[1]).to_tensor().numpy()
    target = np.pad(labels[:, :-1], [(0, 0), (1, 0)], constant_values=2)  # BOS
    reader = Reader(tokenizer.vocabulary_size, options.units)
    steps = options.epochs * -(-options.rows // 64)
    rate = keras.optimizers.schedules.CosineDecay(0.003, steps)
    reader.model.compile(kseq2seq.Adam(rate), kseq2seq.MaskedCrossentropy())
    inputs = {"picture": rows[0], "target": target}
    reader.model.fit(inputs, labels, 64, options.epochs, verbose=2)

    test = digits[cut:], numbers[cut:], options.tests, generator
    pictures, texts, lefts = make_rows(*test)
    ids, weights = reader.search(pictures)
    read = [text.decode() for text in tokenizer.detokenize(ids).numpy()]
    print(f"rows without a mistake: {np.mean(np.equal(read, texts)):.2%}")
    peaks = np.argmax(weights, axis=-1) % GRID[1] * 4 + 2
    offsets = [x[: len(left)] - left for x, left in zip(peaks, lefts, strict=True)]
    inside = np.isin(np.concatenate(offsets), range(SIZE))
    print(f"words with the peak of attention in their digit: {np.mean(inside):.2%}")
    if options.plot:
        row = np.argmax([len(left) for left in lefts])
        words = read[row].split() or ["(nothing)"]
        ink, alignment = 1 - pictures[row], weights[row, : len(words)]
        figure = plots.picture_heatmap(ink, words, alignment, GRID)
        print(plots.save(figure, options.plot))


if __name__ == "__main__":
    main()
