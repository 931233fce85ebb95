"""Trains the network of bodies and measures it beside the detector.

``python -m alledge.benchmarks.internal.learned_detection ALL_IDB1 PBC [--test SET FOLDER]``. A
network is trained on one camera, every second single cell and drawn fields, and tested on the other
camera. The sets named by ``--test`` are measured with the network of the Canon fields.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import click
import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.detection import detect_cells
from ....runtime.cells.types import Detection
from ....runtime.types import RGB
from ....train.bodies.fitting import fit_bodies
from ....train.bodies.patches import BodySample
from ....train.bodies.scoring import body_maps
from ..cell_detection import decode, summary, tally
from ..cell_sets import SETS, Truth
from .examples import Example, drawn_examples, field_examples, single_cells
from .pairs import counted
from .planes import UNIT, plane_of
from .single_cells import NO_LEUCOCYTE, development_half
from .verdict import PEAK, TRACE, body_peaks, cells_of_peaks, with_verdict

DRAWN = 350
SHARES = (0.45, 0.2, 0.15, 0.2)  # of fields, single cells, tight windows and drawn fields
NEAR_MIDDLE = 1.3  # erythrocyte diameters

Maps = Callable[[NDArray[np.float32]], NDArray[np.float32]]
WAYS = ("(a) classical", "(b) network", "(c) classical, joined by the network")


class Comparison:
    """The three ways of detection, with one network."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self.milliseconds: list[float] = []

    def detections(self, rgb: RGB) -> dict[str, Detection]:
        """Return what each way finds."""
        classical = detect_cells(rgb)
        started = time.process_time()
        plane = plane_of(rgb, classical)
        scores = self.maps(plane.density)[..., 0]
        peaks = body_peaks(scores, plane.factor, PEAK)
        self.milliseconds.append((time.process_time() - started) * 1000)
        traces = body_peaks(scores, plane.factor, TRACE)
        answers = (
            classical,
            cells_of_peaks(peaks, classical),
            with_verdict(traces, classical, drop=False),
        )
        return dict(zip(WAYS, answers, strict=True))

    def fields(self, truths: list[Truth]) -> None:
        """Print the figures of fields, a row for each way and group."""
        counts: dict[tuple[str, str], Counter[str]] = {}
        for truth in truths:
            rgb, scale = decode(truth.image)
            for way, detection in self.detections(rgb).items():
                row = counts.setdefault((truth.group, way), Counter())
                row.update(tally(truth, scale, detection))
        for (group, way), row in counts.items():
            is_complete = all(truth.is_complete for truth in truths)
            say({"way": way, **summary(group, row, is_complete)})

    def singles(self, paths: list[Path], trained_on: str) -> None:
        """Print how often single cells are counted, and platelets."""
        counts: dict[str, Counter[str]] = {way: Counter() for way in WAYS}
        for path in paths:
            rgb, _ = decode(path)
            middle = np.array([rgb.shape[1] - 1, rgb.shape[0] - 1]) / 2
            for way, detection in self.detections(rgb).items():
                near = [
                    cell
                    for cell in detection.cells
                    if "smudge" not in cell.flags
                    and np.hypot(cell.x - middle[0], cell.y - middle[1])
                    < NEAR_MIDDLE * detection.unit
                ]
                kind = "platelet" if path.parent.name == NO_LEUCOCYTE else "leucocyte"
                counts[way][f"{kind} {counted(len(near))}"] += 1
        for way, row in counts.items():
            say({"way": way, "network of": trained_on, **row})


def say(row: dict[str, object]) -> None:
    """Print a row."""
    click.echo(json.dumps(row))


def samples(examples: list[Example]) -> list[BodySample]:
    """Return examples as the fit takes them."""
    return [BodySample(e.density, e.bodies, e.others, e.unknown) for e in examples]


@click.command()
@click.argument("fields", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("cells", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--per-kind", type=click.IntRange(2), default=300, help="Images of each kind.")
@click.option("--drawn", type=click.IntRange(1), default=DRAWN, help="Drawn fields.")
@click.option("--steps", type=click.IntRange(1), default=1400, help="Batches of 16 patches.")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--test", "tests", type=(click.Choice(list(SETS)), Path), multiple=True)
def main(
    fields: Path,
    cells: Path,
    per_kind: int,
    drawn: int,
    steps: int,
    seed: int,
    tests: tuple[tuple[str, Path], ...],
) -> None:
    """Print one JSON line for each way and group of fields."""
    paths = development_half(cells, per_kind, platelets=True)
    fitted, tested = paths[::2], paths[1::2]
    known = list(field_examples(fields))
    others = [
        samples(list(part))
        for part in (
            single_cells(fitted, tight=False),
            single_cells(fitted, tight=True),
            drawn_examples(drawn, seed),
        )
    ]
    truths = list(SETS["all-idb1"](fields))
    for camera in ("Olympus", "Canon"):
        own = samples([example for example in known if example.source == camera])
        network = fit_bodies([own, *others], SHARES, unit=UNIT, steps=steps, seed=seed)
        comparison = Comparison(partial(body_maps, network))
        comparison.fields([truth for truth in truths if not truth.group.startswith(camera)])
        milliseconds = round(median(comparison.milliseconds), 1)
        comparison.singles(tested, camera)
        size = network.count_params() * 4 / 1024
        say({"network of": camera, "ms for (b) more": milliseconds, "KiB": round(size)})
        if camera == "Canon":
            for name, folder in tests:
                comparison.fields(list(SETS[name](folder)))


if __name__ == "__main__":
    main()
