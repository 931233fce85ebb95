"""`learned_detection`: the truth that it draws, and the verdict of a network's map."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from alledge.benchmarks.internal.learned_detection.drawing import drawn_field
from alledge.benchmarks.internal.learned_detection.examples import drawn_examples
from alledge.benchmarks.internal.learned_detection.pairs import PairVerdict, counted
from alledge.benchmarks.internal.learned_detection.single_cells import development_half
from alledge.benchmarks.internal.learned_detection.verdict import (
    body_peaks,
    cells_of_peaks,
    with_verdict,
)
from alledge.runtime.cells.types import Cell, Detection


def detection(*cells: Cell) -> Detection:
    return Detection(cells, 12.0, "erythrocytes", (230.0, 230.0, 230.0))


def scores() -> np.ndarray:
    """Return a map with the peaks of two bodies, at 21, 21 and 61, 21 of a field."""
    rows, columns = np.mgrid[:30, :50]
    far = np.minimum(np.hypot(columns - 10, rows - 10), np.hypot(columns - 30, rows - 10))
    return np.exp(-0.5 * (far / 1.5) ** 2).astype(np.float32)


def test_the_peaks_of_a_map_are_cells() -> None:
    peaks = body_peaks(scores(), 1.0, 0.3)
    cells = cells_of_peaks(peaks, detection()).cells
    assert [(cell.x, cell.y) for cell in cells] == [(20.5, 20.5), (60.5, 20.5)]


def test_lobes_near_one_peak_are_one_cell_and_a_cell_without_a_peak_is_dropped() -> None:
    found = detection(Cell(17, 20, 6), Cell(26, 20, 6), Cell(61, 20, 7), Cell(90, 50, 7))
    peaks = body_peaks(scores(), 1.0, 0.3)
    dropped = with_verdict(peaks, found).cells
    assert [round(cell.x) for cell in dropped] == [22, 61]
    assert [round(cell.x) for cell in with_verdict(peaks, found, drop=False).cells] == [22, 61, 90]


def test_a_drawn_field_is_the_same_again_and_its_leucocytes_lie_in_it() -> None:
    rgb, bodies, _ = drawn_field(3, 1)
    again, _, _ = drawn_field(3, 1)
    assert np.array_equal(rgb, again)
    assert len(bodies) > 0
    assert np.all((bodies >= 0) & (bodies < rgb.shape[1::-1]))


def test_an_example_has_the_scale_of_the_network() -> None:
    (example,) = drawn_examples(1, seed=3)
    assert example.density.ndim == 3
    assert np.all(example.density >= 0)


def test_the_half_for_development_is_chosen_by_name(tmp_path: Path) -> None:
    for kind in ("monocyte", "platelet"):
        (tmp_path / kind).mkdir()
        for number in range(12):
            (tmp_path / kind / f"{number}.jpg").touch()
    names = [path.name for path in development_half(tmp_path, 100)]
    assert names
    assert all(hashlib.sha256(name.encode()).digest()[0] % 2 == 0 for name in names)
    assert len(development_half(tmp_path, 100, platelets=True)) == 2 * len(names)


def test_a_verdict_on_pairs_parts_near_and_far_ones() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 0.1, (30, 4)), rng.normal(1, 0.1, (30, 4))
    verdict = PairVerdict.fitted(near, far)
    assert verdict.joined(near, 0.0).startswith("30 of 30")
    assert verdict.joined(far, 0.0).startswith("0 of 30")


def test_a_cell_is_missed_or_counted_once_or_twice() -> None:
    assert [counted(number) for number in range(4)] == ["missed", "once", "twice", "twice"]
