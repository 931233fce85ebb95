"""The commands about cameras that a network has not seen: turns, halves, checked fields."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.benchmarks.internal.adoption import (
    calibration_sources,
    checked_fields,
    commissioned_fields,
    recoloured_cells,
    turned_cells,
)
from alledge.errors import UsageError
from alledge.export.convert.calibration_images import in_turn
from alledge.train.fitting.augmentation import CELL_AUGMENTATION, NO_AUGMENTATION


def test_the_eight_views_are_turns_and_mirrored_turns() -> None:
    pixels = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    views = turned_cells.turned(pixels)
    assert len({view.tobytes() for view in views}) == 8
    assert (views[0] == pixels).all()
    assert (views[4] == pixels[:, :, ::-1]).all()


def test_calibration_images_of_two_sources_take_turns() -> None:
    first, second = (np.full((count, 2, 2, 3), count, np.uint8) for count in (5, 3))
    mixed = in_turn(first, second)
    assert mixed[:, 0, 0, 0].tolist() == [5, 3] * 3


def test_a_source_of_other_microscopes_needs_a_folder() -> None:
    run: Any = SimpleNamespace(record={"recipe": {"augmentation": {}}})
    with pytest.raises(UsageError, match="without a folder"):
        calibration_sources.calibration_halves("other-microscopes", run, SimpleNamespace())  # type: ignore[arg-type]


def test_cells_of_a_commissioned_camera_calibrate_other_groups_than_their_own() -> None:
    names = [f"field{number // 2}#{number}" for number in range(12)]
    groups = [f"group{number // 2}" for number in range(12)]
    truth = np.arange(12) % 3 == 0
    images: Any = SimpleNamespace(
        names=names,
        groups=groups,
        cameras=["Olympus"] * 12,
        labels=np.where(truth, "blast", "healthy").tolist(),
        images=np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3),
        trained_by=[frozenset()] * 12,
        known=None,
        tested_images=lambda fold: np.arange(12),
        calibration_images=lambda fold: SimpleNamespace(images=np.full((9, 1, 1, 3), 99, np.uint8)),
    )
    run: Any = SimpleNamespace(positive=("blast",))
    halves = calibration_sources.commissioned_halves(run, images, 1)
    assert (halves[0][0] ^ halves[1][0]).all()
    for scored, calibration in halves:
        used = set(calibration[1::2, 0, 0, 0].tolist())
        assert used
        assert not {groups[n] for n in used} & {groups[n] for n in np.flatnonzero(scored)}


def test_the_gain_of_a_mean_is_paired() -> None:
    truth = np.arange(80) % 2 == 0
    plain = np.where(truth, 0.6, 0.4) + np.where(np.arange(80) % 5 == 0, 0.3, 0) * (~truth)
    means = np.stack([plain, truth.astype(float), plain], axis=1)
    text = turned_cells.figures(truth, means, [str(at // 4) for at in range(80)])
    plain_area, better, same = text.split(" | ")
    assert better.startswith("1.000 (+")
    assert same == f"{plain_area} (+0.000, +0.000 to +0.000)"


def test_fields_of_a_group_stay_in_one_half() -> None:
    images = [f"fields/{number}.jpg" for number in range(8)]
    groups = dict.fromkeys(("0.jpg", "3.jpg", "5.jpg"), "slide")
    known, asked = commissioned_fields.halves(images, groups)
    assert sorted(known + asked) == images
    assert {"fields/0.jpg", "fields/3.jpg", "fields/5.jpg"} <= set(known)
    assert abs(len(known) - len(asked)) <= 2


def test_a_row_counts_answers_without_review() -> None:
    results: Any = [
        SimpleNamespace(status=status, flags=flags)
        for status, flags in (("ok", ()), ("review", ("off_domain",)), ("review", ("blurred",)))
    ]
    row = commissioned_fields.table_row("Canon", "no", results)
    assert row.startswith("| Canon | no | 3 | 1 (33.3%, ")
    assert "1 off_domain, 1 blurred" in row


def test_checked_cells_and_other_fields_share_no_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set" / "im").mkdir(parents=True)
    (tmp_path / "set" / "xyc").mkdir()
    rows = ["image,x,y,label"]
    for number in range(1, 9):
        label = number % 2
        name = f"Im{number:03}_{label}"
        Image.new("RGB", (60, 40), (number, 0, 0)).save(tmp_path / "set" / "im" / f"{name}.jpg")
        centroids = "10 10\n30 20\n" * label
        (tmp_path / "set" / "xyc" / f"{name}.xyc").write_text(centroids, encoding="utf-8")
        rows.append(f"{name}.jpg,50,30,leucocyte")
    (tmp_path / "cells.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "groups.csv").write_text("image,group\nim/Im001_1.jpg,a\nim/Im003_1.jpg,a\n")
    words = [
        "checked_fields", str(tmp_path / "set"), "--cells", str(tmp_path / "cells.csv"),
        "--groups", str(tmp_path / "groups.csv"), "--camera", "unknown", "--count", "7",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", words)
    checked_fields.main()
    with (tmp_path / "out" / "checked.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    checked, others = (
        {path.name for path in (tmp_path / "out" / name).iterdir()}
        for name in ("checked", "others")
    )
    assert len(table) == 7
    assert {row["image"] for row in table} <= checked
    assert not checked & others
    assert len(checked | others) == 8
    assert ("Im001_1.jpg" in checked) == ("Im003_1.jpg" in checked)


def test_augmented_copies_are_changed_and_the_same_again() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    copies = calibration_sources.augmented_copies(images, CELL_AUGMENTATION)
    assert copies.shape == images.shape
    assert copies.dtype == np.uint8
    assert all((copy != image).any() for copy, image in zip(copies, images, strict=True))
    assert np.array_equal(copies, calibration_sources.augmented_copies(images, CELL_AUGMENTATION))
    assert np.array_equal(images, calibration_sources.augmented_copies(images, NO_AUGMENTATION))


def test_a_colour_map_gives_cells_the_second_moment_of_others_and_keeps_white() -> None:
    random = np.random.default_rng(3)
    ours = random.integers(60, 256, (4, 20, 20, 3), dtype=np.uint8)
    theirs = np.clip(ours * np.array([0.9, 0.6, 0.8]), 0, 255).astype(np.uint8)
    source, target = (recoloured_cells.second_moment(cells) for cells in (ours, theirs))
    mapping = recoloured_cells.colour_map(source, target)
    assert np.allclose(mapping @ source @ mapping, target)
    white = np.full((1, 2, 2, 3), 255, np.uint8)
    assert (recoloured_cells.recoloured(white, mapping) == 255).all()
    moved = recoloured_cells.recoloured(ours, mapping)
    away = np.abs(recoloured_cells.second_moment(moved) - target).max()
    assert away < np.abs(source - target).max() / 4
    assert (recoloured_cells.recoloured(ours, np.eye(3)) == ours).all()
