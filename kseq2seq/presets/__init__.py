"""Presets: translators in folders that can be shared, found by names.

A preset is a run folder with a manifest, `preset.json`: the version of the format, and
size and SHA-256 of each file that is loaded. Names of files are fixed, and none of them
holds code: the model is a `.keras` file, which Keras loads in safe mode, tokenizers are
SentencePiece models, records are JSON. The model card beside them, `README.md`, is for
people. Nothing is loaded before all files are checked against the manifest.

A name is that of a preset in this package, `hf://USER/NAME`, the URL of a folder, or a
path. Quick to import, as names are what commands begin with.
"""

from kseq2seq.presets.find import find_preset, is_preset_name, load_preset
from kseq2seq.presets.hub import push_hub
from kseq2seq.presets.manifest import (
    MANIFEST_FILE,
    check_preset,
    read_manifest,
    write_preset,
)
from kseq2seq.presets.names import preset_label
from kseq2seq.presets.shipped import shipped_presets
from kseq2seq.presets.url import cache_folder

__all__ = [
    "MANIFEST_FILE",
    "cache_folder",
    "check_preset",
    "find_preset",
    "is_preset_name",
    "load_preset",
    "preset_label",
    "push_hub",
    "read_manifest",
    "shipped_presets",
    "write_preset",
]
