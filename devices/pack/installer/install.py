"""Installs this pack without a network; imports the standard library only, nothing of alledge.

The installer creates a new folder, installs and verifies the bundle there, and only then makes
the command `alledge` start it. If anything fails before that, the previous installation still
works.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import itertools
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WINDOWS = sys.platform == "win32"
PURPOSE = b"alledge pack\n"
COMPLETE = ".complete"  # written last: a folder without this file is of an interrupted installation
VERSION_IN_COMMAND = re.compile(r"versions[\\/]([0-9a-f]{16}(?:-\d+)?)[\\/]")
# A glob inside site-packages; "../*" would delete files of the user.
LEAVE_OUT = re.compile(r"(?!.*\.\.)[A-Za-z0-9_*][A-Za-z0-9_./*-]*")
COMPILE = """import alledge, click, compileall, os
for package in (alledge, click):
    compileall.compile_dir(os.path.dirname(package.__file__), quiet=1)"""
PACK_TYPES = {
    "files": dict,
    "python": str,
    "system": str,
    "arch": str,
    "needs_bytes": int,
    "pip": str,
    "leave_out": list,
}


class Refused(Exception):
    """The pack cannot be installed here; the message names the reason and what to do."""


def main() -> int:
    """Run the installer; return its exit code."""
    parser = argparse.ArgumentParser(description="Install alledge and its bundle, offline.")
    parser.add_argument(
        "--prefix", type=Path, default=default_prefix(), help="folder to install into"
    )
    parser.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        help="accept only packs signed with this .pub key, now and later",
    )
    parser.add_argument(
        "--watch",
        type=Path,
        action="append",
        default=[],
        help="install a service that classifies what a camera saves into this folder",
    )
    options = parser.parse_args()
    try:
        return install(options.prefix.expanduser().absolute(), options.trust, options.watch)
    except (Refused, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        print(f"not installed: {printable(str(error))}", file=sys.stderr)
        print("the previous installation is unchanged", file=sys.stderr)
        return 1


def printable(text: str) -> str:
    """Return a text whose control characters, which a terminal would obey, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def default_prefix() -> Path:
    """Return the folder to install into: this user's, or one for all users if root installs."""
    if WINDOWS:
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "alledge"
    if sys.platform != "darwin" and os.geteuid() == 0:
        return Path("/opt/alledge")
    return Path.home() / ".local" / "share" / "alledge"


def install(prefix: Path, trust: list[Path], watch: list[Path]) -> int:
    """Check the pack, install it beside the previous one, verify it, and switch to it.

    With folders to watch, the installed command then installs its service.
    """
    content = (HERE / "pack.json").read_bytes()
    keys = check_signature(content, read_keys(prefix / "trusted"), trust)
    pack = read_pack(content)
    check_files(pack)
    check_machine(pack)
    digest = hashlib.sha256(content + "".join(sorted(keys.values())).encode()).hexdigest()[:16]
    with installer_lock(prefix):
        folder = find_working_installation(prefix / "versions", digest)
        folder = folder or create_installation(prefix, digest, pack, keys)
        command = switch_command(prefix, folder, keys)
    print(f"installed. Type: {command} classify IMAGE", flush=True)
    return install_service(command, watch) if watch else 0


def install_service(command: Path, folders: list[Path]) -> int:
    """Have the installed command watch folders as a service; return the exit code."""
    names = [str(folder.absolute()) for folder in folders]
    words = ["station", "install", "--no-page", "--command", str(command), *names]
    return subprocess.run([str(command), *words], check=False).returncode


def read_pack(content: bytes) -> dict[str, Any]:
    """Return the document of the pack; refuse one with values that the installer cannot use."""
    try:
        pack = json.loads(content)
    except (ValueError, RecursionError):
        pack = None
    pack = pack if isinstance(pack, dict) else {}
    wrong = [key for key, kind in PACK_TYPES.items() if type(pack.get(key)) is not kind]
    if not wrong and pack["pip"] not in pack["files"]:
        wrong = ["pip"]
    if not wrong and not all(
        isinstance(glob, str) and LEAVE_OUT.fullmatch(glob) for glob in pack["leave_out"]
    ):
        wrong = ["leave_out"]
    if wrong:
        raise Refused(f"pack.json is damaged ({wrong[0]}): unpack the tar again, or copy it again")
    return pack


