"""Description of the machine this runs on; imports the standard library and `runtime` only.

On Linux all values are read from files under a root folder. Tests replace it, by the parameter
`root` of each function. Windows and macOS are described by `windows_macos`. A value that the
system does not report is None.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from ..runtime import machine
from .types import MachineDescription
from .windows_macos import describe_system

ROOT = Path("/")
PACKAGES = (
    "alledge",
    "numpy",
    "pillow",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
)

# The instruction sets that decide how fast a network runs, as /proc/cpuinfo spells them.
X86_FLAGS = (
    "sse4_1 sse4_2 avx avx2 fma f16c avx_vnni avx512f avx512_vnni avx512vnni "
    "avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16"
)
ARM_FLAGS = "neon vfpv4 asimd asimdhp asimddp i8mm bf16 sve sve2 sme"
FLAGS = frozenset(f"{X86_FLAGS} {ARM_FLAGS}".split())

# Processor cores by implementer and part number (MIDR), from Linux' arch/arm64 cputype.h.
ARM_PARTS = {
    ("0x41", "0xc07"): "Cortex-A7",
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x4e", "0x003"): "Denver 2",
    ("0x4e", "0x004"): "Carmel",
}

# Files that an accelerator's driver creates, with the name of the accelerator.
DEVICE_FILES = {
    "dev/nvhost-gpu": "NVIDIA Tegra GPU",
    "dev/nvgpu/igpu0": "NVIDIA Tegra GPU",
    "proc/driver/nvidia/version": "NVIDIA GPU",
    "dev/apex_0": "Coral Edge TPU",
    "dev/hailo0": "Hailo",
    "dev/accel/accel0": "NPU",
}
PCI_GPUS = {"0x8086": "Intel GPU", "0x1002": "AMD GPU"}


def describe_machine(root: Path = ROOT, *, engines: bool = True) -> MachineDescription:
    """Return a description of this machine.

    Parameters
    ----------
    root : Path
        Folder that contains ``proc``, ``sys``, ``dev`` and ``etc``.
    engines : bool
        Whether to import ONNX Runtime, if it is installed, to list its execution providers.

    Returns
    -------
    MachineDescription
        JSON-safe. None means that the system does not report the value.

    Examples
    --------
    >>> describe_machine(engines=False)["arch"]  # doctest: +SKIP
    'aarch64'
    """
    other = describe_system() if root == ROOT else {}
    libc = " ".join(part for part in platform.libc_ver() if part)
    memory = other.get("memory_mib") or machine.memory_mib(root)
    physical, logical = count_cores(root)
    return {
        "board": other.get("board") or board_name(root),
        "arch": architecture(),
        "cpu": other.get("cpu") or cpu_name(root),
        "flags": other.get("flags") or cpu_flags(root),
        "cores_physical": other.get("cores_physical") or physical,
        "cores_logical": logical or os.cpu_count(),
        "cores_usable": machine.usable_cores(root),
        "quota_cores": machine.cpu_quota(root),
        "governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_mib": None if memory is None else round(memory, 1),
        "os": other.get("os") or os_name(root),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libc": libc or None,
        "versions": installed_versions(),
        "accelerators": accelerators(root),
        "providers": onnx_providers() if engines else None,
    }


def architecture() -> str:
    """Return the architecture of this Python, as Linux wheels name it."""
    name = platform.machine().lower()
    if name in ("aarch64", "arm64", "armv8l") and sys.maxsize < 2**32:
        return "armv7l"  # a 32-bit system on a 64-bit kernel
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def board_name(root: Path = ROOT) -> str | None:
    """Return the board's name from the device tree, or else from DMI. None if neither has it."""
    for file in ("proc/device-tree/model", "sys/firmware/devicetree/base/model"):
        if text := _read(root / file):
            return text
    dmi = root / "sys/class/dmi/id"
    parts = [_read(dmi / name) for name in ("sys_vendor", "product_name")]
    # Vendors that set no name leave "To be filled by O.E.M."
    names = [part for part in parts if part and "to be filled" not in part.lower()]
    return " ".join(names) or None


def cpu_name(root: Path = ROOT) -> str | None:
    """Return the processor's name; on Arm the names of its cores, in the order of their numbers."""
    rows = cpuinfo(root)
    for key in ("model name", "cpu model"):
        for row in rows:
            if row.get(key) and not row[key].startswith("ARMv"):
                return row[key]
    parts = [(row.get("CPU implementer", ""), row.get("CPU part", "")) for row in rows]
    names = [ARM_PARTS.get(part, f"Arm {'/'.join(part)}") for part in parts if all(part)]
    if names:
        return " + ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    return None if platform.system() == "Linux" else platform.processor() or None


def cpu_flags(root: Path = ROOT) -> list[str]:
    """Return those of `FLAGS` that every core has, sorted."""
    flags_by_core = [
        set((row.get("flags") or row.get("Features") or "").split())
        for row in cpuinfo(root)
        if "flags" in row or "Features" in row
    ]
    return sorted(set.intersection(*flags_by_core) & FLAGS) if flags_by_core else []


def count_cores(root: Path = ROOT) -> tuple[int | None, int | None]:
    """Return the numbers of physical and of logical cores of the whole machine."""
    numbers = [row["processor"] for row in cpuinfo(root) if row.get("processor", "").isdigit()]
    if not numbers:
        return None, None
    topology = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    cores = {_read(root / topology.format(number)) or number for number in numbers}
    return len(cores), len(numbers)


def cpuinfo(root: Path = ROOT) -> list[dict[str, str]]:
    """Return the blocks of /proc/cpuinfo, one per processor.

    Lines that describe the whole machine belong to the last block.
    """
    rows: list[dict[str, str]] = []
    for block in (_read(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        rows.append({key.strip(): value.strip() for key, colon, value in pairs if colon})
    return rows


def os_name(root: Path = ROOT) -> str:
    """Return the operating system's name and version."""
    for line in (_read(root / "etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return f"{platform.system()} {platform.release()}"


def accelerators(root: Path = ROOT) -> list[str]:
    """Return the accelerators whose drivers have created their files."""
    names = [name for file, name in DEVICE_FILES.items() if (root / file).exists()]
    for file in sorted((root / "sys/class/drm").glob("renderD*/device/vendor")):
        vendor = _read(file)
        if vendor in PCI_GPUS:
            names.append(PCI_GPUS[vendor])
    return list(dict.fromkeys(names))


def installed_versions() -> dict[str, str | None]:
    """Return the version of each of `PACKAGES`, None if it is not installed."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def onnx_providers() -> list[str] | None:
    """Return the execution providers of ONNX Runtime, None if it is not installed."""
    try:
        import onnxruntime
    except (ImportError, OSError):
        return None
    return [str(name) for name in onnxruntime.get_available_providers()]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n") or None
    except (OSError, ValueError):
        return None
