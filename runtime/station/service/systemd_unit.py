"""The systemd unit of a workstation: own user, read-only system, nothing that it does not need."""

from __future__ import annotations

from pathlib import PurePath

from ....errors import UsageError
from .types import MARK, NAME, ServicePlan

UNIT = f"/etc/systemd/system/{NAME}.service"
ENVIRONMENT = "/etc/alledge/station.env"  # secrets: read by systemd, not by the user of the service
HOME = f"/var/lib/{NAME}"
USER = "alledge"

# MemoryDenyWriteExecute is not among them: engines compile code at run time. Neither is
# ProcSubset=pid: the number of cores and the memory are read from /proc.
HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
PrivateIPC=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077"""
CAMERA = """\
PrivateDevices=no
DevicePolicy=closed
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw
SupplementaryGroups=video"""
LOCAL = """\
IPAddressDeny=any
IPAddressAllow=localhost"""


def systemd_unit(plan: ServicePlan) -> str:
    """Return the unit of a service.

    Parameters
    ----------
    plan : ServicePlan

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If an argument has a line break.
    """
    cache = _quoted(f"ALLEDGE_CACHE={plan.home / 'cache'}")
    lines = [
        f"# {MARK}.",
        "[Unit]",
        "Description=alledge workstation",
        "After=network.target remote-fs.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"User={plan.user}",
        f"ExecStart={' '.join(map(_argument, (*plan.command, *plan.arguments)))}",
        f"Environment={cache}",
        f"EnvironmentFile=-{ENVIRONMENT}",
        "Restart=always",
        "RestartSec=5",
        "TimeoutStopSec=20",
        "SuccessExitStatus=143",
        *_folders(plan),
        HARDENING,
        f"ProtectHome={'read-only' if _uses_home(plan) else 'yes'}",
        CAMERA if plan.has_camera else "PrivateDevices=yes",
        *([LOCAL] if plan.is_local else []),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _folders(plan: ServicePlan) -> list[str]:
    lines = [f"ReadWritePaths={_quoted(str(path))}" for path in plan.written]
    if str(plan.home) == HOME:
        return [f"StateDirectory={NAME}", "StateDirectoryMode=0700", *lines]
    return [f"ReadWritePaths={_quoted(str(plan.home))}", *lines]


def _uses_home(plan: ServicePlan) -> bool:
    paths = map(PurePath, (*plan.command[:1], *plan.arguments, *plan.folders))
    return any(path.parts[:2] in (("/", "home"), ("/", "root")) for path in paths)


def _argument(word: str) -> str:
    """Return a word of a command line; ``$`` would name a variable there."""
    return _quoted(word).replace("$", "$$")


def _quoted(word: str) -> str:
    """Return a word as systemd reads it back; ``%`` would name a specifier."""
    if "\n" in word or "\r" in word:
        raise UsageError(f"{word!r} has a line break, which a unit cannot have")
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        word = word.replace(sign, escaped)
    return f'"{word}"'
