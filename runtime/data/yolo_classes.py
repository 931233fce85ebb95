"""Reads the names of YOLO's classes: data.yaml, classes.txt and the like."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import DataError
from ..regular_files import read_regular_file
from .folder_scan import FolderScan

CLASS_FILES = frozenset({"classes.txt", "obj.names", "labels.txt", "_darknet.labels"})
MAX_BYTES = 8 * 2**20  # of a file of boxes or of classes
# A class of a data.yaml: its number, if it has one, and its name, in quotes or not.
_YAML_ENTRY = re.compile(
    r"""(?:["']?(?P<number>\d+)["']?\s*:\s+)?"""
    r"""(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<plain>[^\s"'][^:]*?))\s*"""
)


def read_text(path: Path) -> str:
    """Return the text of a file of boxes or of classes.

    Raises
    ------
    DataError
        If it cannot be read, or is no UTF-8 text.
    """
    try:
        return read_regular_file(path, limit_bytes=MAX_BYTES, error=DataError).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text", fix="save it as UTF-8") from None


def yolo_classes(scan: FolderScan) -> dict[int, str]:
    """Return the names of the classes by their numbers; empty if no file has them.

    Raises
    ------
    DataError
        If a file cannot be read, or two files contradict each other.
    """
    names: dict[int, str] = {}
    source: Path | None = None
    for path in scan.others:
        if path.suffix.lower() in (".yaml", ".yml"):
            other = _yaml_names(path)
        elif path.name.lower() in CLASS_FILES or path.suffix.lower() == ".names":
            other = _listed_names(path)
        else:
            continue
        if source and other and other != names:
            raise DataError(
                f"{source} and {path} give the classes different names or numbers",
                fix="remove the file that does not belong to the boxes",
            )
        if other:
            names, source = other, path
    return names


def _listed_names(path: Path) -> dict[int, str]:
    """Return the names in a file with a line for each class; the lines are counted from 0."""
    lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    if "" in lines:
        raise DataError(
            f"line {lines.index('') + 1} of {path} is empty, so the numbers of the classes are not "
            "clear",
            fix="remove the empty line",
        )
    return dict(enumerate(lines))


def _yaml_names(path: Path) -> dict[int, str]:
    try:
        return yaml_class_names(read_text(path))
    except ValueError as error:
        raise DataError(
            f"{path} names no classes that alledge can read: {error}",
            allowed="names: [blast, normal]; or lines 0: blast, 1: normal below names:",
        ) from None


def yaml_class_names(text: str) -> dict[int, str]:
    """Return the names under the key ``names`` of a data.yaml, in any of its usual forms.

    It is read by hand, because a device has no YAML library and the key has four forms.

    Raises
    ------
    ValueError
        If it has another form, or a number twice.

    Examples
    --------
    >>> yaml_class_names("nc: 2\\nnames: ['blast', 'normal']")
    {0: 'blast', 1: 'normal'}
    """
    match = re.search(r"""^(?:[{]?["']?)names["']?[ \t]*:""", text, re.MULTILINE)
    if not match:
        return {}
    rest = re.sub(r"(?:^|(?<=\s))#.*$", "", text[match.end() :], flags=re.MULTILINE)
    if rest.lstrip(" \t")[:1] in ("[", "{"):
        entries = _inline_entries(rest.lstrip(" \t"))
    else:
        entries = []
        for line in rest.splitlines()[1:]:
            if re.match(r"[^\s-]", line):
                break
            if line.strip():
                entries.append(line.strip().removeprefix("-").strip())
    names: dict[int, str] = {}
    for position, entry in enumerate(entries):
        keyed = _YAML_ENTRY.fullmatch(entry)
        if not keyed:
            raise ValueError(f"{entry!r} is no class")
        number = int(keyed["number"]) if keyed["number"] else position
        if number in names:
            raise ValueError(f"the class {number} has two names")
        names[number] = next(filter(None, keyed.group("double", "single", "plain")))
    return names


def _inline_entries(text: str) -> list[str]:
    """Return the entries of ``[a, b]`` or ``{0: a, 1: b}``; commas in quotes separate nothing."""
    closing = "]" if text[0] == "[" else "}"
    entries, entry = [], ""
    for token in re.findall(r""""[^"]*"|'[^']*'|.""", text[1:], re.DOTALL):
        if token in (",", closing):
            if entry.strip():
                entries.append(" ".join(entry.split()))
            entry = ""
            if token == closing:
                return entries
        else:
            entry += token
    raise ValueError(f"the bracket {text[0]} is not closed")
