"""``alledge doctor``: what works on this machine, what is missing, and what to type.

The checks change nothing, except that they create and remove files in the cache folder and in the
folder of temporary files.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import AlledgeError, MissingPackageError, UntrustedError
from ..runtime.backends import BACKENDS, installed_packages, load_backend
from ..runtime.bundle.builtin import builtin_folder
from ..runtime.bundle.bundle import Bundle
from ..runtime.bundle.record_file import RECORD
from ..runtime.bundle.signing import trusted_keys
from ..runtime.caches import cache_root
from ..runtime.imaging.readers import EXTRA_FIX
from ..runtime.machine import SMALL_MIB
from ..runtime.tflite_graph import operator_versions
from .detection import describe_machine, installed_versions
from .image_formats import REFUSED, image_formats
from .operator_support import (
    nearest_probed_runtime,
    says_unsupported,
    supported_versions,
    unsupported_operators,
)
from .profiles import recognise
from .types import DoctorDocument, FindingRow, MachineDescription, Status

SCHEMA, SCHEMA_VERSION = "alledge/doctor", 1
OK: Status = "ok"
WARN: Status = "warn"
FAIL: Status = "fail"
OLDEST_PYTHON = (3, 10)
MIN_FREE_MIB = 300  # an installation takes up to 143 MiB; an upgrade keeps the previous one
MIN_CACHE_MIB = 100  # for compiled models: openvino stores one for each bundle and setting
MIN_MEMORY_MIB = 400
MIB = 2**20

VERDICTS = {
    OK: "everything works",
    WARN: "alledge works; see the lines marked warn",
    FAIL: "something does not work; see the lines marked fail",
}
OPERATOR_FIX = (
    'pip install "ai-edge-litert>=2" on that machine, or export with --int8: only dynamic-range '
    "models need such versions"
)


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    what : str
        What was checked.
    status : {"ok", "warn", "fail"}
    found : str
        The result of the check, as text.
    fix : str or None
        What to type or to change. Present unless the status is ``"ok"``.
    """

    what: str
    status: Status
    found: str
    fix: str | None = None

    def row(self) -> FindingRow:
        """Return the finding as a row of the document."""
        return {"what": self.what, "status": self.status, "found": self.found, "fix": self.fix}


def examine(bundle: Path | None = None) -> DoctorDocument:
    """Check this machine, and a bundle if one is given.

    Returns
    -------
    DoctorDocument
        The document of `alledge doctor --json` (schema ``doctor``).
    """
    machine = describe_machine(engines=False)
    findings = [
        check_python(machine),
        check_board(machine),
        check_instructions(machine),
        check_memory(machine["memory_mib"]),
        check_cpu_limit(machine),
        *check_engines(machine),
        check_cache(),
        check_disk(Path(sys.prefix)),
        *check_cache_disk(),
        check_keys(),
        *check_service(),
        check_folder_events(),
        *check_formats(),
        check_builtin(),
    ]
    if bundle is not None:
        findings += check_bundle(bundle)
    statuses = {finding.status for finding in findings}
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "bundle": None if bundle is None else str(bundle),
        "verdict": FAIL if FAIL in statuses else WARN if WARN in statuses else OK,
        "findings": [finding.row() for finding in findings],
        "machine": machine,
    }


def check_python(machine: MachineDescription) -> Finding:
    """Check that this Python is not too old."""
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("Python", OK, machine["python"])
    oldest = ".".join(map(str, OLDEST_PYTHON))
    fix = f"install Python {oldest} or later, and alledge with it"
    return Finding("Python", FAIL, machine["python"], fix)


def check_board(machine: MachineDescription) -> Finding:
    """Check that the board, if it is known, can run alledge."""
    profile = recognise(machine)
    if profile is None:
        return Finding("board", OK, machine["board"] or "unknown")
    if not profile.runs:
        return Finding("board", FAIL, f"{profile.title}: {profile.why}", "alledge devices list")
    return Finding("board", OK, f"{profile.title} (alledge devices show {profile.name})")


def check_instructions(machine: MachineDescription) -> Finding:
    """Check that an x86 processor has AVX2, without which every engine is slow."""
    flags = machine["flags"]
    text = " ".join(flags) or "not reported"
    if machine["arch"] == "x86_64" and flags and "avx2" not in flags:
        fix = "expect several times the latency of a newer processor; int8 helps most"
        return Finding("instructions", WARN, text, fix)
    return Finding("instructions", OK, text)


def check_memory(memory_mib: float | None) -> Finding:
    """Check that there is enough memory."""
    if memory_mib is None:
        return Finding("memory", OK, "not reported")
    if memory_mib < MIN_MEMORY_MIB:
        fix = "use an int8 bundle of mobilenetv2, and close other programs"
        return Finding("memory", WARN, f"{memory_mib:.0f} MiB", fix)
    note = ": alledge saves memory and computes more slowly" if memory_mib < SMALL_MIB else ""
    return Finding("memory", OK, f"{memory_mib:.0f} MiB{note}")


