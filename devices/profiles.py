"""Profiles of boards and machines: one TOML file each, read when they are first needed."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..errors import unknown_name

# tomli became tomllib in Python 3.11.
TOML_PARSER = "tomllib" if sys.version_info >= (3, 11) else "tomli"

SYSTEMS = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}
# Instruction sets that multiply int8 values and add them up in int32 in one instruction.
INT8_DOT_PRODUCT = {"avx_vnni", "avx512_vnni", "avx512vnni", "amx_int8", "asimddp", "i8mm"}


@dataclass(frozen=True)
class Profile:
    """A board or machine.

    Parameters
    ----------
    name : str
    title : str
    system : {"linux", "windows", "macos"}
    runs : bool
        Whether alledge runs on the board as it is sold.
    why : str or None
        The reason why it does not run.
    note : str or None
    arch : str
        As Linux wheels name it.
    cores : int
    ghz : float
        Clock while all cores are busy.
    f32_flops_per_cycle, int8_ops_per_cycle : float
        Peak rate of one core. A multiply-add counts as two operations.
    flags : tuple of str
        Instruction sets, as /proc/cpuinfo spells them.
    mib : float
        Memory of the smallest common version, in MiB.
    gb_per_s : float
        Peak memory bandwidth in 1e9 bytes per second.
    data : dict
        Content of the TOML file.
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
        """Return a profile from the content of its file.

        Parameters
        ----------
        data : dict
            As in ``runtime/schemas/device.json``.
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
        """Return the peak arithmetic rate in 1e9 operations per second.

        A multiply-add counts as two operations.

        Parameters
        ----------
        precision : str
            ``"int8"``. Every other value means float32 arithmetic.
        threads : int, optional
            By default one for each core.
        """
        rate = self.int8_ops_per_cycle if precision == "int8" else self.f32_flops_per_cycle
        return min(threads or self.cores, self.cores) * self.ghz * rate

    @property
    def accelerates_int8(self) -> bool:
        """Whether one instruction multiplies int8 values and adds them up in int32."""
        return bool(INT8_DOT_PRODUCT & set(self.flags))


@cache
def profiles() -> dict[str, Profile]:
    """Return all profiles by their names."""
    by_name = {}
    parse = importlib.import_module(TOML_PARSER).loads
    folder = resources.files(__package__).joinpath("profiles")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            profile = Profile.from_data(parse(file.read_text(encoding="utf-8")))
            by_name[profile.name] = profile
    return by_name


def get_profile(name: str) -> Profile:
    """Return one profile.

    Raises
    ------
    UsageError
        If there is no profile of this name. The message suggests the nearest name.
    """
    if name not in profiles():
        raise unknown_name("device", name, profiles())
    return profiles()[name]


def recognise(machine: Mapping[str, Any], system: str | None = None) -> Profile | None:
    """Return the profile of a machine, None if no profile matches.

    Parameters
    ----------
    machine : mapping
        As `detection.describe_machine` returns it.
    system : str, optional
        As `Profile.system`. By default the system of this machine.

    Notes
    -----
    A profile matches if one of its texts is part of the board's or the processor's name. The
    longest matching text wins. A profile on which alledge cannot run also matches by the
    architecture alone (32-bit Arm).
    """
    system = system or SYSTEMS.get(platform.system(), "linux")
    matches = [
        (length, profile)
        for profile in profiles().values()
        if profile.system == system
        for length in _lengths_of_matches(profile, machine)
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None


def _lengths_of_matches(profile: Profile, machine: Mapping[str, Any]) -> Iterator[int]:
    """Yield the length of each text by which a profile matches; 0 for the architecture."""
    texts = profile.data["recognise"]
    is_named_arch = machine["arch"] in texts.get("arch", ())
    if profile.arch != machine["arch"] and not is_named_arch:
        return
    for key in ("board", "cpu"):
        name = (machine.get(key) or "").lower()
        yield from (len(text) for text in texts.get(key, ()) if text.lower() in name)
    if is_named_arch and not profile.runs:
        yield 0
