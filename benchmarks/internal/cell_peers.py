"""Compares programs that find leucocytes, on the same fields and in one run.

``python -m alledge.benchmarks.internal.cell_peers [--all-idb1 DIR] [--bccd DIR] [--fields N]
[--watershed PYTHON] [--cbc PYTHON WHEEL]``. PYTHON is the interpreter of a virtual environment:

- ``pip install scikit-image`` for Otsu's threshold and the watershed;
- ``pip install tensorflow-cpu tf_keras opencv-python-headless matplotlib scipy`` for ``cbc``, and
  WHEEL is the folder of its unpacked wheel (``pip download --no-deps cbc``).

The programs run one after the other. A detection is right if a box of a leucocyte (BCCD) or a
circle around a centroid of a blast (ALL-IDB1, radius `CENTROID_REACH` of the longer side)
contains it, one to one. ALL-IDB1 names only the blasts of its fields, so it has no precision.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import click
import numpy as np
import psutil

from ...errors import BackendError
from ...runtime.cells.matching import match_cells
from ...runtime.cells.types import Cell
from ...runtime.data.box_files import read_voc_boxes
from ...runtime.data.cell_truth import TrueCell, cells_of_boxes
from ...runtime.data.datasets import read_dataset
from ...runtime.imaging import read_header
from ...runtime.option_types import Count, FilePath
from ...runtime.terminal import echo

SCRIPTS = Path(__file__).parent / "peers"
CENTROID_REACH = 0.02  # a nucleus of ALL-IDB1 has a radius of about 0.02 to 0.027
OWN_PACKAGES = ("numpy", "pillow", "click")
PATIENCE_S = 0.05  # between two readings of the memory


@dataclass(frozen=True)
class PeerField:
    """A field and its true cells."""

    path: Path
    cells: tuple[TrueCell, ...]
    is_complete: bool  # whether all leucocytes are named


@dataclass(frozen=True)
class Answers:
    """The detections of a program, its seconds of each field and its peak memory."""

    cells: list[list[tuple[float, float]]]
    seconds: list[float]
    peak_mib: float


@click.command()
@click.option("--all-idb1", type=FilePath(path_type=Path))
@click.option("--bccd", type=FilePath(path_type=Path))
@click.option("--fields", "count", default=20, show_default=True, type=Count())
@click.option("--watershed", type=str)
@click.option("--cbc", nargs=2, type=str)
def main(
    all_idb1: Path | None,
    bccd: Path | None,
    count: int,
    watershed: str | None,
    cbc: tuple[str, str] | None,
) -> None:
    """Print a Markdown table."""
    sets: list[tuple[str, list[PeerField]]] = []
    if all_idb1:
        sets.append(("ALL-IDB1", equally_spaced(_of_all_idb1(all_idb1), count)))
    if bccd:
        sets.append(("BCCD", equally_spaced(_of_bccd(bccd), count)))
    own = "alledge.benchmarks.internal.peers.own_detection"
    programs = [("alledge", [sys.executable, "-m", own], _own_mib())]
    if watershed:
        name = "Otsu + watershed, scikit-image"
        command = [watershed, str(SCRIPTS / "watershed.py")]
        programs.append((name, command, _installed_mib(name, watershed, "skimage")))
    if cbc:
        name = "cbc 1.1.0"
        command = [cbc[0], str(SCRIPTS / "cbc_network.py"), cbc[1]]
        programs.append((name, command, _installed_mib(name, cbc[0], "tf_keras")))
    echo("| set | program | fields | recall | precision | s a field | peak MiB | installed MiB |")
    echo("|---|---|---:|---:|---:|---:|---:|---:|")
    for name, fields in sets:
        for program, command, installed in programs:
            answers = run_program(program, command, [field.path for field in fields])
            recall, precision = recall_and_precision(fields, answers)
            echo(
                f"| {name} | {program} | {len(fields)} | {recall} | {precision} | "
                f"{np.median(answers.seconds):.3f} | {answers.peak_mib:.0f} | {installed:.0f} |"
            )


def _of_all_idb1(folder: Path) -> list[PeerField]:
    samples = [sample for sample in read_dataset(folder).samples if sample.centroids]
    fields = []
    for sample in samples:
        side = 2 * CENTROID_REACH * max(sample.width, sample.height)
        cells = tuple(TrueCell("blast", x, y, side, side) for x, y in sample.centroids)
        fields.append(PeerField(sample.path, cells, False))
    return fields


def _of_bccd(folder: Path) -> list[PeerField]:
    fields = []
    for path in sorted((folder / "JPEGImages").glob("*.jpg")):
        header = read_header(path)
        boxes = read_voc_boxes(folder / "Annotations" / f"{path.stem}.xml")
        cells, _ = cells_of_boxes(boxes, (header.width, header.height), path)
        named = tuple(cell for cell in cells if cell.label.lower() == "wbc")
        fields.append(PeerField(path, named, True))
    return fields


def equally_spaced(fields: list[PeerField], count: int) -> list[PeerField]:
    """Return so many fields at equal distances in the list."""
    places = np.linspace(0, len(fields) - 1, min(count, len(fields))).astype(int)
    return [fields[place] for place in places]


def run_program(program: str, command: Sequence[str], paths: Sequence[Path]) -> Answers:
    """Return what a program answers; raise BackendError if an answer is missing."""
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, text=True, env=environment
        )
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # the program has ended; its own message says why
            process.stdin.write("".join(f"{path.resolve()}\n" for path in paths))
            process.stdin.close()
        peak = 0
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            time.sleep(PATIENCE_S)
        output.seek(0)
        rows = [json.loads(line) for line in output if line.startswith("{")]
    if process.returncode or len(rows) != len(paths):
        raise BackendError(
            f"{program} answered {len(rows)} of {len(paths)} images, and ended with the status "
            f"{process.returncode}",
            fix="its own message is above",
        )
    cells = [[(float(x), float(y)) for x, y in row["cells"]] for row in rows]
    return Answers(cells, [float(row["seconds"]) for row in rows], peak / 2**20)


def recall_and_precision(fields: Sequence[PeerField], answers: Answers) -> tuple[str, str]:
    """Return recall and precision as text; precision where all leucocytes are named."""
    true = found = detections = 0
    for field, positions in zip(fields, answers.cells, strict=True):
        # the radius is tiny: a box or a circle decides
        cells = [Cell(x, y, 1e-6) for x, y in positions]
        true += len(field.cells)
        detections += len(cells)
        found += len(match_cells(cells, field.cells))
    complete = all(field.is_complete for field in fields)
    precision = f"{found / detections:.3f}" if complete and detections else "not known"
    return f"{found / max(true, 1):.3f}", precision


def _installed_mib(program: str, python: str, module: str) -> float:
    """Return the size of an environment; raise BackendError if it lacks the program's module."""
    code = (
        "import importlib.util, sysconfig; print(sysconfig.get_path('purelib')); "
        f"print(importlib.util.find_spec({module!r}) is not None)"
    )
    fix = "install it as the docstring of cell_peers says"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BackendError(f"{program} cannot start with {python}: {error}", fix=fix) from None
    folder, is_installed = answer.stdout.splitlines()
    if is_installed != "True":
        raise BackendError(f"{program} is not installed: {python} has no {module}", fix=fix)
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return sum(file.stat().st_size for file in files if "pip" not in file.parts[-3:]) / 2**20


def _own_mib() -> float:
    """Return the size of the packages that detection needs, and of the runtime itself."""
    total = 0
    for name in OWN_PACKAGES:
        package = distribution(name)
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            total += path.stat().st_size if path.is_file() else 0
    runtime = Path(__file__).parents[2] / "runtime"
    total += sum(path.stat().st_size for path in runtime.rglob("*.py"))
    return total / 2**20


if __name__ == "__main__":
    main()
