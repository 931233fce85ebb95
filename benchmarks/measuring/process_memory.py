"""The memory of this process, now and at its most; standard library only."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

MIB = 1 << 20


def memory_mib() -> tuple[float | None, float | None]:
    """Return the memory this process has now and had at its most.

    Returns
    -------
    (now, peak) : tuple of float or None
        MiB of physical memory; None where the system does not say.
    """
    if sys.platform == "win32":
        return _windows()
    found = {}
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):  # ru_maxrss would begin with the parent's
                found[name] = int(value.split()[0]) / 1024
    except (OSError, ValueError, IndexError):
        found = {}
    if not found:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return None, peak / (MIB if sys.platform == "darwin" else 1024)
    return found.get("VmRSS"), found.get("VmHWM")


def _windows() -> tuple[float | None, float | None]:
    """Ask ``GetProcessMemoryInfo``: working set, and its peak."""

    class Counters(ctypes.Structure):
        _fields_ = (
            ("cb", ctypes.c_ulong),
            ("faults", ctypes.c_ulong),
            ("peak", ctypes.c_size_t),
            ("now", ctypes.c_size_t),
            ("rest", ctypes.c_size_t * 6),
        )

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  (other systems have no windll)
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong)
    if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return None, None
    return counters.now / MIB, counters.peak / MIB
