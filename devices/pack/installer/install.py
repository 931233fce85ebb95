"""Install this pack without a network; the standard library only, and nothing of alledge.

It installs into a folder of its own, verifies there, and only then lets the command `alledge`
point to it: whatever goes wrong before, the installation that was there goes on working.
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
WHOLE = ".whole"  # written last: a folder without it is what an interrupted install left
POINTED = re.compile(r"versions[\\/]([0-9a-f]{16}(?:-\d+)?)[\\/]")
COMPILE = """import alledge, click, compileall, os
for package in (alledge, click):
    compileall.compile_dir(os.path.dirname(package.__file__), quiet=1)"""


class Refused(Exception):
    """Something is not as it must be; the message says what to do."""


def main() -> int:
    """Run the installer; return its exit code."""
    parser = argparse.ArgumentParser(description="Install alledge and its bundle, offline.")
    parser.add_argument("--prefix", type=Path, default=default_prefix(), help="where to")
    parser.add_argument(
        "--trust", type=Path, action="append", default=[], help="trust this .pub key from now on"
    )
    options = parser.parse_args()
    try:
        return install(options.prefix.expanduser().absolute(), options.trust)
    except (Refused, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        print(f"not installed: {error}", file=sys.stderr)
        print("what was installed before is as it was", file=sys.stderr)
        return 1


def default_prefix() -> Path:
    """Return where to install: for this user, or for all where root installs."""
    if WINDOWS:
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "alledge"
    if sys.platform != "darwin" and os.geteuid() == 0:
        return Path("/opt/alledge")
    return Path.home() / ".local" / "share" / "alledge"


def install(prefix: Path, trust: list[Path]) -> int:
    """Check the pack, install it beside the old one, verify it, and switch."""
    content = (HERE / "pack.json").read_bytes()
    keys = check_signature(content, read_keys(prefix / "trusted"), trust)
    pack = json.loads(content)
    check_files(pack)
    check_machine(pack)
    digest = hashlib.sha256(content + "".join(sorted(keys.values())).encode()).hexdigest()[:16]
    with alone(prefix):
        folder = installed(prefix / "versions", digest) or build(prefix, digest, pack, keys)
        command = switch(prefix, folder, keys)
    print(f"installed. Type: {command} classify IMAGE")
    return 0


def read_keys(folder: Path) -> dict[str, str]:
    """Return the text of each public key in a folder, by file name."""
    return {path.name: path.read_text(encoding="ascii") for path in sorted(folder.glob("*.pub"))}


def check_signature(content: bytes, trusted: dict[str, str], more: list[Path]) -> dict[str, str]:
    """Refuse a pack that no trusted key signed; return the keys to trust from now on.

    Where this device trusts keys, only those count: a further one is added, but vouches for
    nothing yet. Where there are no keys at all, nothing is asked for.
    """
    named = {path.name: path.read_text(encoding="ascii") for path in more}
    for name in named.keys() & trusted.keys():
        if named[name].split()[:2] != trusted[name].split()[:2]:
            raise Refused(f"another {name} is trusted here: give the new file its own name")
    known = {tuple(text.split()[:2]) for text in (trusted or named).values()}
    if not known:
        return {}
    try:
        kind, public, signature = (HERE / "pack.sig").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        raise Refused("this device trusts keys, and the pack is not signed") from None
    if (kind, public) not in known:
        raise Refused("the pack is signed by a key that this device does not trust")
    checker = runpy.run_path(str(HERE / "ed25519.py"))
    if not checker["verify"](bytes.fromhex(public), PURPOSE + content, bytes.fromhex(signature)):
        raise Refused("the pack is not what was signed")
    return {**named, **trusted}


def check_files(pack: dict[str, Any]) -> None:
    """Refuse a pack of which a file is missing, changed or unknown."""
    for name, wanted in pack["files"].items():
        path = HERE / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            raise Refused(f"{name} is damaged: unpack the tar again, or copy it again")
    for folder in ("wheels", "bundle", "tools"):
        for path in (HERE / folder).rglob("*"):
            name = path.relative_to(HERE).as_posix()
            if path.is_file() and name not in pack["files"] and name != "bundle/bundle.sig":
                raise Refused(f"{name} does not belong to this pack: unpack the tar afresh")


def check_machine(pack: dict[str, Any]) -> None:
    """Refuse a machine or a Python that the wheels are not for."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if here != pack["python"]:
        raise Refused(
            f"this is Python {here}, the pack is for {pack['python']}: install that one, or pack "
            f"again at the desk with --python {here}"
        )
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.maxsize < 2**32:
        machine = f"32-bit {machine}"
    system = {"Windows": "windows", "Darwin": "macos"}.get(platform.system(), "linux")
    if (system, machine) != (pack["system"], pack["arch"]):
        raise Refused(
            f"this is {system} {machine}, the pack is for {pack['system']} {pack['arch']}: pack "
            "again at the desk for this board (alledge devices list)"
        )


@contextlib.contextmanager
def alone(prefix: Path) -> Iterator[None]:
    """Refuse to run beside another installer; the system frees the lock of one that died."""
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
            raise Refused(f"another installer is at work in {prefix}: wait for it") from None
        yield


