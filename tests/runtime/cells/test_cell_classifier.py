"""Cell bundles in the Python API: fields, images of one cell, smears and bad input."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.benchmarks.internal.unusual_fields.__main__ import stored_with
from alledge.errors import BackendError, BundleError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.cells.cell_task import CellTask, PreparedCells
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.field_rule import CellCounts, FieldRule
from alledge.runtime.cells.results import CellResult
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.cells.single_cell import find_image_cells
from alledge.runtime.cells.types import Cell
from alledge.runtime.classifier import MODES, Classifier, Mode
from alledge.runtime.guards.cell_guards import field_statistics
from alledge.runtime.guards.fitting import fit_cell_guards, fit_guards
from alledge.runtime.metrics.decisions import Thresholds
from alledge.runtime.records import Result
from support.cell_pictures import one_cell

WHITE = np.full((400, 500, 3), 240, np.uint8)


def test_every_cell_has_the_networks_answer_and_the_field_that_of_its_cells(
    cell_bundle: Path, fields: list[Path], tiny: ModuleType
) -> None:
    bundle = Bundle.open(cell_bundle)
    assert bundle.task == "cell"
    assert bundle.cell_settings is not None
    rule = bundle.formats["tflite"].field_rule
    assert rule is not None
    with Classifier.load(bundle, "tflite") as classifier:
        for path in fields:
            result = classifier.classify(path, taken_as="field")
            found = find_cells(path, bundle.cell_settings)
            assert result.cells is not None
            assert result.counts is not None
            assert (result.kind, result.task, result.site) == ("field", "cell", None)
            assert [(c.x, c.y, c.radius) for c in result.cells] == [
                (c.x, c.y, c.radius) for c in found.cells
            ]
            for cell, crop in zip(result.cells, found.crops, strict=True):
                assert cell.probability == pytest.approx(tiny.expected(crop), abs=1e-5)
            counted = [cell.probability for cell in result.cells if cell.is_leucocyte]
            assert result.counts.leucocytes == len(counted)
            assert result.probability == rule.probability(counted)
            assert result.threshold == rule.threshold == classifier.threshold


@pytest.mark.parametrize("mode", MODES)
def test_both_modes_find_the_same_cells_in_order(
    cell_bundle: Path, fields: list[Path], mode: Mode
) -> None:
    with Classifier.load(cell_bundle, threads=2, mode=mode) as classifier:
        many = list(classifier.classify(fields, taken_as="field"))
        one = [classifier.classify(path, taken_as="field") for path in fields]
    assert [replace(result, ms=0) for result in many] == [replace(result, ms=0) for result in one]


def test_a_field_without_a_leucocyte_goes_to_review(cell_bundle: Path) -> None:
    with Classifier.load(cell_bundle) as classifier:
        result = classifier.classify(WHITE)
    assert (result.status, result.label, result.probability) == ("review", None, None)
    assert (result.scores, result.cells, result.counts) == (None, (), CellCounts(0, 0))
    assert "too_few_cells" in result.flags


@pytest.mark.parametrize("black", [False, True])
def test_an_image_of_one_cell_is_judged_as_one_cell(
    cell_bundle: Path, tiny: ModuleType, black: bool
) -> None:
    pixels = one_cell(black=black)
    settings = Bundle.open(cell_bundle).cell_settings
    assert settings is not None
    _, single = find_image_cells(pixels, settings, "cell")
    with Classifier.load(cell_bundle) as classifier:
        auto, named = classifier.classify(pixels), classifier.classify(pixels, taken_as="cell")
        as_field = classifier.classify(pixels, taken_as="field")
    wanted = tiny.expected(single.crops[0])
    for result in (auto, named):
        assert result.probability == pytest.approx(wanted, abs=1e-5)
        assert result.cells is not None
        [cell] = result.cells
        assert (cell.label, cell.probability) == (result.label, result.probability)
        assert result.kind == "cell"
        assert result.threshold == classifier.bundle.formats[result.backend].threshold
    assert as_field.kind == "field"
    assert as_field.cells is not None
    assert black or len(as_field.cells) == 1


def test_an_image_of_one_cell_without_a_nucleus_goes_to_review(cell_bundle: Path) -> None:
    black = np.zeros((300, 300, 3), np.uint8)
    with Classifier.load(cell_bundle) as classifier:
        result = classifier.classify(black)
        assert (result.kind, result.label, result.cells) == ("field", None, ())
        for image in (black, WHITE):
            result = classifier.classify(image, taken_as="cell")
            assert (result.kind, result.status) == ("cell", "review")
            assert "too_few_cells" in result.flags


def test_a_field_of_a_camera_is_taken_as_a_field(cell_bundle: Path, fields: list[Path]) -> None:
    with Classifier.load(cell_bundle) as classifier:
        assert {result.kind for result in classifier.classify(fields)} == {"field"}


def test_a_bundle_of_fields_refuses_what_needs_cells(bundle: Path, fields: list[Path]) -> None:
    with Classifier.load(bundle) as classifier:
        with pytest.raises(UsageError, match="judges whole fields"):
            classifier.classify(fields[0], taken_as="cell")
        with pytest.raises(UsageError, match="judges whole fields"):
            classifier.classify_smear(fields)
        with pytest.raises(UsageError, match="judges whole fields"):
            classifier.pool([])
        with pytest.raises(UsageError, match="did you mean 'field'"):
            classifier.classify(fields[0], taken_as="fields")  # type: ignore[call-overload]


def test_a_file_that_cannot_be_read_is_an_error_of_a_cell_bundle(
    cell_bundle: Path, tmp_path: Path
) -> None:
    with Classifier.load(cell_bundle) as classifier:
        result = classifier.classify(tmp_path / "missing.jpg")
    assert (result.status, result.kind, result.cells) == ("error", None, None)
    assert list(result.to_json())[-4:] == ["as", "site", "cells", "counts"]


def test_a_smear_has_the_cells_of_all_its_fields(
    cell_bundle: Path, fields: list[Path], tmp_path: Path
) -> None:
    with Classifier.load(cell_bundle) as classifier:
        smear, results = classifier.classify_smear([*fields, tmp_path / "missing.jpg"])
        rule = classifier.bundle.formats[classifier.backend.name].field_rule
    assert [result.status == "error" for result in results] == [False] * len(fields) + [True]
    cells = [cell for result in results for cell in result.cells or ()]
    counted = [cell.probability for cell in cells if cell.is_leucocyte]
    assert smear.counts is not None
    assert rule is not None
    assert (smear.kind, smear.image, smear.counts.fields) == ("smear", None, len(fields))
    assert smear.counts.leucocytes == len(counted) < rule.smear_cells
    odds = [
        np.log(result.probability / (1 - result.probability))
        for result in results
        if result.probability is not None
    ]
    assert smear.probability == pytest.approx(1 / (1 + np.exp(-np.mean(odds))))
    assert "too_few_cells" in smear.flags


def test_a_smear_counts_each_field_once(
    cell_bundle: Path, fields: list[Path], tmp_path: Path
) -> None:
    empty, copy = tmp_path / "empty.png", tmp_path / "copy.bmp"
    Image.fromarray(WHITE).save(empty)
    with Image.open(fields[1]) as image:
        image.save(copy)
    with Classifier.load(cell_bundle) as classifier:
        once, _ = classifier.classify_smear([fields[0], fields[1], empty])
        twice, results = classifier.classify_smear([*fields[:2], empty, empty, fields[0], copy])
    assert len(results) == 6
    assert twice.counts == once.counts
    assert once.counts is not None
    assert once.counts.fields == 3


def field_result(*cells: CellResult, flags: tuple[str, ...] = (), kind: Any = "field") -> Result:
    counts = CellCounts(len(cells), sum(cell.label == "blast" for cell in cells), more=1)
    return Result(
        "a.jpg", "review" if flags else "ok", "blast", 0.9, {}, 0.5, flags, "b", "sha256:", "onnx",
        1.0, task="cell", kind=kind, cells=cells, counts=counts,
    )  # fmt: skip


def test_a_smear_is_flagged_by_what_is_common_and_counts_no_foreign_field(
    cell_bundle: Path,
) -> None:
    blast, healthy = CellResult(1, 1, 1, "blast", 0.9), CellResult(1, 1, 1, "healthy", 0.1)

    def at(number: int) -> CellResult:
        return replace(healthy, x=number)  # or it would be the same field

    results = [
        *(
            field_result(*[healthy] * 19, at(n), flags=("blurred", "indeterminate"))
            for n in range(3)
        ),
        *(field_result(*[healthy] * 18, at(n), blast, flags=("exposure",)) for n in range(2)),
        field_result(*[blast] * 50, flags=("off_domain",)),
    ]
    with Classifier.load(cell_bundle) as classifier:
        smear = classifier.pool(results)
        assert smear.counts == CellCounts(100, 2, fields=5, more=5)
        assert smear.label == "healthy"
        assert smear.flags == ("blurred", "indeterminate")  # its fields are labelled blast
        calm = [replace(result, label="healthy") for result in results]
        assert classifier.pool(calm).flags == ("blurred",)
        empty = classifier.pool([])
    assert (empty.status, empty.label, empty.flags) == ("review", None, ("too_few_cells",))


def test_too_many_cells_are_left_out_and_counted(
    own_cell_bundle: Path, bundles: ModuleType, fields: list[Path]
) -> None:
    bundle = Bundle.open(own_cell_bundle)
    cells = bundle.record["cells"]
    every = find_cells(fields[1], bundle.cell_settings).cells  # type: ignore[arg-type]
    assert len(every) > 1
    cells["detection"]["max_cells"] = 1
    bundles.edit(own_cell_bundle, cells=cells)
    with Classifier.load(own_cell_bundle) as classifier:
        result = classifier.classify(fields[1], taken_as="field")
    assert result.cells is not None
    assert result.counts is not None
    assert (len(result.cells), result.counts.more) == (1, len(every) - 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_positions_are_those_of_the_upright_image(
    cell_bundle: Path, fields: list[Path], tmp_path: Path, orientation: int
) -> None:
    with Image.open(fields[1]) as upright:
        turned = stored_with(upright, orientation, tmp_path / "turned.png")
    with Classifier.load(cell_bundle) as classifier:
        results = [classifier.classify(path, taken_as="field") for path in (fields[1], turned)]
    assert results[0].cells
    assert results[0].cells == results[1].cells


def guarded(folder: Path, bundles: ModuleType, draw: Callable[[int], Image.Image]) -> Path:
    """Give a cell bundle guards that were fitted to drawn fields."""
    settings = Bundle.open(folder).cell_settings
    assert settings is not None
    found = [find_cells(draw(number), settings) for number in range(20)]
    bundles.edit(
        folder,
        guards=fit_cell_guards(np.concatenate([field.crops for field in found])),
        field_guards=fit_guards([field_statistics(field.rgb, field.header) for field in found]),
    )
    return folder


def test_guards_know_the_training_fields_and_flag_what_is_no_smear(
    own_cell_bundle: Path, bundles: ModuleType, make_picture: Callable[..., Image.Image]
) -> None:
    from alledge.train.phantom.smears import draw_field

    def draw(number: int) -> Image.Image:
        return draw_field(5, number, number % 2 == 1, size=320)[0]

    folder = guarded(own_cell_bundle, bundles, draw)
    own = draw(0)
    blurred = own.resize((own.width // 6, own.height // 6)).resize(own.size)
    noise = Image.effect_noise(own.size, 80).convert("RGB")
    black = Image.new("RGB", own.size)
    with Classifier.load(folder) as classifier:
        assert classifier.guarded
        result = classifier.classify(own)
        assert not set(result.flags) & {"off_domain", "exposure", "blurred"}
        for image in (blurred, noise, black, make_picture(), make_picture(200, 200)):
            assert classifier.classify(image).status == "review"
            assert classifier.classify(image, taken_as="cell").status == "review"


@pytest.mark.parametrize(
    ("flags", "label"),
    [((), "other"), (("blurred",), "other"), (("unfamiliar_microscope",), "healthy")],
)
def test_on_an_unfamiliar_microscope_the_detector_decides_what_is_a_leucocyte(
    flags: tuple[str, ...], label: str
) -> None:
    labels, rule = ("healthy", "other", "blast"), FieldRule()
    task = CellTask(CellSettings(), labels, ("blast",), Thresholds(), rule)
    prepared = PreparedCells("field", (Cell(9, 9, 5),) * 2, np.zeros((2, 8, 8, 3), np.uint8), flags)
    cells, verdict = task.judge(prepared, [[0.2, 0.6, 0.2], [0.1, 0.8, 0.1]])
    assert [cell.label for cell in cells] == [label, "other"]
    assert verdict.counts.leucocytes == (label != "other")
    assert ("unfamiliar" in cells[0].flags) == (label != "other")


@pytest.mark.parametrize(
    "change",
    [
        {"cells": None},
        {"cells": {}},
        {"image_path": {"size": 96, "geometry": "squash", "draft": 192}},
        {"positive": ["other"], "labels": ["healthy", "other"]},
        {"labels": ["other", "blast"]},
        {"field_guards": {"schema_version": 2}},
        {"formats": {"onnx": {"file": "model.onnx"}}},
    ],
)
def test_the_record_of_a_cell_bundle_is_checked(
    own_cell_bundle: Path, bundles: ModuleType, change: dict[str, Any]
) -> None:
    bundles.edit(own_cell_bundle, **change)
    with pytest.raises(BundleError):
        Bundle.open(own_cell_bundle)


def test_the_rule_of_each_format_is_checked(own_cell_bundle: Path, bundles: ModuleType) -> None:
    formats = Bundle.open(own_cell_bundle).record["formats"]
    formats["onnx"]["field"]["largest"] = -1
    bundles.edit(own_cell_bundle, formats=formats)
    with pytest.raises(BundleError, match=r"formats\.onnx\.field\.largest"):
        Bundle.open(own_cell_bundle)


@pytest.mark.parametrize("mode", MODES)
def test_a_prediction_of_a_cell_that_hangs_is_an_error_of_its_field(
    cell_bundle: Path, fields: list[Path], mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    with Classifier.load(cell_bundle, threads=2, mode=mode, timeout_s=60) as classifier:
        wanted = classifier.classify(fields[0], taken_as="field")

    def hang(batch: np.ndarray) -> np.ndarray:
        released.wait(60)
        return predict(batch)

    with Classifier.load(cell_bundle, threads=2, mode=mode, timeout_s=3) as classifier:
        predict = classifier.backend.predict
        monkeypatch.setattr(classifier.backend, "predict", hang)
        results = list(classifier.classify([fields[0]], taken_as="field"))
        released.set()
        monkeypatch.setattr(classifier.backend, "predict", predict)
        after = classifier.classify(fields[0], taken_as="field")
    assert [result.status for result in results] == ["error"]
    assert "does not answer within 3 s" in str(results[0].error)
    assert after.cells == wanted.cells


def test_a_failure_of_the_engine_in_one_cell_is_raised(
    cell_bundle: Path, fields: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Classifier.load(cell_bundle, threads=2) as classifier:
        bad = np.full((1, 2), np.nan, np.float32)
        monkeypatch.setattr(classifier.backend, "predict", lambda batch: bad)
        with pytest.raises(BackendError, match="answered"):
            classifier.classify(fields[1], taken_as="field")


def test_a_field_whose_cells_are_a_few_pixels_wide_is_too_small(
    cell_bundle: Path, fields: list[Path]
) -> None:
    with Image.open(fields[0]) as image:
        small = image.resize((image.width // 4, image.height // 4))
    settings = Bundle.open(cell_bundle).cell_settings
    assert settings is not None
    with Classifier.load(cell_bundle) as classifier:
        for image in (small, Image.open(fields[0])):
            found = find_cells(image, settings)
            side = settings.crop.width * found.detection.unit * found.scale
            is_small = found.detection.unit_source != "none" and 2 * side < settings.crop.size
            flags = classifier.classify(image, taken_as="field").flags
            assert ("too_small" in flags) == is_small
        assert is_small is False


def test_without_guards_of_fields_the_cells_show_what_is_no_smear(
    own_cell_bundle: Path, bundles: ModuleType, fields: list[Path]
) -> None:
    settings = Bundle.open(own_cell_bundle).cell_settings
    assert settings is not None
    found = find_cells(fields[1], settings)
    other = np.stack([255 - crop for crop in found.crops] * 16)
    bundles.edit(own_cell_bundle, guards=fit_cell_guards(other))
    with Classifier.load(own_cell_bundle) as classifier:
        result = classifier.classify(fields[1], taken_as="field")
    assert "off_domain" in result.flags
    assert result.cells is not None
    assert all("unfamiliar" in cell.flags for cell in result.cells)
