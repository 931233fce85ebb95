"""What a finished file holds: an image to classify, or why it is none."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from ...imaging.file_kinds import HEAD_BYTES, identify, is_partial
from ...imaging.known_files import (
    APPLE_DOUBLE,
    EMPTY,
    LOCK_FILE,
    SYSTEM_FILE,
    TEMPORARY,
    FileKind,
)
from ...imaging.opening import MAX_FILE_MIB
from ...imaging.readers import reader_of
from ..history.chain import digest_of
from .folder_poll import FinishedFile

IGNORED = (APPLE_DOUBLE, LOCK_FILE, SYSTEM_FILE, TEMPORARY)
LARGEST_IN_MEMORY = 16 << 20  # bytes; a larger file is read through an open file
BLOCK = 1 << 20

# image: classify it. foreign: no picture of a field. unreadable: a picture that cannot be read.
# unfinished: it may become an image. ignored: nothing to say.
Outcome = Literal["image", "foreign", "unreadable", "unfinished", "ignored"]


@dataclass
class Intake:
    """A file that was read.

    Parameters
    ----------
    file : FinishedFile
    outcome : str
        Of `Outcome`.
    reason : str
        Why it is no image.
    state : str
        Digest that identifies a file which is no image, without its name.
    content : str
        ``sha256:`` and the digest of an image.
    source : bytes or binary file or None
        Of an image.
    """

    file: FinishedFile
    outcome: Outcome
    reason: str = ""
    state: str = ""
    content: str = ""
    source: bytes | BinaryIO | None = None

    def close(self) -> None:
        """Close the file of a large image."""
        if isinstance(self.source, io.IOBase):
            self.source.close()
        self.source = None


def read_finished(file: FinishedFile) -> Intake:
    """Read a finished file as far as needed: an image as a whole, of other files the first bytes.

    Parameters
    ----------
    file : FinishedFile

    Returns
    -------
    Intake
        Its `source` is what was hashed. It is closed by the caller.
    """
    path = Path(file.path)
    try:
        # The camera software may write again: on Windows an open file cannot be renamed.
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
            kind = identify(path.name, head)
            if (early := _not_an_image(file, kind, head)) is not None:
                return early
            if file.size <= LARGEST_IN_MEMORY:
                content = head + stream.read(LARGEST_IN_MEMORY + 1 - len(head))
                if len(content) != file.size:
                    return Intake(file, "unfinished", "its size changes while it is read")
                return Intake(file, "image", content=digest_of(content), source=content)
        return _large(file)
    except OSError as error:  # also: the program that writes it has locked it
        reason = f"it cannot be read: {error.strerror or error}"
        return Intake(file, "unfinished", reason, _state(file, reason, b""))


def _not_an_image(file: FinishedFile, kind: FileKind, head: bytes) -> Intake | None:
    if kind in IGNORED:
        return Intake(file, "ignored")
    if kind.role == "partial" or is_partial(Path(file.path).name):
        reason = "its name is that of a half-transferred file"
        return Intake(file, "unfinished", reason, _state(file, kind.name, head))
    if kind == EMPTY or file.size == 0:
        return Intake(file, "unfinished", "it is empty (0 bytes)", _state(file, kind.name, head))
    if file.size > MAX_FILE_MIB << 20:
        reason = f"it has {file.size >> 20} MiB, more than {MAX_FILE_MIB}"
        return Intake(file, "unreadable", reason, _state(file, "size", head))
    if kind.role == "image" or (kind.role == "reader" and reader_of(kind).installed):
        return None
    if kind.role == "broken":  # a picture by its name; its first bytes may come later
        return Intake(file, "unfinished", _reason(kind), _state(file, kind.name, head))
    outcome: Outcome = "foreign" if kind.role == "other" else "unreadable"
    return Intake(file, outcome, _reason(kind), _state(file, kind.name, head))


def _reason(kind: FileKind) -> str:
    article = "an" if kind.name[0] in "aeiouAEIOU" else "a"
    text = f"it is {article} {kind.name}" if not kind.name.endswith(")") else f"it is {kind.name}"
    return f"{text}; {kind.fix}" if kind.fix else text


def _state(file: FinishedFile, what: str, head: bytes) -> str:
    """Return a digest of what a file is and when it changed; its name is no part of it."""
    parts = [what, file.size, file.modified, digest_of(head)]
    return digest_of(json.dumps(parts).encode("ascii"))


def _large(file: FinishedFile) -> Intake:
    """Return the intake of a large image, with an open file instead of its content."""
    import hashlib

    stream = Path(file.path).open("rb")  # noqa: SIM115 - its user closes it
    try:
        digest = hashlib.sha256()
        while block := stream.read(BLOCK):
            digest.update(block)
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return Intake(file, "image", content=f"sha256:{digest.hexdigest()}", source=stream)
