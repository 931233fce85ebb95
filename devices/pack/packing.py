"""The offline installer: wheels for a board, a bundle and an install script in one tar file.

The same wheels and the same bundle give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from ... import __version__, runtime
from ...errors import AlledgeError, BundleError, TamperedError, UntrustedError, UsageError
from ...runtime.bundle.bundle import RECORD, Bundle
from ...runtime.bundle.signing import SIGNATURE, check_signature, trusted_keys
from ...runtime.digests import file_digest
from ...runtime.files import replace_file, write_json
from ..profiles import Profile
from .dependency_closure import lacking
from .signing_keys import Signer
from .wheels import LEAVE_OUT, fetch_wheels, own_wheel, pinned, unpacked_bytes

SCHEMA, SCHEMA_VERSION = "alledge/pack", 1
PACK, PACK_SIGNATURE = "pack.json", "pack.sig"
SCRIPTS = {"linux": ("install.sh",), "macos": ("install.sh",), "windows": ("install.cmd",)}
PYTHONS = re.compile(r"3\.1\d$")
EXECUTABLE, PLAIN = 0o755, 0o644

Json = dict[str, Any]


def write_pack(
    profile: Profile,
    bundle: Path,
    out: Path,
    *,
    python: str | None = None,
    key: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Json:
    """Write the offline installer of a bundle for a board.

    Parameters
    ----------
    profile : Profile
    bundle : Path
    out : Path
        The tar file.
    python : str, optional
        The board's Python, ``"3.11"``; by default that of its first usual image.
    key : Path, optional
        The secret key that signs pack and bundle.
    say : callable
        Gets lines about what is being done.

    Returns
    -------
    dict
        The document ``pack.json`` (schema ``pack``).

    Raises
    ------
    UsageError
        If the board cannot run alledge, or no such Python can be.
    BundleError
        If the bundle cannot be read or has no artifact for the board's engine.
    TamperedError
        If a file of the bundle is not the one that was exported.
    AlledgeError
        If a wheel does not exist, or needs one that is not among them.
    """
    if not profile.runs:
        raise UsageError(f"{profile.title} cannot run alledge: {profile.why}")
    python = python or profile.data["images"][0]["python"]
    if not PYTHONS.match(python):
        raise UsageError(
            f"alledge does not run on Python {python!r}",
            allowed="3.10 or later",
            fix="--python 3.11",
        )
    signer = None if key is None else Signer(key)
    opened = Bundle.open(bundle)
    opened.check()
    backend = profile.data["pack"]["backend"]
    if backend not in opened.formats:
        raise BundleError(
            f"{bundle} has no artifact for {backend}, which {profile.title} runs",
            allowed=opened.formats,
            fix="alledge export with --format tflite among others",
        )
    with tempfile.TemporaryDirectory(prefix="alledge-pack-") as place:
        folder = Path(place) / f"alledge-{profile.name}"
        folder.mkdir()
        say("fetching wheels")
        fetch_wheels(profile, python, folder, say)
        say("building alledge's own wheel")
        own_wheel(folder / "wheels")
        if missing := lacking(folder / "wheels", profile, python):
            raise AlledgeError(
                f"the wheels for {profile.title} do not suffice: {'; '.join(missing)}",
                fix=f"name it under [pack] in devices/profiles/{profile.name}.toml",
            )
        document = _fill(folder, profile, opened, python, signer)
        with replace_file(out) as beside:
            _write_tar(folder, beside)
    return document


def _fill(
    folder: Path, profile: Profile, bundle: Bundle, python: str, signer: Signer | None
) -> Json:
    """Put bundle, scripts, hashes and signatures beside the wheels; return pack.json."""
    for name in (RECORD, *bundle.record["files"]):
        (folder / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path / name, folder / "bundle" / name)
    (folder / "requirements.txt").write_text(
        pinned(folder / "wheels"), encoding="ascii", newline="\n"
    )
    _write_scripts(folder, profile, bundle, python)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    document: Json = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "alledge": __version__,
        "device": profile.name,
        "system": profile.system,
        "arch": profile.arch,
        "python": python,
        "backend": profile.data["pack"]["backend"],
        "pip": next((folder / "tools").glob("pip-*.whl")).relative_to(folder).as_posix(),
        "leave_out": list(LEAVE_OUT),
        "needs_bytes": unpacked_bytes(folder / "wheels") + _size(folder / "bundle"),
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "files": {path.relative_to(folder).as_posix(): file_digest(path) for path in files},
    }
    write_json(folder / PACK, document)
    if signer is not None:
        record = (folder / "bundle" / RECORD).read_bytes()
        (folder / "bundle" / SIGNATURE).write_text(signer.sign(record, "bundle"), encoding="ascii")
        content = (folder / PACK).read_bytes()
        (folder / PACK_SIGNATURE).write_text(signer.sign(content, "pack"), encoding="ascii")
    return document


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_scripts(folder: Path, profile: Profile, bundle: Bundle, python: str) -> None:
    windows = profile.system == "windows"
    words = {
        "@VERSION@": __version__,
        "@TITLE@": profile.title,
        "@PYTHON@": python,
        "@BUNDLE@": bundle.name,
        "@INSTALL@": "install.cmd" if windows else "sh install.sh",
        "@COMMAND@": "%LOCALAPPDATA%\\alledge\\bin\\alledge"
        if windows
        else "~/.local/share/alledge/bin/alledge",
        "@ROOT@": "" if windows else " (/opt/alledge/bin/alledge where root installed it)",
    }
    templates = resources.files(__package__).joinpath("installer")
    for name in ("install.py", "README.txt", *SCRIPTS[profile.system]):
        text = templates.joinpath(name).read_bytes().decode("utf-8")
        if name != "install.py":
            for word, value in words.items():
                text = text.replace(word, value)
        if name.endswith(".cmd"):
            text = text.replace("\n", "\r\n")  # cmd.exe finds no label otherwise
        (folder / name).write_bytes(text.encode("utf-8"))
    checker = resources.files(runtime).joinpath("bundle/ed25519.py")
    (folder / "ed25519.py").write_bytes(checker.read_bytes())


def _write_tar(folder: Path, out: Path) -> None:
    """Write the folder as a tar whose bytes depend on names and contents alone."""
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            info = tarfile.TarInfo(path.relative_to(folder.parent).as_posix())
            info.size = path.stat().st_size
            info.mode = EXECUTABLE if path.suffix == ".sh" else PLAIN
            with path.open("rb") as stream:
                archive.addfile(info, stream)


def check_pack(path: Path, keys: dict[str, bytes] | None = None) -> Json:
    """Return the document of a pack after checking it without unpacking or running any of it.

    Parameters
    ----------
    path : Path
        The tar file.
    keys : dict of str to bytes, optional
        The keys to trust; by default this machine's.

    Raises
    ------
    BundleError
        If it is no pack.
    UntrustedError
        If there are trusted keys and none of them signed it.
    TamperedError
        If a file of it is missing, unknown or another one.
    """
    keys = trusted_keys() if keys is None else keys
    try:
        with tarfile.open(path, "r:") as archive:
            names = _plain_names(archive)
            content = _member(archive, names[PACK])
            if keys:
                _check_signed(archive, names, content, keys, path)
            document: Json = json.loads(content)
            _check_top(archive, f"alledge-{document['device']}")
            wanted = document["files"]
            found = {
                name: hashlib.sha256(_member(archive, member)).hexdigest()
                for name, member in names.items()
                if name not in (PACK, PACK_SIGNATURE, f"bundle/{SIGNATURE}")
            }
    except (UntrustedError, TamperedError):
        raise
    except (OSError, tarfile.TarError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise BundleError(f"{path} is not a pack: {error}", fix="copy it again, whole") from None
    wrong = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if wrong:
        raise TamperedError(
            f"{path}: {', '.join(wrong[:5])} is not what was packed", fix="copy it again, whole"
        )
    return document


def _plain_names(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Return the members by their names under the top folder; refuse what `tar -x` could abuse."""
    names: dict[str, tarfile.TarInfo] = {}
    for member in archive:
        _, slash, name = member.name.partition("/")
        parts = member.name.split("/")
        if not member.isreg() or name in names:
            raise ValueError(f"{member.name} appears twice, or is no plain file")
        if not slash or {"", ".", ".."} & set(parts) or "\\" in name or ":" in name:
            raise ValueError(f"{member.name} would be unpacked elsewhere")
        if member.mode not in (EXECUTABLE, PLAIN):
            raise ValueError(f"{member.name} has the mode {member.mode:o}")
        names[name] = member
    return names


def _check_top(archive: tarfile.TarFile, folder: str) -> None:
    for name in archive.getnames():
        if name.partition("/")[0] != folder:
            raise ValueError(f"{name} would be unpacked beside {folder}")


def _check_signed(
    archive: tarfile.TarFile,
    names: dict[str, tarfile.TarInfo],
    content: bytes,
    keys: dict[str, bytes],
    path: Path,
) -> None:
    with tempfile.TemporaryDirectory() as place:
        signature = Path(place) / PACK_SIGNATURE
        if PACK_SIGNATURE in names:
            signature.write_bytes(_member(archive, names[PACK_SIGNATURE]))
        check_signature(content, signature, "pack", keys, str(path))


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member) or io.BytesIO()
    return stream.read()
