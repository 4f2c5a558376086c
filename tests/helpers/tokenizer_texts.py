"""Texts to train tokenizers on, and tokenizers of each kind."""

import random

from kseq2seq.tokenizers import training

# All kinds of blanks and line ends, accents, two scripts, and all that "</s>" needs.
ALPHABET = "abcdeknpsu </>éß日本\t\n\r\u00a0\u2028\u3000"
WORDS = ("HH", "AH0", "<a>", "日本", "a\u00a0b")


def corpus():
    rng = random.Random(0)
    letters = ALPHABET.replace(" ", "")
    words = ["".join(rng.choices(letters, k=rng.randint(1, 5))) for _ in range(97)]
    # Each letter also by itself: next to "</s>" the trainer may overlook it.
    return [" ".join(rng.choices(words, k=7)) for _ in range(211)] + list(letters)


def tokenizers_of_corpus():
    kinds = ("unigram", "bpe", "character")
    tokenizers = {kind: training.train_tokenizer(corpus(), 71, kind) for kind in kinds}
    tokenizers["word"] = training.train_tokenizer([" ".join(WORDS)], kind="word")
    return tokenizers
