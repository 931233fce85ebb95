"""JSON documents and text pages of `alledge devices list`, `show` and `detect`."""

from __future__ import annotations

from typing import Any

from ..runtime.backends import auto_order
from ..runtime.machine import SMALL_MIB
from .detection import describe_machine
from .engine_choice import choose_engine
from .profiles import Profile, profiles, recognise
from .types import DetectDocument

NOT_ENGINES = ("alledge", "numpy", "pillow")


def device_document(profile: Profile) -> dict[str, Any]:
    """Return the JSON document of one profile (schema ``device``)."""
    return {"schema": "alledge/device", "schema_version": 1, **profile.data}


def devices_document() -> dict[str, Any]:
    """Return the JSON document of all profiles (schema ``devices``)."""
    rows = [profile.data for profile in profiles().values()]
    return {"schema": "alledge/devices", "schema_version": 1, "devices": rows}


def list_text() -> str:
    """Return a table with one line for each profile."""
    lines = [f"{'board':24}{'processor':22}{'int8':>6}{'memory':>11}  runs alledge"]
    for profile in profiles().values():
        cpu = f"{profile.cores} x {profile.data['cpu']['core']}"
        int8 = "fast" if profile.accelerates_int8 else "plain"
        runs = "yes" if profile.runs else f"no: {profile.why}"
        lines.append(f"{profile.name:24}{cpu:22}{int8:>6}{profile.mib:>7.0f} MiB  {runs}")
    return "\n".join([*lines, "", "sources of every number: alledge devices show NAME"])


def show_text(profile: Profile) -> str:
    """Return the page of one profile: every number with its source."""
    sources, cpu = profile.data["sources"], profile.data["cpu"]
    rows = [
        ("cores", f"{profile.cores} x {cpu['core']} ({profile.arch})", "cpu.cores"),
        ("clock", f"{profile.ghz:g} GHz", "cpu.ghz"),
        ("peak float32", f"{profile.gops('float32'):.0f} GFLOP/s", "cpu.f32_flops_per_cycle"),
        ("peak int8", f"{profile.gops('int8'):.0f} GOP/s", "cpu.int8_ops_per_cycle"),
        ("memory", f"{profile.mib:.0f} MiB", "memory.mib"),
        ("bandwidth", f"{profile.gb_per_s:g} GB/s", "memory.gb_per_s"),
    ]
    lines = [profile.title, ""]
    lines += [f"{label:14}{value:26}{sources[key]}" for label, value, key in rows]
    for image in profile.data["images"]:
        libc = f", glibc {image['glibc']}" if "glibc" in image else ""
        lines.append(f"{'system':14}{image['name']}: Python {image['python']}{libc}")
    for name, text in profile.data["wheels"].items():
        lines.append(f"{'wheels':14}{name}: {text}")
    for row in profile.data.get("accelerators", ()):
        lines.append(f"{'accelerator':14}{row['name']}: {row['use']}")
    if profile.note:
        lines.append(f"{'note':14}{profile.note}")
    name = profile.name
    conclusion = (
        f"alledge pack --device {name} --bundle BUNDLE --out {name}.tar"
        if profile.runs
        else f"cannot run alledge: {profile.why}"
    )
    return "\n".join([*lines, "", conclusion])


def detect_document() -> DetectDocument:
    """Return the description of this machine and the engine for it (schema ``detect``)."""
    machine = describe_machine()
    profile = recognise(machine)
    return {
        "schema": "alledge/detect",
        "schema_version": 1,
        "device": profile.name if profile else None,
        "runs": profile.runs if profile else None,
        "machine": machine,
        "use": choose_engine(machine, auto_order(), SMALL_MIB),
    }


def detect_text(document: DetectDocument) -> str:
    """Return the text page of a `detect_document`."""
    machine, use = document["machine"], document["use"]
    quota = machine["quota_cores"]
    limit = "" if quota is None else f", limited to {quota:g}"
    memory = "?" if machine["memory_mib"] is None else f"{machine['memory_mib']:.0f} MiB"
    engines = [
        f"{name} {version}"
        for name, version in machine["versions"].items()
        if version and name not in NOT_ENGINES
    ]
    libc = machine["libc"] or "no glibc"
    rows = [
        ("device", document["device"] or "unknown (known boards: alledge devices list)"),
        ("board", machine["board"] or "not reported"),
        ("processor", f"{machine['cpu'] or '?'} ({machine['arch']})"),
        ("cores", f"{machine['cores_physical']} of {machine['cores_logical']} threads{limit}"),
        ("instructions", " ".join(machine["flags"]) or "not reported"),
        ("memory", memory),
        ("system", f"{machine['os']}, Python {machine['python']}, {libc}"),
        ("accelerators", ", ".join(machine["accelerators"]) or "none"),
        ("engines", ", ".join(engines) or "none"),
    ]
    lines = [f"{name:14}{value}" for name, value in rows]
    lines += ["", f"use {use['backend']}, {use['precision']}, {use['threads']} threads"]
    return "\n".join([*lines, *(f"  {reason}" for reason in use["why"])])