def installed(versions: Path, digest: str) -> Path | None:
    """Return where this very pack is installed and still verifies, None where it must be built."""
    for folder in sorted(versions.glob(f"{digest}-*")):
        if (folder / WHOLE).is_file():
            print("this pack is installed already")
            if not verify(folder):
                return folder
            print("it does not verify any more: installing it afresh beside what is there")
    return None


def build(prefix: Path, digest: str, pack: dict[str, Any], keys: dict[str, str]) -> Path:
    """Install into a folder of its own and verify there; what fails leaves nothing behind."""
    versions = prefix / "versions"
    free, needed = shutil.disk_usage(prefix).free, pack["needs_bytes"]
    if free < needed:
        raise Refused(f"{needed >> 20} MiB are needed at {prefix}, {free >> 20} are free")
    names = (versions / f"{digest}-{number}" for number in itertools.count(1))
    folder = next(name for name in names if not (name / WHOLE).is_file())
    shutil.rmtree(folder, ignore_errors=True)
    try:
        fill(folder, pack, keys)
        if code := verify(folder):
            raise Refused(
                "the bundle does not compute here what it computed at the desk "
                f"(alledge verify ended with {code})"
            )
        flush()  # nothing is called whole that a power cut could still take
        (folder / WHOLE).write_text("", encoding="ascii")
        flush()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def fill(folder: Path, pack: dict[str, Any], keys: dict[str, str]) -> None:
    """Make the environment, and put wheels, bundle and keys into it."""
    print(f"installing into {folder}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # without pip: it is run from its wheel, so that a system without ensurepip will do
    run(sys.executable, "-I", "-m", "venv", "--without-pip", str(folder))
    python = str(python_of(folder))
    options = ["--no-index", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    options += ["--no-compile"]  # what is used compiles itself; all of it would be 23 MB
    run(
        *(python, "-I", str(HERE / pack["pip"] / "pip"), "install", *options),
        *("--require-hashes", "--find-links", str(HERE / "wheels")),
        *("--requirement", str(HERE / "requirements.txt")),
    )
    leave_out(folder, pack["leave_out"])
    run(python, "-I", "-c", COMPILE)
    shutil.copytree(HERE / "bundle", folder / "share" / "alledge" / "bundle")
    if keys:
        (folder / "share" / "alledge" / "trusted").mkdir()
    for name, text in keys.items():
        (folder / "share" / "alledge" / "trusted" / name).write_text(text, encoding="ascii")


def leave_out(folder: Path, patterns: list[str]) -> None:
    """Delete what the wheels bring and alledge does not use."""
    (site,) = folder.glob("Lib/site-packages" if WINDOWS else "lib/python*/site-packages")
    for path in [path for pattern in patterns for path in site.glob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def python_of(folder: Path) -> Path:
    """Return the interpreter of an installation."""
    return folder / ("Scripts/python.exe" if WINDOWS else "bin/python")


def verify(folder: Path) -> int:
    """Return the exit code of verifying an installation's bundle on this machine."""
    bundle = folder / "share" / "alledge" / "bundle"
    print("verifying the bundle on this machine", flush=True)
    command = [str(python_of(folder)), "-I", "-m", "alledge", "verify", str(bundle)]
    return subprocess.run(command, check=False).returncode


def run(*command: str) -> None:
    """Run a command that must succeed, without the user's settings of pip."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    done = subprocess.run(command, env={**kept, "PIP_CONFIG_FILE": os.devnull}, check=False)
    if done.returncode:
        raise Refused(f"{Path(command[0]).name} failed with code {done.returncode} (see above)")


def switch(prefix: Path, folder: Path, keys: dict[str, str]) -> Path:
    """Let the command point to an installation, in one step; return the command."""
    for name, text in keys.items():
        replace(prefix / "trusted" / name, text)
    command = prefix / "bin" / ("alledge.cmd" if WINDOWS else "alledge")
    before = pointed(command)
    if WINDOWS:  # relative, so that no letter of a user's name is in it
        text = f'@"%~dp0..\\versions\\{folder.name}\\Scripts\\alledge.exe" %*\r\n'
    else:
        target = str(folder / "bin" / "alledge").replace("'", "'\\''")
        text = f"#!/bin/sh\nexec '{target}' \"$@\"\n"
    replace(command, text, 0o755)
    flush()
    forget(prefix / "versions", folder.name, before)
    return command


def pointed(command: Path) -> str | None:
    """Return the name of the installation that the command points to, None where there is none."""
    try:
        found = POINTED.findall(command.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(found[-1]) if found else None


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that it is there whole, old or new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(mode)
    os.replace(beside, path)  # noqa: PTH105


def flush() -> None:
    """Have everything written on the disk; Windows has no such call."""
    if hasattr(os, "sync"):
        os.sync()


def forget(versions: Path, current: str, before: str | None) -> None:
    """Remove what is not whole, and of the rest all but this installation and the one before."""
    found = [path for path in versions.iterdir() if path.name != current]
    others = [path for path in found if (path / WHOLE).is_file()]
    keep = [path for path in others if before == current or path.name == before]
    for old in [path for path in found if path not in keep]:
        shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
