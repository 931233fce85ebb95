"""Install this pack without a network; the standard library only, and nothing of alledge.

It installs into a folder of its own, verifies there, and only then lets the command `alledge`
point to it: whatever goes wrong before, the installation that was there goes on working.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WINDOWS = sys.platform == "win32"
PURPOSE = b"alledge pack\n"
WHOLE = ".whole"  # written last: a folder without it is what an interrupted install left
KEPT_VERSIONS = 2
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
    keys = {path.name: path.read_text(encoding="ascii") for path in trust}
    for path in sorted((prefix / "trusted").glob("*.pub")):
        keys[path.name] = path.read_text(encoding="ascii")
    check_signature(content, keys)
    pack = json.loads(content)
    check_files(pack)
    check_machine(pack)
    digest = hashlib.sha256(content + "".join(sorted(keys.values())).encode()).hexdigest()[:16]
    folder = prefix / "versions" / digest
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    bundle = folder / "share" / "alledge" / "bundle"
    if not (folder / WHOLE).is_file():
        build(folder, python, bundle, pack, keys)
    else:
        print("this pack is installed already")
    print(f"verifying {pack['bundle']['name']} on this machine", flush=True)
    done = subprocess.run([str(python), "-I", "-m", "alledge", "verify", str(bundle)], check=False)
    if done.returncode:
        (folder / WHOLE).unlink(missing_ok=True)
        raise Refused(
            "the bundle does not compute here what it computed at the desk "
            f"(alledge verify ended with {done.returncode})"
        )
    (folder / WHOLE).write_text("", encoding="ascii")
    command = switch(prefix, folder, keys)
    forget(prefix / "versions", folder)
    print(f"installed. Type: {command} classify IMAGE")
    return 0


def check_signature(content: bytes, keys: dict[str, str]) -> None:
    """Refuse a pack that none of the trusted keys signed; pass where there are none."""
    if not keys:
        return
    try:
        kind, public, signature = (HERE / "pack.sig").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        raise Refused("this device trusts keys, and the pack is not signed") from None
    known = {tuple(text.split()[:2]) for text in keys.values()}
    if (kind, public) not in known:
        raise Refused("the pack is signed by a key that this device does not trust")
    spec = importlib.util.spec_from_file_location("ed25519", HERE / "ed25519.py")
    if spec is None or spec.loader is None:
        raise Refused("the pack has no ed25519.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not module.verify(bytes.fromhex(public), PURPOSE + content, bytes.fromhex(signature)):
        raise Refused("the pack is not what was signed")


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


def build(
    folder: Path, python: Path, bundle: Path, pack: dict[str, Any], keys: dict[str, str]
) -> None:
    """Make the environment afresh, and put wheels, bundle and keys into it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"installing into {folder}", flush=True)
    # without pip: it is run from its wheel, so that a system without ensurepip will do
    run(sys.executable, "-I", "-m", "venv", "--without-pip", str(folder))
    options = ["--no-index", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    options += ["--no-compile"]  # what is used compiles itself; all of it would be 23 MB
    run(
        str(python),
        "-I",
        str(HERE / pack["pip"] / "pip"),
        *("install", *options, "--require-hashes", "--find-links", str(HERE / "wheels")),
        *("--requirement", str(HERE / "requirements.txt")),
    )
    run(str(python), "-I", "-c", COMPILE)
    shutil.copytree(HERE / "bundle", bundle)
    if keys:
        (folder / "share" / "alledge" / "trusted").mkdir()
    for name, text in keys.items():
        (folder / "share" / "alledge" / "trusted" / name).write_text(text, encoding="ascii")


def run(*command: str) -> None:
    """Run a command that must succeed, without the user's settings of pip."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    done = subprocess.run(command, env={**kept, "PIP_CONFIG_FILE": os.devnull}, check=False)
    if done.returncode:
        raise Refused(f"{Path(command[0]).name} failed with code {done.returncode} (see above)")


def switch(prefix: Path, folder: Path, keys: dict[str, str]) -> Path:
    """Let the command point to the new installation, in one step; return the command."""
    (prefix / "trusted").mkdir(exist_ok=True)
    for name, text in keys.items():
        replace(prefix / "trusted" / name, text)
    if WINDOWS:
        command = prefix / "bin" / "alledge.cmd"
        text = f'@"{folder}\\Scripts\\alledge.exe" %*\r\n'
    else:
        command = prefix / "bin" / "alledge"
        target = str(folder / "bin" / "alledge").replace("'", "'\\''")
        text = f"#!/bin/sh\nexec '{target}' \"$@\"\n"
    replace(command, text, 0o755)
    return command


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that it is there whole, old or new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(text.encode())
    beside.chmod(mode)
    os.replace(beside, path)  # noqa: PTH105


def forget(versions: Path, current: Path) -> None:
    """Remove installations older than the one before this."""
    current.touch()
    found = sorted(versions.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [path for path in found if path != current][KEPT_VERSIONS - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
