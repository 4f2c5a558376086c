#!/usr/bin/env python
"""Trains a translator: data, model, `model.fit`, scores, all in a run folder.

python training/train.py training/configs/multi30k_en_de.toml --data FOLDER
"""

import sys

from kseq2seq.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
