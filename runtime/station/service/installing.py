"""Installs and removes the service: its file, its user, and what the system is told."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ....errors import AlledgeError, UsageError
from ...outputs import make_folder, output_file
from .systemd_unit import ENVIRONMENT, HOME, UNIT, USER, systemd_unit
from .types import MARK, NAME, TOKEN_VARIABLE, ServicePlan
from .windows_task import windows_task

TASK_FILE = "station-task.xml"  # in the folder of the workstation
COMMAND_TIMEOUT_S = 120.0
SECRETS = """\
# Secrets of the alledge workstation. Only root reads this file.
# {token}=a secret of 16 or more characters
# ALLEDGE_MQTT_USER=
# ALLEDGE_MQTT_PASSWORD=
"""

Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class ServiceFile:
    """A file of a service.

    Parameters
    ----------
    path : Path
    text : str
    encoding : str
    mode : int
        Permissions.
    is_secret : bool
        It is written only where there is none, and never printed.
    """

    path: Path
    text: str
    encoding: str = "utf-8"
    mode: int = 0o644
    is_secret: bool = False


@dataclass(frozen=True)
class Installation:
    """What installing a service does, in this order.

    Parameters
    ----------
    before : list of list of str
        Commands before the files are written.
    files : list of ServiceFile
    after : list of list of str
        Commands after that.
    """

    before: list[list[str]]
    files: list[ServiceFile]
    after: list[list[str]]


def is_windows() -> bool:
    """Return whether the service is a scheduled task."""
    return sys.platform == "win32"


def default_home() -> PurePath:
    """Return the folder of a workstation that runs as a service."""
    if is_windows():
        from ...device_home import FOLDER

        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / FOLDER
    return PurePath(HOME)


def default_user() -> str:
    """Return the user under which a service runs: this one on Windows, its own on Linux."""
    if is_windows():
        domain = os.environ.get("USERDOMAIN")
        name = os.environ.get("USERNAME", "")
        return f"{domain}\\{name}" if domain else name
    return USER


def linux_installation(plan: ServicePlan, *, user_exists: bool) -> Installation:
    """Return what installs a systemd unit.

    Parameters
    ----------
    plan : ServicePlan
    user_exists : bool
        Otherwise a system user without a login is made.
    """
    before = []
    if not user_exists:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", str(plan.home)]
        before.append(["useradd", *options, "--shell", "/usr/sbin/nologin", plan.user])
    if str(plan.home) != HOME:  # systemd makes the usual one
        before.append(["install", "-d", "-m", "0700", "-o", plan.user, str(plan.home)])
    before += [["install", "-d", "-m", "0755", "-o", plan.user, str(p)] for p in plan.written]
    text = SECRETS.format(token=TOKEN_VARIABLE)
    if not plan.is_local:
        text += f"{TOKEN_VARIABLE}={secrets.token_urlsafe(24)}\n"
    files = [
        ServiceFile(Path(ENVIRONMENT), text, mode=0o600, is_secret=True),
        ServiceFile(Path(UNIT), systemd_unit(plan)),
    ]
    after = [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", NAME],
        ["systemctl", "restart", NAME],
    ]
    return Installation(before, files, after)


def windows_installation(plan: ServicePlan) -> Installation:
    """Return what installs a scheduled task."""
    path = Path(str(plan.home)) / TASK_FILE
    after = [
        ["schtasks", "/Create", "/TN", NAME, "/XML", str(path), "/F"],
        ["schtasks", "/Run", "/TN", NAME],
    ]
    return Installation([], [ServiceFile(path, windows_task(plan), "utf-16")], after)


def installation_of(plan: ServicePlan) -> Installation:
    """Return what installs a service on this system.

    Raises
    ------
    UsageError
        If there is neither systemd nor the task scheduler of Windows.
    """
    if is_windows():
        return windows_installation(plan)
    if not sys.platform.startswith("linux"):
        raise UsageError(
            "services are for Linux with systemd and for Windows",
            fix="start `alledge serve` where this system starts programs",
        )
    return linux_installation(plan, user_exists=_user_exists(plan.user))


def install(installation: Installation, *, force: bool = False, run: Run | None = None) -> None:
    """Write the files of a service and start it; an earlier installation is replaced.

    Parameters
    ----------
    installation : Installation
    force : bool
        Replace a file that alledge did not write.
    run : callable, optional
        Runs a command; by default `run_command`.

    Raises
    ------
    UsageError
        If a file is there that alledge did not write, without `force`.
    AlledgeError
        If a file cannot be written, or a command fails.
    """
    run = run or run_command
    for file in installation.files:
        is_foreign = file.path.exists() and not file.is_secret and not is_own(file)
        if is_foreign and not force:
            raise UsageError(
                f"{file.path} exists already, and alledge did not write it", fix="--force"
            )
    for command in installation.before:
        run(command)
    for file in installation.files:
        if file.is_secret and file.path.exists():
            continue
        make_folder(file.path.parent, "the service")
        with output_file(file.path, force=True, option="--force", mode=file.mode) as temporary:
            temporary.write_text(file.text, encoding=file.encoding)
    for command in installation.after:
        run(command)


def uninstall(run: Run | None = None, unit: Path = Path(UNIT)) -> list[str]:
    """Stop and remove the service; the history, its pictures and the secrets stay.

    Parameters
    ----------
    run : callable, optional
    unit : Path
        Of systemd.

    Returns
    -------
    list of str
        What is left, for people.

    Raises
    ------
    UsageError
        If no service is installed.
    AlledgeError
        If a command fails.
    """
    run = run or run_command
    if is_windows():
        run(["schtasks", "/End", "/TN", NAME])
        run(["schtasks", "/Delete", "/TN", NAME, "/F"])
        return [f"the history and its pictures in {default_home()}"]
    if not unit.exists():
        raise UsageError("no service is installed", fix="alledge station install FOLDER")
    run(["systemctl", "disable", "--now", NAME])
    try:
        unit.unlink()
    except OSError as error:
        raise AlledgeError(f"{unit} cannot be removed: {error.strerror}", fix="use sudo") from None
    run(["systemctl", "daemon-reload"])
    return [f"the history and its pictures ({HOME})", f"the secrets in {ENVIRONMENT}"]


def check_rights() -> None:
    """Check that this user may install a service.

    Raises
    ------
    UsageError
        If not, on Linux.
    """
    if not is_windows() and os.geteuid() != 0:
        raise UsageError("only root may install a service", fix="sudo, or look with --dry-run")
    if not is_windows() and shutil.which("systemctl") is None:
        raise UsageError("this system has no systemd", fix="look with --dry-run")


def is_own(file: ServiceFile) -> bool:
    """Return whether alledge wrote the file that is in this place."""
    try:
        return MARK in file.path.read_text(encoding=file.encoding)
    except (OSError, UnicodeError):
        return False


def run_command(command: Sequence[str]) -> None:
    """Run a command of the system.

    Raises
    ------
    AlledgeError
        If it fails.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace",
            timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise AlledgeError(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise AlledgeError(
            f"`{' '.join(command)}` failed: {said[-1] if said else f'code {done.returncode}'}",
            fix=f"journalctl -u {NAME}" if command[0] == "systemctl" else None,
        )


def _user_exists(name: str) -> bool:
    import importlib

    try:
        importlib.import_module("pwd").getpwnam(name)
    except KeyError:
        return False
    return True
