"""The tar file of a pack, in one canonical format that every tar program reads in the same way.

A signature covers the files of a pack, not the bytes of its tar. Tar programs disagree about
damaged headers, extensions and bytes after the last file, so a tar that one program checks may
unpack to something else in another. `read_members` therefore accepts only what `write_tar` writes:
one POSIX header per regular file, zeros as padding, and zeros at the end.

References
----------
POSIX.1-1988 (ustar): the header is one block of 512 bytes with a checksum.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...errors import AlledgeError

BLOCK = tarfile.BLOCKSIZE
CHUNK = 2**20
MAX_MEMBERS = 100_000
EXECUTABLE, PLAIN = 0o755, 0o644


@dataclass(frozen=True)
class Member:
    """A file in the tar: where its content begins, and its length in bytes."""

    start: int
    size: int


def write_tar(folder: Path, out: Path) -> None:
    """Write a folder as a tar whose bytes depend only on the names and contents of its files.

    Parameters
    ----------
    folder : Path
        Its name is the top folder in the tar.
    out : Path

    Raises
    ------
    AlledgeError
        If a file name is longer than 100 bytes, the limit of a POSIX header.
    """
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            info = tarfile.TarInfo(path.relative_to(folder.parent).as_posix())
            info.size = path.stat().st_size
            info.mode = EXECUTABLE if path.suffix == ".sh" else PLAIN
            with path.open("rb") as stream:
                try:
                    archive.addfile(info, stream)
                except ValueError as error:
                    raise AlledgeError(
                        f"{info.name} cannot be packed: {error}", fix="give it a shorter name"
                    ) from None


def read_members(file: BinaryIO) -> dict[str, Member]:
    """Return the files of a tar by their names, after checking the format of the whole tar.

    Parameters
    ----------
    file : binary file
        Opened at its beginning.

    Raises
    ------
    ValueError, tarfile.HeaderError
        If the tar is not in the format that `write_tar` writes, has too many files, contains a
        name twice, or a name that would be unpacked elsewhere. Names that differ in capital letters
        only are one name, as on Windows and macOS.
    """
    members: dict[str, Member] = {}
    folded: set[str] = set()
    for header in _headers(file):
        info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        _check_header(info, header)
        if len(members) == MAX_MEMBERS:
            raise ValueError(f"it has more than {MAX_MEMBERS} files")
        if info.name.casefold() in folded:
            raise ValueError(f"{info.name} appears twice")
        folded.add(info.name.casefold())
        members[info.name] = Member(start=file.tell(), size=info.size)
        file.seek(info.size, 1)
        if any(file.read(-info.size % BLOCK)):
            raise ValueError(f"there are hidden bytes after {info.name}")
    while chunk := file.read(CHUNK):
        if any(chunk):
            raise ValueError("there are bytes after its last file")
    return members


def _headers(file: BinaryIO) -> Iterator[bytes]:
    """Yield one block after another, up to the first block of zeros."""
    while any(header := file.read(BLOCK)):
        yield header
    if len(header) < BLOCK:
        raise ValueError("it is truncated")


def _check_header(info: tarfile.TarInfo, header: bytes) -> None:
    """Refuse a header that `write_tar` would not write, and a name that is not a plain one."""
    canonical = tarfile.TarInfo(info.name)
    canonical.size, canonical.mode = info.size, info.mode
    if canonical.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict") != header:
        raise ValueError(f"{info.name} is not a plain file as alledge packs it")
    if info.mode not in (EXECUTABLE, PLAIN):
        raise ValueError(f"{info.name} has the mode {info.mode:o}")
    parts = info.name.split("/")
    if len(parts) < 2 or {"", ".", ".."} & set(parts) or "\\" in info.name or ":" in info.name:
        raise ValueError(f"{info.name} would be unpacked elsewhere")


def read_content(file: BinaryIO, member: Member, max_bytes: int) -> bytes:
    """Return the content of a file in the tar.

    Raises
    ------
    ValueError
        If it is longer than `max_bytes`.
    """
    if member.size > max_bytes:
        raise ValueError(f"a document of {member.size} bytes is too long")
    file.seek(member.start)
    return file.read(member.size)


def sha256_of(file: BinaryIO, member: Member) -> str:
    """Return the SHA-256 of a file in the tar, in hexadecimal digits."""
    digest, remaining = hashlib.sha256(), member.size
    file.seek(member.start)
    while remaining and (chunk := file.read(min(CHUNK, remaining))):
        digest.update(chunk)
        remaining -= len(chunk)
    return digest.hexdigest()
