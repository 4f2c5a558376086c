"""Files of word vectors."""

import gzip


def write(path, lines, header=None, end="\n"):
    lines = lines if header is None else [header, *lines]
    data = "".join(line + end for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
