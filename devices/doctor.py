"""``alledge doctor``: what works on this machine, what is missing, and what to type.

Nothing is changed but an empty file written into the cache folder and removed again.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import AlledgeError
from ..runtime.backends import BACKENDS, installed_packages, load_backend
from ..runtime.bundle.bundle import Bundle
from ..runtime.bundle.signing import trusted_keys
from ..runtime.caches import cache_root
from ..runtime.machine import SMALL_MIB
from ..runtime.tflite_graph import operator_versions
from .detection import describe_machine, installed_versions
from .operator_support import nearest_probed_runtime, supported_versions, unsupported_operators
from .profiles import recognise

SCHEMA, SCHEMA_VERSION = "alledge/doctor", 1
OK, WARN, FAIL = "ok", "warn", "fail"
OLDEST_PYTHON = (3, 10)
LEAST_FREE_MIB = 300  # an installation takes up to 143; while it is replaced there are two
LEAST_MEMORY_MIB = 400
MIB = 2**20

Json = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
    status : {"ok", "warn", "fail"}
    found : str
    fix : str or None
        What to type or change; None where all is well.
    """

    what: str
    status: str
    found: str
    fix: str | None = None


def examine(bundle: Path | None = None) -> Json:
    """Return what was found on this machine, and with a bundle where one is named.

    Parameters
    ----------
    bundle : Path, optional

    Returns
    -------
    dict
        The document of `alledge doctor --json` (schema ``doctor``).
    """
    machine = describe_machine(engines=False)
    findings = [
        *_machine(machine),
        *_engines(machine),
        _cache(),
        _disk(Path(sys.prefix)),
        _keys(),
    ]
    if bundle is not None:
        findings += _bundle(bundle)
    statuses = {finding.status for finding in findings}
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "bundle": None if bundle is None else str(bundle),
        "verdict": FAIL if FAIL in statuses else WARN if WARN in statuses else OK,
        "findings": [asdict(finding) for finding in findings],
        "machine": machine,
    }


def _machine(machine: Json) -> list[Finding]:
    rows = []
    version = ".".join(map(str, OLDEST_PYTHON))
    old = sys.version_info < OLDEST_PYTHON
    fix = f"install Python {version} or later, and alledge with it" if old else None
    rows.append(Finding("Python", FAIL if old else OK, machine["python"], fix))
    profile = recognise(machine)
    if profile is not None and not profile.runs:
        rows.append(
            Finding("board", FAIL, f"{profile.title}: {profile.why}", "alledge devices list")
        )
    elif profile is not None:
        rows.append(Finding("board", OK, f"{profile.title} (alledge devices show {profile.name})"))
    else:
        rows.append(Finding("board", OK, machine["board"] or "none that is known"))
    flags = set(machine["flags"])
    text = " ".join(machine["flags"]) or "the system does not say"
    plain = machine["arch"] == "x86_64" and bool(flags) and "avx2" not in flags
    fix = "expect several times the time of a newer processor; int8 helps most" if plain else None
    rows.append(Finding("instructions", WARN if plain else OK, text, fix))
    rows.append(_memory(machine["memory_mib"]))
    return [*rows, _quota(machine)]


def _memory(amount: float | None) -> Finding:
    if amount is None:
        return Finding("memory", OK, "the system does not say")
    if amount < LEAST_MEMORY_MIB:
        return Finding(
            *("memory", WARN, f"{amount:.0f} MiB"),
            "take an int8 bundle of mobilenetv2, and close what else runs",
        )
    small = ": memory is spared at the price of speed" if amount < SMALL_MIB else ""
    return Finding("memory", OK, f"{amount:.0f} MiB{small}")


def _quota(machine: Json) -> Finding:
    quota, cores = machine["quota_cores"], machine["cores_physical"]
    if quota is None:
        return Finding("cgroup", OK, f"no CPU limit; {machine['cores_usable']} cores to use")
    if cores and quota < cores:
        return Finding(
            *("cgroup", WARN, f"this container may use {quota:g} of {cores} cores"),
            f"more: docker run --cpus {cores}; alledge keeps to the limit by itself",
        )
    return Finding("cgroup", OK, f"{quota:g} cores allowed")