def read_keys(folder: Path) -> dict[str, str]:
    """Return the text of each public key in a folder, by file name."""
    return {path.name: path.read_text(encoding="ascii") for path in sorted(folder.glob("*.pub"))}


def check_signature(content: bytes, trusted: dict[str, str], more: list[Path]) -> dict[str, str]:
    """Refuse a pack that no trusted key signed; return the keys to trust from now on.

    If this device trusts keys already, the pack must be signed with one of them; the keys in
    `more` are added, but do not count for this pack. If there are no keys at all, no signature is
    required.
    """
    named = {path.name: path.read_text(encoding="ascii") for path in more}
    for name in named.keys() & trusted.keys():
        if named[name].split()[:2] != trusted[name].split()[:2]:
            raise Refused(f"another {name} is trusted here: rename the new key file")
    accepted = {tuple(text.split()[:2]) for text in (trusted or named).values()}
    if not accepted:
        return {}
    try:
        kind, public, signature = (HERE / "pack.sig").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        raise Refused("this device trusts keys, and the pack is not signed") from None
    if (kind, public) not in accepted:
        raise Refused("the pack is signed by a key that this device does not trust")
    checker = runpy.run_path(str(HERE / "ed25519.py"))
    if not checker["verify"](bytes.fromhex(public), PURPOSE + content, bytes.fromhex(signature)):
        raise Refused("the pack was changed after it was signed")
    return {**named, **trusted}


def check_files(pack: dict[str, Any]) -> None:
    """Refuse a pack if one of its files is missing or changed, or does not belong to it."""
    for name, digest in pack["files"].items():
        path = HERE / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise Refused(f"{name} is damaged: unpack the tar again, or copy it again")
    for folder in ("wheels", "bundle", "tools", "sites"):
        for path in (HERE / folder).rglob("*"):
            name = path.relative_to(HERE).as_posix()
            if path.is_file() and name not in pack["files"]:
                raise Refused(
                    f"{name} does not belong to this pack: unpack the tar into a new folder"
                )


