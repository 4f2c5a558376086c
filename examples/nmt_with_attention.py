#!/usr/bin/env python3
"""TensorFlow's tutorial "Neural machine translation with attention", with our layers.

    python nmt_with_attention.py spa.txt --export saved_models/es_en/1

The model is that of https://www.tensorflow.org/text/tutorials/nmt_with_attention: an
embedding and a bidirectional GRU read Spanish, a GRU, attention of one head, a sum and
a layer norm write English. Masks, loss, search and the text's way to ids and back are
the package's. Subwords take the place of 5,000 words, beam search that of argmax.
"""

import argparse

import keras
import tensorflow as tf
from keras import layers, ops

import kseq2seq
from kseq2seq import decoding
from kseq2seq.utils import PAD_ID


class Seq2Seq:
    """The layers, the model to train, and the search.

    Args:
        source: Tokenizer of the source.
        target: That of the target.
        units: Size of all layers.
    """

    def __init__(self, source, target, units):
        self.source, self.target, self.units = source, target, units
        ids = keras.Input((None,), dtype="int32", name="source")
        given = keras.Input((None,), dtype="int32", name="target")
        embedded = layers.Embedding(source.vocabulary_size, units, mask_zero=True)(ids)
        gru = layers.GRU(units, return_sequences=True)
        memory = layers.Bidirectional(gru, merge_mode="sum")(embedded)
        self.encoder = keras.Model(ids, memory)

        self.embedding = layers.Embedding(target.vocabulary_size, units)
        self.decoder = layers.GRU(units, return_sequences=True)
        self.attention = kseq2seq.layers.MultiHeadAttention(1, units, score="dot")
        self.norm = layers.LayerNormalization()
        self.project = layers.Dense(target.vocabulary_size)
        outputs = self.decoder(self.embedding(given))
        context = self.attention(outputs, memory)
        logits = self.project(self.norm(outputs + context))
        self.model = keras.Model({"source": ids, "target": given}, logits)

    def search(self, texts, beam_size=4):
        """Translations and alignments of the best hypotheses of each text."""
        ids = self.source.tokenize(texts).to_tensor()
        mask = ops.not_equal(ids, PAD_ID)
        memory = self.attention.prepare(self.encoder(ids), value_mask=mask)

        def step(tokens, state):
            flat = ops.reshape(state, (-1, self.units))
            embedded = self.embedding(ops.reshape(tokens, (-1,)))
            output, _ = self.decoder.cell(embedded, [flat])
            output = ops.reshape(output, (*ops.shape(tokens), self.units))
            context, alignment, _ = self.attention.attend(output, memory)
            logits = self.project(self.norm(output + context))
            return ops.log_softmax(logits), output, {"alignment": alignment}

        state = ops.zeros((ops.shape(ids)[0], self.units))
        best = decoding.beam_search(step, state, beam_size=beam_size, max_length=50)
        return self.target.detokenize(best.ids[:, 0]), best.alignments[:, 0]

    def export(self, folder):
        """Writes a SavedModel from text to text."""
        archive = keras.export.ExportArchive()
        archive.track(self.model)
        signature = [tf.TensorSpec([None], tf.string, name="text")]
        archive.add_endpoint("serve", lambda text: self.search(text)[0], signature)
        archive.write_out(folder, verbose=False)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", help="lines of English TAB Spanish: spa.txt")
    for name, default in (("units", 256), ("vocabulary", 5000), ("epochs", 100)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--export", help="folder of a SavedModel")
    options = parser.parse_args(arguments)
    pairs = kseq2seq.data.read_tsv(options.file, columns=(1, 0))
    train, dev, test = kseq2seq.data.split(pairs)
    tokenizers = kseq2seq.train_tokenizers(
        train, options.vocabulary, normalization="nmt_nfkc_cf", allow_smaller=True
    )
    seq2seq = Seq2Seq(*tokenizers, options.units)
    metrics = [kseq2seq.TokenAccuracy()]
    loss = kseq2seq.MaskedCrossentropy()
    seq2seq.model.compile("adam", loss=loss, weighted_metrics=metrics)
    seq2seq.model.fit(
        kseq2seq.data.batches(train, *tokenizers, seed=0),
        validation_data=kseq2seq.data.batches(dev, *tokenizers),
        epochs=options.epochs,
        shuffle=False,
        callbacks=[keras.callbacks.EarlyStopping(patience=3)],
        verbose=2,
    )
    texts, references = kseq2seq.data.group_references(test[:64])
    translations, _ = seq2seq.search(texts)
    translations = [text.decode() for text in translations.numpy()]
    for text, translation in zip(texts[:10], translations, strict=False):
        print(text, translation, sep="\t")
    print(kseq2seq.evaluation.chrf(translations, references))
    if options.export:
        seq2seq.export(options.export)


if __name__ == "__main__":
    main()