def _engines(machine: Json) -> list[Finding]:
    rows = []
    any_here = any(installed_packages(name) for name in BACKENDS)
    for name, row in BACKENDS.items():
        packages = dict(row.packages)
        here = installed_packages(name)
        if here:
            package, versions = packages[here[0]], machine["versions"]
            version = versions.get(package) or versions.get(f"{package}-gpu")
            rows.append(Finding(f"engine {name}", OK, f"{package} {version or '?'}"))
        else:
            fix = f'pip install "alledge[{row.extra}]"'
            rows.append(Finding(f"engine {name}", OK if any_here else FAIL, "not installed", fix))
    numpy = machine["versions"]["numpy"] or "?"
    if installed_packages("tflite") == ["tflite_runtime"] and not numpy.startswith("1."):
        rows.append(
            Finding("numpy", FAIL, f"{numpy}, and tflite-runtime needs 1", 'pip install "numpy<2"')
        )
    return rows


def _cache() -> Finding:
    root = cache_root()
    if root is None:
        return Finding("cache", OK, "none is wanted: openvino compiles at every start")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        fix = "set ALLEDGE_CACHE to a folder that can be written; openvino starts faster then"
        return Finding("cache", WARN, f"{root}: {error.strerror}", fix)
    return Finding("cache", OK, str(root))


def _disk(place: Path) -> Finding:
    free = shutil.disk_usage(place).free / MIB
    if free < LEAST_FREE_MIB:
        return Finding(
            "disk", WARN, f"{free:.0f} MiB free", f"free {LEAST_FREE_MIB} MiB at {place}"
        )
    return Finding("disk", OK, f"{free:.0f} MiB free")


def _keys() -> Finding:
    try:
        keys = trusted_keys()
    except AlledgeError as error:
        return Finding("trusted keys", FAIL, error.what, error.fix)
    if not keys:
        return Finding("trusted keys", OK, "none: bundles need no signature here")
    return Finding("trusted keys", OK, f"only bundles signed by {', '.join(keys)}")


def _bundle(path: Path) -> list[Finding]:
    try:
        bundle = Bundle.open(path)
        bundle.check()
    except AlledgeError as error:
        return [Finding("bundle", FAIL, error.what, error.fix)]
    rows = [
        Finding("bundle", OK, f"{bundle.name}: {len(bundle.record['files'])} files as exported")
    ]
    for name, made in bundle.formats.items():
        file = bundle.path / made.file
        if name == "tflite":
            rows += _opcodes(file)
        if not installed_packages(name):
            fix = f'pip install "alledge[{BACKENDS[name].extra}]"'
            rows.append(Finding(f"loading {made.file}", OK, f"no engine for {name} here", fix))
            continue
        try:
            backend = load_backend(name, file, threads=1)
            rows.append(Finding(f"loading {made.file}", OK, f"loads on {backend.engine}"))
            backend.close()
        except AlledgeError as error:
            rows.append(Finding(f"loading {made.file}", FAIL, error.what, error.fix))
    return rows


def _opcodes(file: Path) -> list[Finding]:
    """Compare a model's operator versions with what each runtime that was asked knows."""
    try:
        used = operator_versions(file)
    except AlledgeError as error:
        return [Finding("operators", FAIL, error.what, error.fix)]
    here = _tflite_engine()
    known = supported_versions()
    like = nearest_probed_runtime(*here, known) if here else None
    rows = []
    for engine, row in known.items():
        installed = " ".join(here) if here and engine == like else None
        what = f"operators on {engine}"
        if installed and installed != engine:
            what += f" (here {installed.rpartition(' ')[2]})"
        missing = unsupported_operators(used, row)
        if not missing:
            rows.append(Finding(what, OK, f"{len(used)} kinds, all known"))
            continue
        text = ", ".join(
            f"{name} version {wanted} (it knows {newest or 'none'})"
            for name, (wanted, newest) in missing.items()
        )
        fix = 'pip install "ai-edge-litert>=2" on that machine, or export with --int8: only '
        fix += "dynamic-range models need such versions"
        # a newer one than was asked may know more: loading tells
        rows.append(Finding(what, FAIL if installed == engine else WARN, text, fix))
    return rows


def _tflite_engine() -> tuple[str, str] | None:
    """Return package and version of the TFLite runtime that would run here."""
    packages = installed_packages("tflite")
    name = packages[0].replace("_", "-") if packages else ""
    version = installed_versions().get(name)
    return (name, version) if version else None


def doctor_text(document: Json) -> str:
    """Return the document as a page for a person.

    Parameters
    ----------
    document : dict
        As `examine` returns it.
    """
    lines = []
    for row in document["findings"]:
        lines.append(f"{row['status']:5} {row['what']:30} {row['found']}")
        if row["fix"]:
            lines.append(f"{'':36} fix: {row['fix']}")
    said = {
        OK: "all well",
        WARN: "works, with what is marked warn",
        FAIL: "something does not work: see fail",
    }
    return "\n".join([*lines, "", said[document["verdict"]]])
