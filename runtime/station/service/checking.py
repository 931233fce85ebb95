"""What is wrong with the installed service."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..server.access_options import is_loopback
from .systemd_unit import ENVIRONMENT, UNIT
from .types import NAME, TOKEN_VARIABLE

ASK_TIMEOUT_S = 20.0
LOG = f"journalctl -u {NAME} -n 30"

Ask = Callable[[Sequence[str]], tuple[int, str]]


@dataclass(frozen=True)
class ServiceProblem:
    """Something that is wrong with the service.

    Parameters
    ----------
    what : str
    fix : str
        What to type.
    """

    what: str
    fix: str


def service_problems(
    unit: Path = Path(UNIT), secrets: Path = Path(ENVIRONMENT), ask: Ask | None = None
) -> list[ServiceProblem] | None:
    """Return what is wrong with the installed service; None if there is none.

    Parameters
    ----------
    unit, secrets : Path
        The files of a systemd service.
    ask : callable, optional
        Runs a command, and returns its exit code and its standard output.
    """
    ask = ask or run_question
    if sys.platform == "win32":
        code, text = ask(["schtasks", "/Query", "/TN", NAME, "/XML"])
        return list(_task_problems(text)) if code == 0 else None
    try:
        text = unit.read_text(encoding="utf-8")
    except OSError:
        return None
    return [*_unit_problems(text, ask), *_secret_problems(text, secrets)]


def _task_problems(text: str) -> Iterator[ServiceProblem]:
    command = text.partition("<Command>")[2].partition("</Command>")[0].strip('" ')
    if command and not Path(command).is_file():
        yield ServiceProblem(f"its program {command} is gone", "alledge station install, as before")


def _unit_problems(text: str, ask: Ask) -> Iterator[ServiceProblem]:
    words, user = _command_of(text), _value(text, "User")
    again = "sudo alledge station install, as before"
    if not words or shutil.which(words[0]) is None:
        yield ServiceProblem(f"its program {words[0] if words else ''} is gone", again)
    if user and ask(["id", "-u", user])[0]:
        yield ServiceProblem(f"its user {user} does not exist", again)
    else:
        yield from _folder_problems(words, user, ask)
    if (state := ask(["systemctl", "is-enabled", NAME])[1]) != "enabled":
        fix = f"sudo systemctl enable {NAME}"
        yield ServiceProblem(f"it does not start with this machine ({state or 'unknown'})", fix)
    if (state := ask(["systemctl", "is-active", NAME])[1]) != "active":
        yield ServiceProblem(f"it does not run ({state or 'unknown'})", LOG)
    restarts = ask(["systemctl", "show", "--value", "--property=NRestarts", NAME])[1]
    if restarts.isdecimal() and int(restarts):
        yield ServiceProblem(f"it failed and was started again {restarts} times", LOG)


def _folder_problems(words: list[str], user: str, ask: Ask) -> Iterator[ServiceProblem]:
    folders = words[words.index("--") + 1 :] if "--" in words else []
    for folder in folders:
        if not Path(folder).is_dir():
            yield ServiceProblem(f"the folder {folder} is not there", "check the path or the share")
        elif user and hasattr(os, "geteuid") and os.geteuid() == 0:  # else it cannot be known
            test = f"test -r {shlex.quote(folder)} && test -x {shlex.quote(folder)}"
            if ask(["runuser", "-u", user, "--", "sh", "-c", test])[0]:
                fix = f"sudo setfacl -m u:{user}:rx {shlex.quote(folder)}"
                yield ServiceProblem(f"the user {user} cannot read {folder}", fix)


def _secret_problems(text: str, secrets: Path) -> Iterator[ServiceProblem]:
    try:
        mode = secrets.stat().st_mode
    except OSError:
        mode = 0o600
    if mode & 0o077:
        yield ServiceProblem(f"other users can read {secrets}", f"sudo chmod 600 {secrets}")
    words = _command_of(text)
    host = words[words.index("--host") + 1] if "--host" in words[:-1] else "127.0.0.1"
    if is_loopback(host):
        return
    try:
        lines = secrets.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    except OSError:  # only root reads it
        return
    if not any(line.startswith(f"{TOKEN_VARIABLE}=") for line in lines):
        yield ServiceProblem(
            f"{host} can be reached from other machines, and {secrets} has no {TOKEN_VARIABLE}",
            f"write {TOKEN_VARIABLE}=… into it, and sudo systemctl restart {NAME}",
        )


def _command_of(text: str) -> list[str]:
    try:
        words = shlex.split(_value(text, "ExecStart"))
    except ValueError:
        return []
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


def _value(text: str, key: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(f"{key}=")]
    return lines[-1].partition("=")[2] if lines else ""


def run_question(command: Sequence[str]) -> tuple[int, str]:
    """Run a command that changes nothing; return its exit code and its standard output."""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace",
            timeout=ASK_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return 127, ""
    return done.returncode, done.stdout.strip()
