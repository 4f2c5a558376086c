"""Files of a preset that nobody loads."""

CONTENTS = {
    "model.keras": bytes(range(256)) * 700,
    "source.model": b"tokens of the source",
    "target.model": b"tokens of the target",
    "README.md": b"# Card\n",
}
LOADED = [name for name in CONTENTS if name != "README.md"]


def save(folder):
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
