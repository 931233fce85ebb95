"""Writes a pack: wheels for a board, a bundle and an install script in one tar file.

The same wheels and the same bundle give the same bytes.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from ... import __version__, runtime
from ...errors import AlledgeError, BundleError, UsageError
from ...runtime.bundle.bundle import Bundle
from ...runtime.bundle.record_file import RECORD
from ...runtime.bundle.signer import Signer
from ...runtime.bundle.signing import SIGNATURE
from ...runtime.digests import file_digest
from ...runtime.files import write_json
from ...runtime.outputs import check_outputs, make_folder, output_file
from ...runtime.sites.profile import SITES, SiteProfile
from ..profiles import Profile
from ..types import PackDocument
from .dependency_closure import missing_requirements
from .pack_check import PACK, PACK_SIGNATURE
from .pack_tar import write_tar
from .packed_site import check_site, copy_site
from .wheels import LEAVE_OUT, add_alledge_wheel, fetch_wheels, pinned_requirements, unpacked_bytes

SCHEMA, SCHEMA_VERSION = "alledge/pack", 1
INSTALL_SCRIPTS = {"linux": "install.sh", "macos": "install.sh", "windows": "install.cmd"}
SUPPORTED_PYTHON = re.compile(r"3\.1\d$")

UNIX_COMMANDS = {
    "@INSTALL@": "sh install.sh",
    "@COMMAND@": "~/.local/share/alledge/bin/alledge",
    "@ROOT@": " (/opt/alledge/bin/alledge where root installed it)",
}
WINDOWS_COMMANDS = {
    "@INSTALL@": "install.cmd",
    "@COMMAND@": "%LOCALAPPDATA%\\alledge\\bin\\alledge",
    "@ROOT@": "",
}


def write_pack(
    profile: Profile,
    bundle: Path,
    out: Path,
    *,
    python: str | None = None,
    key: Path | None = None,
    site: SiteProfile | None = None,
    force: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> PackDocument:
    """Write the offline installer of a bundle for a board.

    Parameters
    ----------
    profile : Profile
    bundle : Path
    out : Path
        The tar file.
    python : str, optional
        The board's Python, ``"3.11"``. By default that of the first system in the profile.
    key : Path, optional
        The secret key that signs pack, bundle and site profile.
    site : SiteProfile, optional
        From `open_site`: the profile to include.
    force : bool
        Replace the tar file if it exists.
    report : callable
        Called with a line of text for each step.

    Returns
    -------
    PackDocument
        The content of ``pack.json`` (schema ``pack``).

    Raises
    ------
    UsageError
        If the board cannot run alledge, alledge does not run on that Python, or the tar file
        exists or cannot be written.
    BundleError
        If the bundle cannot be read or has no artifact for the board's engine.
    SiteError
        If the site profile belongs to another bundle or engine.
    TamperedError
        If a file of the bundle was changed after export.
    AlledgeError
        If a wheel does not exist, or requires one that is not in the pack.
    """
    if not profile.runs:
        raise UsageError(f"{profile.title} cannot run alledge: {profile.why}")
    python = python or profile.data["images"][0]["python"]
    if not SUPPORTED_PYTHON.match(python):
        raise UsageError(
            f"alledge does not run on Python {python!r}",
            allowed="3.10 or later",
            fix="--python 3.11",
        )
    check_outputs([out], inputs=[bundle] if key is None else [bundle, key], force=force)
    signer = None if key is None else Signer(key)
    checked_bundle = _checked_bundle(bundle, profile)
    if site is not None:
        check_site(site, checked_bundle, profile)
    with tempfile.TemporaryDirectory(prefix="alledge-pack-") as parent:
        folder = Path(parent) / f"alledge-{profile.name}"
        folder.mkdir()
        report("fetching wheels")
        fetch_wheels(profile, python, folder, report)
        report("building alledge's own wheel")
        add_alledge_wheel(folder / "wheels")
        if missing := missing_requirements(folder / "wheels", profile, python):
            raise AlledgeError(
                f"the wheels for {profile.title} are incomplete: {'; '.join(missing)}",
                fix=f"name the package under [pack] in devices/profiles/{profile.name}.toml",
            )
        document = fill_folder(folder, profile, checked_bundle, python, signer, site)
        make_folder(out.parent)
        with output_file(out, force=force) as beside:
            write_tar(folder, beside)
    return document


def _checked_bundle(path: Path, profile: Profile) -> Bundle:
    bundle = Bundle.open(path)
    bundle.check()
    backend = profile.data["pack"]["backend"]
    if backend not in bundle.formats:
        raise BundleError(
            f"{path} has no artifact for {backend}, which {profile.title} runs",
            allowed=bundle.formats,
            fix=f"export with --format and {backend} in the list",
        )
    return bundle


def fill_folder(
    folder: Path,
    profile: Profile,
    bundle: Bundle,
    python: str,
    signer: Signer | None,
    site: SiteProfile | None = None,
) -> PackDocument:
    """Add bundle, scripts, hashes and signatures to a folder of wheels; return ``pack.json``.

    Parameters
    ----------
    folder : Path
        Contains ``wheels/`` and ``tools/``.
    profile : Profile
    bundle : Bundle
    python : str
    signer : Signer or None
        None leaves the pack unsigned.
    site : SiteProfile, optional
        Of the bundle.
    """
    for name in (RECORD, *bundle.record["files"]):
        (folder / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path / name, folder / "bundle" / name)
    (folder / "requirements.txt").write_text(
        pinned_requirements(folder / "wheels"), encoding="ascii", newline="\n"
    )
    write_scripts(folder, profile, bundle, python)
    if signer is not None:
        record = (folder / "bundle" / RECORD).read_bytes()
        (folder / "bundle" / SIGNATURE).write_text(signer.sign(record, "bundle"), encoding="ascii")
    if site is not None:
        copy_site(site, folder / SITES, signer)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    bundle_bytes = sum(
        path.stat().st_size for path in (folder / "bundle").rglob("*") if path.is_file()
    )
    document: PackDocument = {
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
        "needs_bytes": unpacked_bytes(folder / "wheels") + bundle_bytes,
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "files": {path.relative_to(folder).as_posix(): file_digest(path) for path in files},
    }
    write_json(folder / PACK, document)
    if signer is not None:
        content = (folder / PACK).read_bytes()
        (folder / PACK_SIGNATURE).write_text(signer.sign(content, "pack"), encoding="ascii")
    return document


def write_scripts(folder: Path, profile: Profile, bundle: Bundle, python: str) -> None:
    """Write the installer, its start script and the README for a board's system."""
    is_windows = profile.system == "windows"
    values = {
        "@VERSION@": __version__,
        "@TITLE@": profile.title,
        "@PYTHON@": python,
        "@BUNDLE@": bundle.name,
        **(WINDOWS_COMMANDS if is_windows else UNIX_COMMANDS),
    }
    installer = resources.files(__package__).joinpath("installer")
    (folder / "install.py").write_bytes(installer.joinpath("install.py").read_bytes())
    for name in ("README.txt", INSTALL_SCRIPTS[profile.system]):
        text = installer.joinpath(name).read_bytes().decode("utf-8")
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        if name.endswith(".cmd"):
            text = text.replace("\n", "\r\n")  # cmd.exe finds no label in a file with bare LF
        (folder / name).write_bytes(text.encode("utf-8"))
    checker = resources.files(runtime).joinpath("bundle/ed25519.py")
    (folder / "ed25519.py").write_bytes(checker.read_bytes())
