"""`python -m kseq2seq`: the command `kseq2seq`."""

import sys

from kseq2seq.cli import main

if __name__ == "__main__":
    sys.exit(main())
