"""Write the /proc and /sys files of boards, as those boards have them."""

from __future__ import annotations

from pathlib import Path

ARM_BLOCK = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: {implementer}
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: {part}
CPU revision\t: 1
"""

X86_BLOCK = """processor\t: {number}
vendor_id\t: GenuineIntel
model name\t: {name}
flags\t\t: {flags}
"""

A53 = "fp asimd evtstrm crc32 cpuid"
A76 = "fp asimd evtstrm aes pmull crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc asimddp"
N100 = "fpu sse4_1 sse4_2 avx f16c fma avx2 avx_vnni"
AVX512 = "fpu sse4_1 sse4_2 avx f16c fma avx2 avx512f avx512_vnni"


def put(root: Path, name: str, text: str) -> None:
    """Write one file of the tree."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def arm(
    root: Path,
    model: str,
    part: str,
    features: str,
    *,
    cores: int = 4,
    implementer: str = "0x41",
    memory_mib: int = 8192,
) -> Path:
    """Write an Arm board: device tree, cpuinfo and meminfo."""
    blocks = [
        ARM_BLOCK.format(number=number, features=features, implementer=implementer, part=part)
        for number in range(cores)
    ]
    put(root, "proc/cpuinfo", "\n".join([*blocks, f"Revision\t: c04170\nModel\t\t: {model}\n"]))
    put(root, "proc/device-tree/model", model + "\0")
    put(root, "proc/meminfo", f"MemTotal:       {memory_mib * 1024} kB\n")
    put(root, "etc/os-release", 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    return root


def pc(
    root: Path,
    vendor: str,
    product: str,
    name: str,
    flags: str,
    *,
    cores: int = 4,
    hyperthreads: bool = False,
    memory_mib: int = 16384,
) -> Path:
    """Write an x86 machine: DMI, cpuinfo with topology, and meminfo."""
    count = cores * (2 if hyperthreads else 1)
    blocks = [X86_BLOCK.format(number=number, name=name, flags=flags) for number in range(count)]
    put(root, "proc/cpuinfo", "\n".join(blocks))
    for number in range(count):
        siblings = f"{number % cores},{number % cores + cores}" if hyperthreads else str(number)
        put(root, f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list", siblings)
    put(root, "sys/class/dmi/id/sys_vendor", vendor + "\n")
    put(root, "sys/class/dmi/id/product_name", product + "\n")
    put(root, "proc/meminfo", f"MemTotal:       {memory_mib * 1024} kB\n")
    return root
