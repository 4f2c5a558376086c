#!/usr/bin/env python
"""Trains a translator: the command `kseq2seq train`.

python training/train.py training/configs/multi30k_en_de.toml --data FOLDER
"""

import sys

from kseq2seq import cli

if __name__ == "__main__":
    sys.exit(cli.main(["train", *sys.argv[1:]]))
