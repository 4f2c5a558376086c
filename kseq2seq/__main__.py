"""`python -m kseq2seq`: the command `kseq2seq`."""

import sys

from kseq2seq import cli

if __name__ == "__main__":
    sys.exit(cli.main())
