"""What Windows and macOS say of their machine; the standard library only, nothing on Linux."""

from __future__ import annotations

import ctypes
import importlib
import platform
import subprocess
import sys
from typing import Any

from ..runtime.machine import count_windows_cores

SYSCTL_TIMEOUT_S = 5
MIB = 2**20

# winnt.h: numbers of IsProcessorFeaturePresent, by the names Linux gives the same thing.
WINDOWS_FEATURES = {
    "sse4_1": 37,
    "sse4_2": 38,
    "avx": 39,
    "avx2": 40,
    "avx512f": 41,
    "asimd": 19,
    "asimddp": 43,
}

# sysctl names of Apple silicon, likewise.
APPLE_FEATURES = {
    "asimd": "hw.optional.neon",
    "asimdhp": "hw.optional.arm.FEAT_FP16",
    "asimddp": "hw.optional.arm.FEAT_DotProd",
    "i8mm": "hw.optional.arm.FEAT_I8MM",
    "bf16": "hw.optional.arm.FEAT_BF16",
    "avx2": "hw.optional.avx2_0",
}


def describe() -> dict[str, Any]:
    """Return board, cpu, flags, cores_physical, memory_mib and os; empty on Linux."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return _macos()
    return {}


def _windows() -> dict[str, Any]:
    bios = "HARDWARE\\DESCRIPTION\\System\\BIOS"
    parts = [_registry(bios, name) for name in ("SystemManufacturer", "SystemProductName")]
    kernel = getattr(ctypes, "windll", None)
    flags: list[str] = []
    if kernel is not None:
        present = kernel.kernel32.IsProcessorFeaturePresent
        flags = sorted(name for name, number in WINDOWS_FEATURES.items() if present(number))
    return {
        "board": " ".join(part for part in parts if part) or None,
        "cpu": _registry(
            "HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0", "ProcessorNameString"
        ),
        "flags": flags,
        "cores_physical": count_windows_cores(),
        "memory_mib": windows_memory_mib(kernel),
        "os": f"Windows {platform.release()} {platform.version()}",
    }


def _registry(key: str, name: str) -> str | None:
    try:
        winreg: Any = importlib.import_module("winreg")
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return str(winreg.QueryValueEx(opened, name)[0]).strip() or None
    except (ImportError, OSError):
        return None


def windows_memory_mib(kernel: Any) -> float | None:
    """Return the memory of a Windows machine in MiB, None where it cannot be asked.

    Parameters
    ----------
    kernel : ctypes.windll or None
    """
    if kernel is None:
        return None
    status = (ctypes.c_ulonglong * 8)()  # MEMORYSTATUSEX: two 32-bit words, then seven of 64
    ctypes.cast(status, ctypes.POINTER(ctypes.c_ulong))[0] = ctypes.sizeof(status)
    if not kernel.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status[1]) / MIB


def _macos() -> dict[str, Any]:
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
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SYSCTL_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
