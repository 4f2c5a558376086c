#!/usr/bin/env python
"""The character model of the Keras blog, with Luong's attention."""

import argparse

import keras
import numpy as np
from keras import layers

import kseq2seq
from kseq2seq.utils import BOS_ID, EOS_ID


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", help="lines of English TAB French, such as fra.txt")
    for name, default in (("pairs", 10_000), ("epochs", 30), ("units", 256)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    options = parser.parse_args(arguments)
    pairs = kseq2seq.data.read_tsv(options.file)[: options.pairs]
    source, target = kseq2seq.train_tokenizers(pairs, kind="character")
    batches = kseq2seq.data.batches(pairs, source, target, seed=0)

    # The encoder reads the source; its outputs are the memory that attention looks at.
    characters = keras.Input((None,), dtype="int32", name="source")
    embedded = layers.Embedding(source.vocabulary_size, 64, mask_zero=True)(characters)
    encode = layers.LSTM(options.units, return_sequences=True, return_state=True)
    memory, *states = encode(embedded)
    # In training the decoder is given the target, and learns what comes next in it.
    given = keras.Input((None,), dtype="int32", name="target")
    embedding = layers.Embedding(target.vocabulary_size, 64)
    decode = layers.LSTM(options.units, return_sequences=True, return_state=True)
    attend = kseq2seq.layers.LuongAttention("scaled_general")
    project = layers.Dense(target.vocabulary_size)
    outputs, *_ = decode(embedding(given), initial_state=states)
    joined = layers.concatenate([outputs, attend(outputs, memory)])
    model = keras.Model({"source": characters, "target": given}, project(joined))
    model.compile("adam", loss=kseq2seq.MaskedCrossentropy())
    model.fit(batches, epochs=options.epochs, shuffle=False, verbose=2)

    # To translate, the same layers make an encoder, and a decoder of one step.
    encoder = keras.Model(characters, [memory, *states])
    read, *before = [keras.Input(x.shape[1:]) for x in (memory, *states)]
    outputs, *after = decode(embedding(given), initial_state=before)
    joined = layers.concatenate([outputs, attend(outputs, read)])
    step = keras.Model([given, read, *before], [project(joined), *after])
    for text, wanted in pairs[:10]:
        memory, *states = encoder.predict_on_batch(source.tokenize([text]).to_tensor())
        ids = [BOS_ID]
        while ids[-1] != EOS_ID and len(ids) < 64:
            last = np.array([ids[-1:]])
            logits, *states = step.predict_on_batch([last, memory, *states])
            ids.append(int(logits[0, -1].argmax()))
        print(text, target.detokenize([ids])[0].numpy().decode(), wanted, sep="\t")


if __name__ == "__main__":
    main()
