"""Reading one image of a data set: what it is taken as, and what it is compared by."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.runtime.cells import single_cell
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.detection import detect_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.data.datasets import read_dataset
from alledge.train.data.cells.copies import thumbnail
from alledge.train.data.cells.image_reading import FIELD_SIDE, read_image
from alledge.train.data.cells.labels import unite_labels
from support.generated_cells import RGB, cut_out_on_black, draw_smear

SETTINGS = CellSettings(crop=CropSettings(size=48))
SIDE = FIELD_SIDE + 34  # an image that its size does not tell from a field


def one_cell() -> RGB:
    """Return a blast that was closely cut out on black."""
    middle = SIDE / 2
    rgb = draw_smear([("blast", middle, middle)], seed=1, width=SIDE, height=SIDE, px_per_um=16)
    return cut_out_on_black(rgb, 1.02 * max(cell.radius for cell in detect_cells(rgb).cells))


def field() -> RGB:
    """Return a field with one leucocyte, in a black frame."""
    rgb = draw_smear([("lymphocyte", 300, 250)], width=SIDE, height=SIDE)
    return cut_out_on_black(rgb, 0.49 * SIDE)


@pytest.mark.parametrize(("draw", "shows_field"), [(one_cell, False), (field, True)])
def test_an_image_on_black_is_taken_as_the_device_takes_it(
    draw: Any, shows_field: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []

    def search(*arguments: Any) -> Any:
        searches.append(arguments)
        return detect_cells(*arguments)

    rgb = draw()
    for label in ("healthy", "blast"):
        (tmp_path / label).mkdir()
        Image.fromarray(rgb).save(tmp_path / label / f"{label}.png")
    dataset = read_dataset(tmp_path)
    sample = next(sample for sample in dataset.samples if sample.label == "healthy")
    monkeypatch.setattr(single_cell, "detect_cells", search)
    reading = read_image(dataset, sample, unite_labels([dataset]), SETTINGS)
    kind, wanted = single_cell.find_image_cells(rgb, SETTINGS)
    assert (reading.field is not None) == shows_field == (kind == "field")
    assert len(searches) == 2 * (1 + shows_field)
    assert len(reading.cells) == 1
    assert np.array_equal(reading.cells[0].crop, wanted.crops[0])
    assert reading.digest == hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest()
    assert np.array_equal(reading.thumbnail, thumbnail(rgb))