def check_machine(pack: dict[str, Any]) -> None:
    """Refuse a machine or a Python that the wheels do not support."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python != pack["python"]:
        raise Refused(
            f"this is Python {python}, the pack is for {pack['python']}: install that Python, or "
            f"make another pack with --python {python}"
        )
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.maxsize < 2**32:
        machine = f"32-bit {machine}"
    system = {"Windows": "windows", "Darwin": "macos"}.get(platform.system(), "linux")
    if (system, machine) != (pack["system"], pack["arch"]):
        raise Refused(
            f"this is {system} {machine}, the pack is for {pack['system']} {pack['arch']}: make "
            "another pack for this board (alledge devices list)"
        )


@contextlib.contextmanager
def installer_lock(prefix: Path) -> Iterator[None]:
    """Lock out other installers. The system releases the lock of a process that was killed."""
    prefix.mkdir(parents=True, exist_ok=True)
    with (prefix / ".lock").open("ab") as file:
        try:
            if WINDOWS:
                msvcrt: Any = importlib.import_module("msvcrt")
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl: Any = importlib.import_module("fcntl")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"another installer is running in {prefix}: wait until it ends") from None
        yield


def find_working_installation(versions: Path, digest: str) -> Path | None:
    """Return the folder of a complete installation of this pack that verifies, or None."""
    for folder in sorted(versions.glob(f"{digest}-*")):
        if (folder / COMPLETE).is_file():
            print("this pack is already installed")
            if not verify(folder):
                return folder
            print("its verification fails: installing it again in another folder")
    return None


def create_installation(
    prefix: Path, digest: str, pack: dict[str, Any], keys: dict[str, str]
) -> Path:
    """Install into a new folder and verify there; remove the folder if anything fails."""
    versions = prefix / "versions"
    free, needed = shutil.disk_usage(prefix).free, pack["needs_bytes"]
    if free < needed:
        raise Refused(f"{needed >> 20} MiB are needed at {prefix}, {free >> 20} MiB are free")
    folders = (versions / f"{digest}-{number}" for number in itertools.count(1))
    folder = next(folder for folder in folders if not (folder / COMPLETE).is_file())
    shutil.rmtree(folder, ignore_errors=True)
    try:
        fill_installation(folder, pack, keys)
        if code := verify(folder):
            raise Refused(
                "the bundle does not give its reference results on this machine "
                f"(alledge verify ended with {code})"
            )
        flush()  # a power cut must not leave the marker without the files
        (folder / COMPLETE).write_text("", encoding="ascii")
        flush()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def fill_installation(folder: Path, pack: dict[str, Any], keys: dict[str, str]) -> None:
    """Create the virtual environment with the wheels, the bundle and the keys."""
    print(f"installing into {folder}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # pip is run from its wheel, because Debian ships Python without ensurepip.
    run(sys.executable, "-I", "-m", "venv", "--without-pip", str(folder))
    python = str(python_of(folder))
    run(
        python,
        "-I",
        str(HERE / pack["pip"] / "pip"),
        "install",
        "--no-index",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--quiet",
        "--no-compile",  # modules are compiled when they are used; compiling all takes 23 MB
        "--require-hashes",
        f"--find-links={HERE / 'wheels'}",
        f"--requirement={HERE / 'requirements.txt'}",
    )
    leave_out(folder, pack["leave_out"])
    run(python, "-I", "-c", COMPILE)
    for name in ("bundle", "sites"):
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, folder / "share" / "alledge" / name)
    if keys:
        (folder / "share" / "alledge" / "trusted").mkdir()
    for name, text in keys.items():
        (folder / "share" / "alledge" / "trusted" / name).write_text(text, encoding="ascii")


def leave_out(folder: Path, patterns: list[str]) -> None:
    """Delete the files of the wheels that alledge does not use."""
    (site,) = folder.glob("Lib/site-packages" if WINDOWS else "lib/python*/site-packages")
    for path in [path for pattern in patterns for path in site.glob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def python_of(folder: Path) -> Path:
    """Return the Python interpreter of an installation."""
    return folder / ("Scripts/python.exe" if WINDOWS else "bin/python")


def verify(folder: Path) -> int:
    """Verify the bundle of an installation on this machine; return the exit code."""
    bundle = folder / "share" / "alledge" / "bundle"
    print("verifying the bundle on this machine", flush=True)
    command = [str(python_of(folder)), "-I", "-m", "alledge", "verify", str(bundle)]
    return subprocess.run(command, check=False).returncode


def run(*command: str) -> None:
    """Run a command that must succeed, without the user's pip settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise Refused(f"{Path(command[0]).name} failed with code {code} (see above)")


def switch_command(prefix: Path, folder: Path, keys: dict[str, str]) -> Path:
    """Make the command start an installation, in one atomic step; return the command."""
    for name, text in keys.items():
        replace_file(prefix / "trusted" / name, text)
    command = prefix / "bin" / ("alledge.cmd" if WINDOWS else "alledge")
    previous = current_version(command)
    if WINDOWS:  # a relative path, because a user's name may not be ASCII
        text = f'@"%~dp0..\\versions\\{folder.name}\\Scripts\\alledge.exe" %*\r\n'
    else:
        target = str(folder / "bin" / "alledge").replace("'", "'\\''")
        text = f"#!/bin/sh\nexec '{target}' \"$@\"\n"
    replace_file(command, text, 0o755)
    flush()
    remove_old_versions(prefix / "versions", folder.name, previous)
    return command


def current_version(command: Path) -> str | None:
    """Return the name of the installation that the command starts, None without a command."""
    try:
        names = VERSION_IN_COMMAND.findall(command.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(names[-1]) if names else None


def replace_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically: after a crash it has its old or its new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(mode)
    os.replace(beside, path)  # noqa: PTH105


def flush() -> None:
    """Wait until everything is written to the disk; Windows has no such call."""
    if hasattr(os, "sync"):
        os.sync()


def remove_old_versions(versions: Path, current: str, previous: str | None) -> None:
    """Remove incomplete installations, and complete ones except the current and the previous.

    If the command already started the current one, all other complete installations stay.
    """
    for folder in list(versions.iterdir()):
        is_complete = (folder / COMPLETE).is_file()
        is_kept = is_complete and (folder.name == previous or previous == current)
        if folder.name != current and not is_kept:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
