"""A pack's tar is read in its canonical form only, so that no program unpacks something else."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.devices.pack.pack_check import check_pack
from alledge.devices.pack.pack_tar import BLOCK, read_members, sha256_of, write_tar
from alledge.errors import AlledgeError, BundleError
from alledge.runtime.digests import file_digest

FOLDER = "alledge-office-pc-linux"
SCRIPT = f"{FOLDER}/install.sh"
EVIL = b"echo evil\n"


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    """A tar of a small pack folder."""
    folder = tmp_path / FOLDER
    (folder / "wheels").mkdir(parents=True)
    (folder / "install.sh").write_text("echo good\n", encoding="ascii")
    (folder / "pack.json").write_text("{}", encoding="ascii")
    (folder / "wheels" / "a.whl").write_bytes(b"x" * 700)
    write_tar(folder, tmp_path / "pack.tar")
    return tmp_path / "pack.tar"


def header(name: str, size: int, **fields: object) -> tarfile.TarInfo:
    """Return a header with changed fields."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o755
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def with_checksum(block: bytes) -> bytes:
    """Return a header block with its right checksum."""
    total = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


def unreadable_device_field() -> bytes:
    """Return a second install.sh that GNU tar unpacks and Python's tarfile does not see."""
    block = bytearray(header(SCRIPT, len(EVIL)).tobuf(tarfile.USTAR_FORMAT))
    block[329:337] = b"ZZZZZZZ\0"
    return with_checksum(bytes(block)) + padded(EVIL)


def padded(content: bytes) -> bytes:
    """Return content with zeros up to the next block."""
    return content + bytes(-len(content) % BLOCK)


def entry(info: tarfile.TarInfo, content: bytes, tar_format: int = tarfile.USTAR_FORMAT) -> bytes:
    """Return a header and its content."""
    return info.tobuf(tar_format, "utf-8", "strict") + padded(content)


def sparse() -> bytes:
    """Return a file of the old GNU sparse type."""
    info = header(f"{FOLDER}/x", len(EVIL), type=tarfile.GNUTYPE_SPARSE)
    return entry(info, EVIL, tarfile.GNU_FORMAT)


def gnu_prefix() -> bytes:
    """Return a header whose prefix Python reads as part of the name, and GNU tar does not."""
    block = bytearray(header("install.sh", len(EVIL)).tobuf(tarfile.GNU_FORMAT))
    block[345 : 345 + len(FOLDER)] = FOLDER.encode()
    return with_checksum(bytes(block)) + padded(EVIL)


EXTENSIONS: dict[str, Callable[[], bytes]] = {
    "unreadable-device-field": unreadable_device_field,
    "junk-block-before-it": lambda: b"\xff" * BLOCK + unreadable_device_field(),
    "zero-blocks-before-it": lambda: bytes(2 * BLOCK) + unreadable_device_field(),
    "junk": lambda: b"junk",
    "second-file-of-the-same-name": lambda: entry(header(SCRIPT, len(EVIL)), EVIL),
    "sparse-file": sparse,
    "prefix-in-a-gnu-header": gnu_prefix,
    "pax-path": lambda: entry(
        header(f"{FOLDER}/x", len(EVIL), pax_headers={"path": SCRIPT}), EVIL, tarfile.PAX_FORMAT
    ),
    "long-name": lambda: entry(
        header(f"{FOLDER}/{'x' * 120}", len(EVIL)), EVIL, tarfile.GNU_FORMAT
    ),
    "link": lambda: entry(header(f"{FOLDER}/x", 0, type=tarfile.SYMTYPE, linkname="/etc"), b""),
    "folder": lambda: entry(header(f"{FOLDER}/x", 0, type=tarfile.DIRTYPE), b""),
    "hidden-bytes-in-the-padding": lambda: (
        header(f"{FOLDER}/x", 1).tobuf(tarfile.USTAR_FORMAT) + b"x" + b"hidden".ljust(BLOCK - 1)
    ),
    "owner": lambda: entry(header(f"{FOLDER}/x", len(EVIL), uname="root"), EVIL),
}


def extend(tar: Path, extension: bytes) -> None:
    """Append bytes after the last file of a tar, and zeros after them."""
    content = tar.read_bytes().rstrip(b"\0")
    tar.write_bytes(padded(content) + extension + bytes(2 * BLOCK))


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_extended_tar_is_not_a_pack(tar, name):
    extend(tar, EXTENSIONS[name]())
    with tar.open("rb") as file, pytest.raises((ValueError, tarfile.HeaderError)):
        read_members(file)
    with pytest.raises(BundleError, match="is not a pack"):
        check_pack(tar, {})


@pytest.mark.parametrize("name", ["unreadable-device-field", "junk-block-before-it"])
def test_the_extension_is_a_real_attack_on_gnu_tar(tar, tmp_path, name):
    """Python's tarfile sees the files of the pack, and GNU tar unpacks another script."""
    program = shutil.which("tar") or ""
    version = program and subprocess.run([program, "--version"], capture_output=True, check=True)
    if not version or b"GNU tar" not in version.stdout:
        pytest.skip("no GNU tar here")
    with tarfile.open(tar) as archive:
        names = archive.getnames()
    extend(tar, EXTENSIONS[name]())
    with tarfile.open(tar) as archive:
        assert archive.getnames() == names
    (tmp_path / "out").mkdir()
    subprocess.run([program, "-xf", tar, "-C", tmp_path / "out"], capture_output=True, check=False)
    assert (tmp_path / "out" / SCRIPT).read_bytes() == EVIL


def test_zeros_after_the_last_file_are_accepted(tar):
    with tar.open("ab") as file:
        file.write(bytes(5 * BLOCK))
    with tar.open("rb") as file:
        assert len(read_members(file)) == 3


def test_every_file_is_found_with_its_content(tar):
    with tar.open("rb") as file, tarfile.open(tar) as archive:
        members = read_members(file)
        assert list(members) == archive.getnames()
        for name, member in members.items():
            assert sha256_of(file, member) == file_digest(tar.parent / name)


@pytest.mark.parametrize("length", [0, 100, 512, 1000, 2048])
def test_a_truncated_tar_is_not_a_pack(tar, length):
    tar.write_bytes(tar.read_bytes()[:length])
    with pytest.raises(BundleError, match="is not a pack"):
        check_pack(tar, {})


def test_a_name_that_is_too_long_for_the_header_cannot_be_packed(tar):
    (tar.parent / FOLDER / ("x" * 101)).touch()
    with pytest.raises(AlledgeError, match="cannot be packed"):
        write_tar(tar.parent / FOLDER, tar)


def test_two_names_that_windows_takes_for_one_are_not_a_pack(tar):
    """The second file would replace the first one, or be written into it."""
    extend(tar, entry(header(SCRIPT.upper().replace(FOLDER.upper(), FOLDER), len(EVIL)), EVIL))
    with pytest.raises(BundleError, match=r"INSTALL\.SH appears twice"):
        check_pack(tar, {})
