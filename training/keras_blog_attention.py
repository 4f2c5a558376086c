#!/usr/bin/env python
"""The character model of the Keras blog, with Luong's attention and beam search."""

import argparse

import keras
from keras import layers, ops

import kseq2seq
from kseq2seq import decoding
from kseq2seq.utils import PAD_ID


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
    decode = layers.LSTM(options.units, return_sequences=True)
    attend = kseq2seq.layers.LuongAttention("scaled_general")
    project = layers.Dense(target.vocabulary_size)
    outputs = decode(embedding(given), initial_state=states)
    joined = layers.concatenate([outputs, attend(outputs, memory)])
    model = keras.Model({"source": characters, "target": given}, project(joined))
    model.compile("adam", loss=kseq2seq.MaskedCrossentropy())
    model.fit(batches, epochs=options.epochs, shuffle=False, verbose=2)

    # To translate, a search asks the same layers for one step at a time.
    encoder = keras.Model(characters, [memory, *states])

    def translate(texts):
        ids = source.tokenize(texts).to_tensor()
        memory, *states = encoder(ids)
        prepared = attend.prepare(memory, value_mask=ops.not_equal(ids, PAD_ID))

        def step(tokens, states):
            batch, beam = ops.shape(tokens)
            states = [ops.reshape(x, (batch * beam, options.units)) for x in states]
            embedded = embedding(ops.reshape(tokens, (batch * beam,)))
            _, states = decode.cell(embedded, states)
            states = [ops.reshape(x, (batch, beam, options.units)) for x in states]
            context, _, _ = attend.attend(states[0], prepared)
            logits = project(ops.concatenate([states[0], context], axis=-1))
            return ops.log_softmax(logits), states, {}

        best = decoding.beam_search(step, states, beam_size=4, max_length=64)
        return [text.decode() for text in target.detokenize(best.ids[:, 0]).numpy()]

    texts, wanted = zip(*pairs[:10], strict=True)
    for row in zip(texts, translate(texts), wanted, strict=True):
        print(*row, sep="\t")


if __name__ == "__main__":
    main()
