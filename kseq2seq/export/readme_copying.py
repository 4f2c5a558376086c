"""Parts of the READMEs of exports from ids to ids for models that copy.

Each is one of a template's `$names`; those of other models are empty, or print what
SentencePiece decodes. `$compose` is left in the programs, for `readme_composing`.
"""

_SETUP = """\
def write(text, ids, copied):
    if all(place < 0 for place in copied):
        return target.decode(ids.tolist())
    pieces = source.encode(text, out_type=str)
    written = [
        pieces[place] if place >= 0 else target.id_to_piece(id_)
        for id_, place in zip(ids.tolist(), copied)
        if place >= 0 or id_ > target.eos_id()
    ]
    written = "".join(written).replace("\\u2581", " ")
$compose\
    begins = target.encode("x", out_type=str)[0].startswith("\\u2581")
    return written.removeprefix(" ") if begins else written


"""
_ROW = (
    "| output | `copied` | int32 | [$sizes] | for an unknown id (1) the place in "
    "`source` of what it is a copy of, else -1 |\n"
)
_NOTE = (
    "- An unknown id (1) in `ids` is the copy of a symbol that training did not have. "
    "Write\n  the piece of the source there, as the program does.\n"
)
_ONNX = """\
for ids, scores, lengths in zip(*outputs):
    ids = ids[0, : lengths[0]]
    written = target.decode(ids.tolist())
$compose\
    print(written)
"""
_ONNX_COPYING = """\
for text, ids, scores, lengths, copied in zip(texts, *outputs):
    ids, copied = (x[0, : lengths[0]] for x in (ids, copied))
    written = write(text, ids, copied)
$compose\
    print(written)
"""
_LITERT = """\
    ids = outputs["ids"][0, 0, :length]
    written = target.decode(ids.tolist())
$compose\
    print(written)
"""
_LITERT_COPYING = """\
    ids, copied = (outputs[name][0, 0, :length] for name in ("ids", "copied"))
    written = write(line.rstrip("\\n"), ids, copied)
$compose\
    print(written)
"""


def onnx_copying(copies: bool) -> dict[str, str]:
    """The parts of the README of an export in ONNX.

    Args:
        copies: Whether the model copies.

    Example:

    >>> onnx_copying(True)["copying_name"]
    ', "copied"'
    """
    parts = {"copying_name": ', "copied"', **_parts("batch, n, length")}
    return _chosen(copies, parts, _ONNX_COPYING, _ONNX)


def litert_copying(copies: bool, longest: int) -> dict[str, str]:
    """The parts of the README of an export for LiteRT.

    Args:
        copies: Whether the model copies.
        longest: The most ids of a translation.

    Example:

    >>> litert_copying(False, 7)["copying_row"]
    ''
    """
    parts = _parts(f"1, 1, {longest}")
    return _chosen(copies, parts, _LITERT_COPYING, _LITERT)


def _parts(sizes):
    row = _ROW.replace("$sizes", sizes)
    return {"copying_setup": _SETUP, "copying_row": row, "copying_note": _NOTE}


def _chosen(copies, parts, writing, plain):
    if copies:
        return {**parts, "writing": writing}
    return {**dict.fromkeys(parts, ""), "writing": plain}