def check_cpu_limit(machine: MachineDescription) -> Finding:
    """Check that a container may use all cores."""
    limit, cores = machine["quota_cores"], machine["cores_physical"]
    if limit is None:
        return Finding("cgroup", OK, f"no CPU limit; {machine['cores_usable']} usable cores")
    if cores and limit < cores:
        fix = f"for more: docker run --cpus {cores}; alledge adapts to the limit by itself"
        return Finding("cgroup", WARN, f"this container may use {limit:g} of {cores} cores", fix)
    return Finding("cgroup", OK, f"{limit:g} cores allowed")


def check_engines(machine: MachineDescription) -> list[Finding]:
    """Check which engines are installed, and that there is one."""
    findings = []
    versions = machine["versions"]
    any_installed = any(installed_packages(name) for name in BACKENDS)
    for name, backend in BACKENDS.items():
        modules = installed_packages(name)
        if modules:
            package = dict(backend.packages)[modules[0]]
            version = versions.get(package) or versions.get(f"{package}-gpu") or "?"
            findings.append(Finding(f"engine {name}", OK, f"{package} {version}"))
        else:
            fix = f'pip install "alledge[{backend.extra}]"'
            status = OK if any_installed else FAIL
            findings.append(Finding(f"engine {name}", status, "not installed", fix))
    numpy = versions["numpy"] or "?"
    if installed_packages("tflite") == ["tflite_runtime"] and not numpy.startswith("1."):
        text = f"{numpy}, but tflite-runtime needs numpy 1"
        findings.append(Finding("numpy", FAIL, text, 'pip install "numpy<2"'))
    return findings


def check_cache() -> Finding:
    """Check that the cache folder can be written, with a temporary file."""
    root = cache_root()
    if root is None:
        return Finding("cache", OK, "switched off: openvino compiles the model at every start")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        fix = "set ALLEDGE_CACHE to a folder that can be written; openvino starts faster then"
        return Finding("cache", WARN, f"{root}: {error.strerror}", fix)
    return Finding("cache", OK, str(root))


def check_disk(folder: Path) -> Finding:
    """Check that an upgrade fits on the disk of a folder."""
    free_mib = shutil.disk_usage(folder).free / MIB
    if free_mib < MIN_FREE_MIB:
        fix = f"free {MIN_FREE_MIB} MiB at {folder}"
        return Finding("disk", WARN, f"{free_mib:.0f} MiB free", fix)
    return Finding("disk", OK, f"{free_mib:.0f} MiB free")


def check_cache_disk() -> list[Finding]:
    """Check that compiled models fit on the disk of the cache folder."""
    root = cache_root()
    folder = None if root is None else existing_parent(root)
    if folder is None:
        return []
    free_mib = shutil.disk_usage(folder).free / MIB
    if free_mib < MIN_CACHE_MIB:
        fix = f"free {MIN_CACHE_MIB} MiB at {folder}, or set ALLEDGE_CACHE to a folder elsewhere"
        return [Finding("cache disk", WARN, f"{_amount(free_mib)} free at {root}", fix)]
    return [Finding("cache disk", OK, f"{_amount(free_mib)} free")]


