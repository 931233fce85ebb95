"""What is known of boards and machines, as rows of data: one TOML file each, read on demand."""

from __future__ import annotations

import importlib
import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..errors import unknown_name

# the same parser, under the name it had before it joined Python
TOML_PARSER = "tomllib" if sys.version_info >= (3, 11) else "tomli"

SYSTEMS = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}
VNNI = {"avx_vnni", "avx512_vnni", "avx512vnni", "amx_int8", "asimddp", "i8mm"}
GPU_PROVIDERS = {"CUDAExecutionProvider", "TensorrtExecutionProvider"}


@dataclass(frozen=True)
class Profile:
    """A board or machine.

    Parameters
    ----------
    name : str
    title : str
    system : {"linux", "windows", "macos"}
    runs : bool
        Whether alledge can run on it as it is sold.
    why : str or None
        Why it cannot.
    note : str or None
    arch : str
        As Linux wheels name it.
    cores : int
    ghz : float
        With all cores at work.
    f32_flops_per_cycle, int8_ops_per_cycle : float
        Peak of one core; a multiply-add is two.
    flags : tuple of str
        Instruction sets, as /proc/cpuinfo spells them.
    mib : float
        Memory of the least that is usual.
    gb_per_s : float
        Peak memory bandwidth, 1e9 bytes.
    data : dict
        All of the file.
    """

    name: str
    title: str
    system: str
    runs: bool
    why: str | None
    note: str | None
    arch: str
    cores: int
    ghz: float
    f32_flops_per_cycle: float
    int8_ops_per_cycle: float
    flags: tuple[str, ...]
    mib: float
    gb_per_s: float
    data: dict[str, Any]

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Profile:
        """Return the profile that a file's tables describe.

        Parameters
        ----------
        data : dict
            As ``runtime/schemas/device.json`` has it.
        """
        cpu, memory = data["cpu"], data["memory"]
        return cls(
            name=data["name"],
            title=data["title"],
            system=data["system"],
            runs=data["runs"],
            why=data.get("why"),
            note=data.get("note"),
            arch=cpu["arch"],
            cores=cpu["cores"],
            ghz=float(cpu["ghz"]),
            f32_flops_per_cycle=float(cpu["f32_flops_per_cycle"]),
            int8_ops_per_cycle=float(cpu["int8_ops_per_cycle"]),
            flags=tuple(cpu["flags"]),
            mib=float(memory["mib"]),
            gb_per_s=float(memory["gb_per_s"]),
            data=data,
        )

    def gops(self, precision: str, threads: int | None = None) -> float:
        """Return the peak arithmetic rate, 1e9 operations a second; a multiply-add is two.

        Parameters
        ----------
        precision : str
            ``"int8"``, or any other for float arithmetic.
        threads : int, optional
            All cores where not given.
        """
        rate = self.int8_ops_per_cycle if precision == "int8" else self.f32_flops_per_cycle
        return min(threads or self.cores, self.cores) * self.ghz * rate

    @property
    def accelerates_int8(self) -> bool:
        """Whether the cores multiply int8 into int32 in one instruction."""
        return bool(VNNI & set(self.flags))


@cache
def profiles() -> dict[str, Profile]:
    """Return every profile, by name."""
    made = {}
    parse = importlib.import_module(TOML_PARSER).loads
    folder = resources.files(__package__).joinpath("profiles")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            profile = Profile.from_data(parse(file.read_text(encoding="utf-8")))
            made[profile.name] = profile
    return made


def get_profile(name: str) -> Profile:
    """Return one profile.

    Parameters
    ----------
    name : str

    Raises
    ------
    UsageError
        If there is none of that name; names the nearest.
    """
    if name not in profiles():
        raise unknown_name("device", name, profiles())
    return profiles()[name]


def recognise(machine: dict[str, Any], system: str | None = None) -> Profile | None:
    """Return the profile of a machine, None where none is certain.

    Parameters
    ----------
    machine : dict
        As `detection.describe_machine` returns it.
    system : str, optional
        As `Profile.system`; of this machine where not given.

    Notes
    -----
    A profile is recognised by the board, else by the processor; the architecture alone says
    something only where nothing else can run there (32-bit Arm). Among the boards whose text
    is found, the longest text wins: "Jetson Orin Nano" is no "Jetson Nano".
    """
    system = system or SYSTEMS.get(platform.system(), "linux")
    found: list[tuple[int, Profile]] = []
    for profile in profiles().values():
        wanted = profile.data["recognise"]
        if profile.system != system or (
            profile.arch != machine["arch"] and machine["arch"] not in wanted.get("arch", ())
        ):
            continue
        for key in ("board", "cpu"):
            said = (machine.get(key) or "").lower()
            found += [(len(text), profile) for text in wanted.get(key, ()) if text.lower() in said]
        if not profile.runs and machine["arch"] in wanted.get("arch", ()):
            found.append((0, profile))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def choose(machine: dict[str, Any], backends: list[str], small_mib: float) -> dict[str, Any]:
    """Return the backend, precision and threads for a machine, and why.

    Parameters
    ----------
    machine : dict
        As `detection.describe_machine` returns it.
    backends : list of str
        The engines installed (or that could be), in the order they are preferred.
    small_mib : float
        Below this much memory, memory decides.

    Returns
    -------
    dict
        backend (None where there is none), precision, threads, why (list of str).
    """
    flags, provider = set(machine["flags"]), sorted(GPU_PROVIDERS & set(machine["providers"] or ()))
    why = []
    backend = backends[0] if backends else None
    if provider and "onnx" in backends:
        backend = "onnx"
        why.append(f"the installed ONNX Runtime offers {', '.join(provider)}: --backend onnx")
    elif any("NVIDIA" in name for name in machine["accelerators"]):
        why.append("a GPU is here, but no installed ONNX Runtime offers it: the CPU computes")
    if backend is None:
        why.append("no engine is installed")
    elif not provider:
        why.append(f"{backend}: the first installed engine in the order measured")
    gpu = bool(provider) and backend == "onnx"
    precision, reason = _precision(machine, flags, small_mib, backend, gpu=gpu)
    quota, threads = machine["quota_cores"], machine["cores_usable"]
    why.append(f"{precision}: {reason}")
    why.append(f"{threads} threads: " + ("the container's quota" if quota else "physical cores"))
    return {"backend": backend, "precision": precision, "threads": threads, "why": why}


def _precision(
    machine: dict[str, Any], flags: set[str], small_mib: float, backend: str | None, *, gpu: bool
) -> tuple[str, str]:
    """Return the precision for a machine and its backend, and why."""
    versions, memory = machine.get("versions", {}), machine["memory_mib"]
    if gpu:
        return "float16", "what a GPU computes fastest of the precisions that need no calibration"
    old = versions.get("tflite-runtime") and not versions.get("ai-edge-litert")
    if backend == "tflite" and old and machine["arch"] == "x86_64":
        return "float32", "tflite-runtime does not accelerate int8 on x86"
    if fast := sorted(flags & VNNI):
        return "int8", f"{', '.join(fast)} multiplies int8 in one instruction"
    if memory is not None and memory < small_mib:
        return "int8", f"only {memory:.0f} MiB of memory, and it takes a quarter"
    return "int8", "smaller, and no slower here, though no instruction is made for it"
