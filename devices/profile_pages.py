"""What `alledge devices list`, `show` and `detect` print: documents and pages for a person."""

from __future__ import annotations

from typing import Any

from ..runtime.backends import auto_order
from ..runtime.machine import SMALL_MIB
from .detection import describe_machine
from .profiles import Profile, choose, profiles, recognise

Json = dict[str, Any]


def device_document(profile: Profile) -> Json:
    """Return one profile as a document (schema ``device``).

    Parameters
    ----------
    profile : Profile
    """
    return {"schema": "alledge/device", "schema_version": 1, **profile.data}


def devices_document() -> Json:
    """Return every profile as one document (schema ``devices``)."""
    rows = [profile.data for profile in profiles().values()]
    return {"schema": "alledge/devices", "schema_version": 1, "devices": rows}


def list_text() -> str:
    """Return a line a board."""
    lines = [f"{'board':24}{'processor':22}{'int8':>6}{'memory':>11}  runs alledge"]
    for profile in profiles().values():
        cpu = f"{profile.cores} x {profile.data['cpu']['core']}"
        int8 = "fast" if profile.accelerates_int8 else "plain"
        says = "yes" if profile.runs else f"no: {profile.why}"
        lines.append(f"{profile.name:24}{cpu:22}{int8:>6}{profile.mib:>7.0f} MiB  {says}")
    return "\n".join([*lines, "", "sources of every number: alledge devices show NAME"])


def show_text(profile: Profile) -> str:
    """Return a page about one board.

    Parameters
    ----------
    profile : Profile
    """
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
    lines += [f"{name:14}{value:26}{sources[key]}" for name, value, key in rows]
    for image in profile.data["images"]:
        libc = f", glibc {image['glibc']}" if "glibc" in image else ""
        lines.append(f"{'system':14}{image['name']}: Python {image['python']}{libc}")
    for name, text in profile.data["wheels"].items():
        lines.append(f"{'wheels':14}{name}: {text}")
    for row in profile.data.get("accelerators", ()):
        lines.append(f"{'accelerator':14}{row['name']}: {row['use']}")
    if profile.note:
        lines.append(f"{'note':14}{profile.note}")
    verdict = (
        f"alledge pack --device {profile.name} --bundle BUNDLE --out {profile.name}.tar"
        if profile.runs
        else f"cannot run alledge: {profile.why}"
    )
    return "\n".join([*lines, "", verdict])


def detect_document() -> Json:
    """Return what this machine is and what to use on it (schema ``detect``)."""
    machine = describe_machine()
    profile = recognise(machine)
    return {
        "schema": "alledge/detect",
        "schema_version": 1,
        "device": profile.name if profile else None,
        "runs": profile.runs if profile else None,
        "machine": machine,
        "use": choose(machine, auto_order(), SMALL_MIB),
    }


def detect_text(document: Json) -> str:
    """Return the document as a page for a person.

    Parameters
    ----------
    document : dict
        As `detect_document` returns it.
    """
    machine, use = document["machine"], document["use"]
    quota = f", held to {machine['quota_cores']:g}" if machine["quota_cores"] else ""
    memory = "?" if machine["memory_mib"] is None else f"{machine['memory_mib']:.0f} MiB"
    engines = [
        f"{name} {version}"
        for name, version in machine["versions"].items()
        if version and name not in ("alledge", "numpy", "pillow")
    ]
    rows = [
        ("device", document["device"] or "no board that is known: alledge devices list"),
        ("board", machine["board"] or "it does not say"),
        ("processor", f"{machine['cpu'] or '?'} ({machine['arch']})"),
        ("cores", f"{machine['cores_physical']} of {machine['cores_logical']} threads{quota}"),
        ("instructions", " ".join(machine["flags"]) or "it does not say"),
        ("memory", memory),
        ("system", f"{machine['os']}, Python {machine['python']}, {machine['libc'] or 'no glibc'}"),
        ("accelerators", ", ".join(machine["accelerators"]) or "none"),
        ("engines", ", ".join(engines) or "none"),
    ]
    lines = [f"{name:14}{value}" for name, value in rows]
    lines += ["", f"use {use['backend']}, {use['precision']}, {use['threads']} threads"]
    return "\n".join([*lines, *(f"  {reason}" for reason in use["why"])])