def existing_parent(folder: Path) -> Path | None:
    """Return a folder, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), None)


def _amount(mib: float) -> str:
    """Return an amount of memory; below 10 MiB with one digit after the point."""
    return f"{mib:.1f} MiB" if mib < 10 else f"{mib:.0f} MiB"


def check_keys() -> Finding:
    """Check that the trusted keys can be read."""
    try:
        keys = trusted_keys()
    except AlledgeError as error:
        return Finding("trusted keys", FAIL, error.what, error.fix)
    if not keys:
        return Finding("trusted keys", OK, "none: bundles need no signature here")
    return Finding("trusted keys", OK, f"only bundles signed by {', '.join(keys)}")


def check_service() -> list[Finding]:
    """Check the workstation that runs as a service, if one is installed."""
    from ..runtime.station.service.checking import service_problems

    problems = service_problems()
    if problems is None:
        return [Finding("service", OK, "not installed (alledge station install)")]
    if not problems:
        return [Finding("service", OK, "runs, and starts with this machine")]
    return [Finding("service", FAIL, problem.what, problem.fix) for problem in problems]


def check_folder_events() -> Finding:
    """Check, with a file, that the operating system announces new files to `alledge watch`."""
    from ..runtime.station.watching.folder_events import MISSING, probe_events

    try:
        with tempfile.TemporaryDirectory(prefix="alledge-doctor-") as folder:
            reason = probe_events(Path(folder))
    except OSError as error:
        reason = error.strerror or str(error)
    if not reason:
        return Finding("folder events", OK, "new files are announced; folders are listed, too")
    fix = 'pip install "alledge[station]"' if reason == MISSING else None
    text = "watchfiles is not installed" if reason == MISSING else reason
    return Finding("folder events", OK, f"none ({text}): watched folders are listed in turn", fix)


def check_formats() -> list[Finding]:
    """Check which image formats this machine reads, and with which reader."""
    missing = "no reader: such files are refused by name"
    findings = [
        Finding(f"images {row.form}", OK, row.reader or missing, None if row.reader else EXTRA_FIX)
        for row in image_formats()
    ]
    return [
        *findings,
        Finding("images of other formats", OK, f"{REFUSED}: the error names the export to use"),
    ]


def check_builtin() -> Finding:
    """Check the files of the bundle that alledge contains."""
    if not (builtin_folder() / RECORD).is_file():
        return Finding("built-in bundle", OK, "none in this installation: name one with --bundle")
    try:
        Bundle.open(builtin_folder()).check()
    except UntrustedError:
        return Finding("built-in bundle", OK, "not used: none of the trusted keys signed it")
    except AlledgeError as error:
        fix = "install alledge again, or name a bundle with --bundle"
        return Finding("built-in bundle", FAIL, error.what, fix)
    return Finding("built-in bundle", OK, "answers where no bundle is named (--bundle builtin)")


def check_bundle(path: Path) -> list[Finding]:
    """Check a bundle's files, its operators, and that each installed engine loads it."""
    try:
        bundle = Bundle.open(path)
        bundle.check()
    except AlledgeError as error:
        return [Finding("bundle", FAIL, error.what, error.fix)]
    count = len(bundle.record["files"])
    task = "judges the cells of fields" if bundle.task == "cell" else "judges whole fields"
    findings = [Finding("bundle", OK, f"{bundle.name} {task}: {count} files as exported")]
    for name, artifact in bundle.formats.items():
        file = bundle.path / artifact.file
        if name == "tflite":
            findings += check_operators(file)
        findings.append(_check_loading(name, file))
    return findings


def _check_loading(name: str, file: Path) -> Finding:
    what = f"loading {file.name}"
    if not installed_packages(name):
        fix = f'pip install "alledge[{BACKENDS[name].extra}]"'
        return Finding(what, OK, f"no engine for {name} is installed", fix)
    try:
        backend = load_backend(name, file, threads=1)
    except AlledgeError as error:
        unsupported = says_unsupported(error.what)
        return Finding(what, FAIL, error.what, OPERATOR_FIX if unsupported else error.fix)
    backend.close()
    return Finding(what, OK, f"loads on {backend.engine}")


def check_operators(file: Path) -> list[Finding]:
    """Check that each probed TFLite runtime supports the operator versions of a model."""
    try:
        used = operator_versions(file)
    except MissingPackageError as missing:
        text = f"not compared without {missing.package}; loading the model tests this machine"
        return [Finding("operators", OK, text)]
    except AlledgeError as error:
        return [Finding("operators", FAIL, error.what, error.fix)]
    installed = installed_tflite_runtime()
    by_runtime = supported_versions()
    nearest = nearest_probed_runtime(*installed, by_runtime) if installed else None
    findings = []
    for runtime, supported in by_runtime.items():
        is_installed = installed is not None and runtime == " ".join(installed)
        what = f"operators on {runtime}"
        if installed and runtime == nearest and not is_installed:
            what += f" (here {installed[1]})"
        unsupported = unsupported_operators(used, supported)
        if not unsupported:
            findings.append(Finding(what, OK, f"{len(used)} kinds, all supported"))
            continue
        text = ", ".join(
            f"{name} version {version} (it supports {newest or 'none'})"
            for name, (version, newest) in unsupported.items()
        )
        # An installed runtime that was not probed may support more: loading the model decides.
        findings.append(Finding(what, FAIL if is_installed else WARN, text, OPERATOR_FIX))
    return findings


def installed_tflite_runtime() -> tuple[str, str] | None:
    """Return package and version of the TFLite runtime that runs here, None without one."""
    modules = installed_packages("tflite")
    package = modules[0].replace("_", "-") if modules else ""
    version = installed_versions().get(package)
    return (package, version) if version else None


def doctor_text(document: DoctorDocument) -> str:
    """Return the text page of an `examine` document: one line per finding, and the verdict."""
    lines = []
    for row in document["findings"]:
        lines.append(f"{row['status']:5} {row['what']:30} {row['found']}")
        if row["fix"]:
            lines.append(f"{'':36} fix: {row['fix']}")
    return "\n".join([*lines, "", VERDICTS[document["verdict"]]])
