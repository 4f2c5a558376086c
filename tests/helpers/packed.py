"""Text files, plain or packed."""

import gzip
import zipfile


def write(path, content):
    """Writes text or bytes, packed as the suffix says; returns the path."""
    content = content.encode() if isinstance(content, str) else content
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("_about.txt", "Not\tdata\n")
            archive.writestr("fra-eng/fra.txt", content)
    else:
        path.write_bytes(content)
    return path
