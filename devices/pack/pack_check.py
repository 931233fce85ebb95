"""The check of a pack: its format, its signature and every hash; nothing is unpacked or run."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from ...errors import BundleError, TamperedError
from ...runtime.bundle.signing import check_signature, trusted_keys
from ...runtime.json_documents import parse_json
from ...runtime.json_schema import check_document
from ...runtime.regular_files import open_regular_file
from ..types import PackDocument
from .pack_tar import Member, read_content, read_members, sha256_of

PACK, PACK_SIGNATURE = "pack.json", "pack.sig"
UNHASHED = {PACK, PACK_SIGNATURE}  # pack.json contains the hashes of all other files
MAX_DOCUMENT_BYTES = 2**22
MAX_PACK_BYTES = 2**32  # a pack has some hundred MiB
NAMES_SHOWN = 5
COPY_AGAIN = "copy it again, whole"


def check_pack(path: Path, keys: dict[str, bytes] | None = None) -> PackDocument:
    """Return the document of a pack after checking all of it.

    Parameters
    ----------
    path : Path
        The tar file.
    keys : dict of str to bytes, optional
        The trusted keys. By default this machine's.

    Raises
    ------
    BundleError
        If the file is not a pack in the format that `alledge pack` writes, or has more than 4 GiB.
    UntrustedError
        If there are trusted keys and none of them signed it.
    TamperedError
        If a file is missing, added or changed.
    """
    keys = trusted_keys() if keys is None else keys
    name = f"{PACK} of {path}"
    with open_regular_file(path, error=BundleError, fix=COPY_AGAIN) as file:
        try:
            _check_size(file)
            top, members = _below_top_folder(read_members(file))
            if PACK not in members:
                raise ValueError(f"it has no {PACK}")
            content = read_content(file, members[PACK], MAX_DOCUMENT_BYTES)
            if keys:
                _check_signed(file, members.get(PACK_SIGNATURE), content, keys, path)
            document: PackDocument = parse_json(content, name, error=BundleError, fix=COPY_AGAIN)
            check_document(document, "pack", name, error=BundleError, fix=COPY_AGAIN)
            if top != f"alledge-{document['device']}":
                raise ValueError(f"it would be unpacked beside alledge-{document['device']}")
            changed = _changed_files(file, members, document["files"])
        except (OSError, tarfile.HeaderError, ValueError) as error:
            raise BundleError(f"{path} is not a pack: {error}", fix=COPY_AGAIN) from None
    if changed:
        names = ", ".join(changed[:NAMES_SHOWN])
        raise TamperedError(f"{path}: {names} is not what was packed", fix=COPY_AGAIN)
    return document


def _check_size(file: BinaryIO) -> None:
    """Refuse a file that is larger than any pack, before it is read."""
    if (size := os.fstat(file.fileno()).st_size) > MAX_PACK_BYTES:
        raise ValueError(f"it has {size / 2**30:.1f} GiB")


def _below_top_folder(members: dict[str, Member]) -> tuple[str, dict[str, Member]]:
    """Return the only top folder, and the members by their names below it."""
    below: dict[str, Member] = {}
    tops: dict[str, None] = {}
    for full_name, member in members.items():
        top, _, name = full_name.partition("/")
        tops[top], below[name] = None, member
    if len(tops) != 1:
        raise ValueError(f"it would be unpacked beside its folder: {', '.join(tops)}")
    return next(iter(tops)), below


def _check_signed(
    file: BinaryIO, member: Member | None, content: bytes, keys: dict[str, bytes], path: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        signature = Path(folder) / PACK_SIGNATURE
        if member is not None:
            signature.write_bytes(read_content(file, member, MAX_DOCUMENT_BYTES))
        check_signature(content, signature, "pack", keys, str(path))


def _changed_files(
    file: BinaryIO, members: Mapping[str, Member], expected: Mapping[str, str]
) -> list[str]:
    """Return the names of the files that are missing, added or changed, sorted."""
    actual = {
        name: sha256_of(file, member) for name, member in members.items() if name not in UNHASHED
    }
    return sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
