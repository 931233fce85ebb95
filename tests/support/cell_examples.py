"""Makes cells of fields, as they are read for training, without a file or a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alledge.runtime.data.datasets import Dataset, Sample
from alledge.train.data.cells.types import CellExamples, FieldTruth

SIDE = 32
LABELS = ("healthy", "blast", "other")


@dataclass(frozen=True)
class FieldPlan:
    """A field to make; `cells` are labels, with an exclamation mark if the edge cuts the cell."""

    name: str
    label: str
    cells: Sequence[str]
    camera: str = "A"
    group: str = ""
    missed_blasts: int = 0


def cell_examples(
    plans: Sequence[FieldPlan], singles: Sequence[tuple[str, str]] = (), seed: int = 0
) -> CellExamples:
    """Return the cells of fields, and images of one cell, each (name, label); blasts are dark."""
    fields, samples, names, index, flags, groups = [], [], [], [], [], []
    for number, plan in enumerate(plans):
        labels = [label.strip("!~") for label in plan.cells]
        group = plan.group or plan.name
        path = Path("data") / plan.name
        blasts = labels.count("blast") + plan.missed_blasts
        fields.append(
            FieldTruth(
                plan.name, path, plan.label, plan.camera, group, blasts, len(labels),
                plan.missed_blasts,
            )
        )  # fmt: skip
        for at, (label, written) in enumerate(zip(labels, plan.cells, strict=True)):
            samples.append(Sample(path, label, group, plan.camera, 900, 900))
            names.append(f"{plan.name}#{10 * at},{20 * at}")
            index.append(number)
            groups.append(group)
            flags.append(("clipped",) * ("!" in written) + ("smudge",) * ("~" in written))
    for name, label in singles:
        samples.append(Sample(Path("data") / name, label, name, "B", 257, 257))
        names.append(name)
        index.append(-1)
        groups.append(name)
        flags.append(())
    present = {sample.label for sample in samples}
    labels = tuple(label for label in LABELS if label in present)
    dataset = Dataset(Path("data"), "all-idb1", labels, ("blast",), tuple(samples))
    return CellExamples(
        dataset=dataset,
        pixels=_pixels([sample.label for sample in samples], seed),
        truth=np.array([labels.index(sample.label) for sample in samples], dtype=np.int64),
        groups=tuple(groups),
        names=tuple(names),
        statistics=(),
        fields=tuple(fields),
        field_index=np.array(index, dtype=np.int64),
        positions=np.zeros((len(names), 3)),
        flags=tuple(flags),
    )


def _pixels(labels: Sequence[str], seed: int) -> np.ndarray:
    level = {"healthy": 170, "blast": 60, "other": 220}
    rng = np.random.default_rng(seed)
    centres = np.array([level[label] for label in labels])[:, None, None, None]
    noise = rng.integers(-30, 30, (len(labels), SIDE, SIDE, 3))
    return np.clip(centres + noise, 0, 255).astype(np.uint8)
