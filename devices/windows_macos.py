"""Description of a Windows or macOS machine by the system's own calls; standard library only."""

from __future__ import annotations

import ctypes
import importlib
import platform
import subprocess
import sys
from typing import Any

from ..runtime.machine import count_windows_cores
from .types import SystemDescription

SYSCTL_TIMEOUT_S = 5
MIB = 2**20

# Numbers of IsProcessorFeaturePresent (winnt.h), by the names that Linux uses.
WINDOWS_FEATURES = {
    "sse4_1": 37,
    "sse4_2": 38,
    "avx": 39,
    "avx2": 40,
    "avx512f": 41,
    "asimd": 19,
    "asimddp": 43,
}

# sysctl names of macOS, by the names that Linux uses.
APPLE_FEATURES = {
    "asimd": "hw.optional.neon",
    "asimdhp": "hw.optional.arm.FEAT_FP16",
    "asimddp": "hw.optional.arm.FEAT_DotProd",
    "i8mm": "hw.optional.arm.FEAT_I8MM",
    "bf16": "hw.optional.arm.FEAT_BF16",
    "avx2": "hw.optional.avx2_0",
}


def describe_system() -> SystemDescription:
    """Return what Windows or macOS reports about this machine; empty on Linux."""
    if sys.platform == "win32":
        return _describe_windows()
    if sys.platform == "darwin":
        return _describe_macos()
    return {}


def _describe_windows() -> SystemDescription:
    bios = "HARDWARE\\DESCRIPTION\\System\\BIOS"
    cpu = "HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0"
    vendor_and_product = [
        _registry(bios, name) for name in ("SystemManufacturer", "SystemProductName")
    ]
    windll = getattr(ctypes, "windll", None)
    flags: list[str] = []
    if windll is not None:
        is_present = windll.kernel32.IsProcessorFeaturePresent
        flags = sorted(name for name, number in WINDOWS_FEATURES.items() if is_present(number))
    return {
        "board": " ".join(part for part in vendor_and_product if part) or None,
        "cpu": _registry(cpu, "ProcessorNameString"),
        "flags": flags,
        "cores_physical": count_windows_cores(),
        "memory_mib": windows_memory_mib(windll),
        "os": f"Windows {platform.release()} {platform.version()}",
    }


def _registry(key: str, name: str) -> str | None:
    try:
        winreg: Any = importlib.import_module("winreg")
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return str(winreg.QueryValueEx(opened, name)[0]).strip() or None
    except (ImportError, OSError):
        return None


def windows_memory_mib(windll: Any) -> float | None:
    """Return the memory of a Windows machine in MiB, None if the call fails."""
    if windll is None:
        return None
    status = (ctypes.c_ulonglong * 8)()  # MEMORYSTATUSEX: two 32-bit fields, then seven of 64
    ctypes.cast(status, ctypes.POINTER(ctypes.c_ulong))[0] = ctypes.sizeof(status)
    if not windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status[1]) / MIB


def _describe_macos() -> SystemDescription:
    memory, cores = _sysctl("hw.memsize"), _sysctl("hw.physicalcpu")
    return {
        "board": f"Apple {_sysctl('hw.model') or ''}".strip(),
        "cpu": _sysctl("machdep.cpu.brand_string"),
        "flags": sorted(name for name, key in APPLE_FEATURES.items() if _sysctl(key) == "1"),
        "cores_physical": int(cores) if cores and cores.isdigit() else None,
        "memory_mib": int(memory) / MIB if memory and memory.isdigit() else None,
        "os": f"macOS {platform.mac_ver()[0]}",
    }


def _sysctl(name: str) -> str | None:
    try:
        process = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SYSCTL_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip() or None
