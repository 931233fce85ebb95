"""Memory of a process: what it uses now, and the most it has used.

Imports only the standard library for the own process; `psutil` is needed for another process on
Windows and macOS.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

MIB = 1 << 20
KIB_PER_MIB = 1024


def current_mib(pid: int | None = None) -> float | None:
    """Return the physical memory that a process uses, in MiB.

    Parameters
    ----------
    pid : int, optional
        Another process that still runs. This process by default.

    Returns
    -------
    float or None
        None if the process has ended. None for this process on macOS, where the standard library
        cannot read it.
    """
    if sys.platform == "linux":
        return _linux_status("VmRSS", pid)
    if pid is not None:
        return _psutil_memory(pid, "rss")
    return _windows_counters()[0] if sys.platform == "win32" else None


def peak_mib(pid: int | None = None) -> float | None:
    """Return the most physical memory that a process has used so far, in MiB.

    Parameters
    ----------
    pid : int, optional
        Another process that still runs. This process by default.

    Returns
    -------
    float or None
        None if the process has ended, or if the system does not report the value.

    Notes
    -----
    On Linux the value is ``VmHWM``, not ``ru_maxrss``: a child process inherits ``ru_maxrss``
    from its parent through ``exec``. For another process on macOS the value is its current
    memory, because macOS reports no peak of another process.

    Examples
    --------
    >>> peak_mib() > 1
    True
    """
    if sys.platform == "linux":
        return _linux_status("VmHWM", pid)
    if pid is not None:
        return _psutil_memory(pid, "peak_wset")
    if sys.platform == "win32":
        return _windows_counters()[1]
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else KIB_PER_MIB)


def return_free_memory() -> None:
    """Give memory that this process has freed back to the system, where the C library can."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):  # glibc
        library.malloc_trim(0)


def _linux_status(field: str, pid: int | None) -> float | None:
    """Return a memory field of ``/proc/PID/status`` in MiB."""
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii").splitlines()
        values = dict(line.split(":", 1) for line in lines)
        return int(values[field].split()[0]) / KIB_PER_MIB
    except (OSError, ValueError, LookupError):  # a process that has ended has no such field
        return None


def _psutil_memory(pid: int, field: str) -> float | None:
    """Return a memory field of another process in MiB; its current memory if it has none such."""
    import psutil

    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return None
    return float(getattr(memory, field, memory.rss)) / MIB


def _windows_counters() -> tuple[float | None, float | None]:
    """Return the working set of this process and its peak, from ``GetProcessMemoryInfo``."""

    class Counters(ctypes.Structure):
        """The fields of ``PROCESS_MEMORY_COUNTERS``."""

        _fields_ = (
            ("cb", ctypes.c_ulong),
            ("page_fault_count", ctypes.c_ulong),
            ("peak_working_set_size", ctypes.c_size_t),
            ("working_set_size", ctypes.c_size_t),
            ("other", ctypes.c_size_t * 6),
        )

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  (other systems have no windll)
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    get_info = kernel.K32GetProcessMemoryInfo
    get_info.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong)
    if not get_info(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return None, None
    return counters.working_set_size / MIB, counters.peak_working_set_size / MIB
