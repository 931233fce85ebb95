"""The most memory a process ever had; the standard library, and psutil off Linux."""

from __future__ import annotations

import sys
from pathlib import Path

HIGH_WATER = "VmHWM:"
KIB_PER_MIB = 1024


def peak_mib(pid: int | None = None) -> int | None:
    """Return the most memory a process had so far, in MiB; None where it cannot be known.

    Parameters
    ----------
    pid : int, optional
        Of another process that still runs; this one where not given.

    Notes
    -----
    On Linux not `ru_maxrss`: that survives ``exec``, so that a child of a large process begins
    with its parent's peak. Of another process on macOS only what it has at the moment is told.
    """
    if sys.platform == "linux":
        return _high_water(pid)
    import psutil

    if pid is None and sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak >> 20 if sys.platform == "darwin" else peak >> 10)
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:  # it has ended
        return None
    return int(getattr(memory, "peak_wset", memory.rss) >> 20)


def _high_water(pid: int | None) -> int | None:
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # it has ended
        return None
    found = [line.split()[1] for line in lines if line.startswith(HIGH_WATER)]
    return int(found[0]) // KIB_PER_MIB if found else None
