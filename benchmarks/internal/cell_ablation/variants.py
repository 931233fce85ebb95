"""The rows of the ablation: each changes one thing of a reference row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ....runtime.cells.crop_settings import CropSettings
from ....train.fitting.augmentation import CELL_AUGMENTATION, Augmentation

CELL, FIELD, CAMERA, COUNT = "cell", "field", "camera", "count"
MODEL = "mobilenetv2"
MODELS = "model"  # the group of rows that are repeated for every model
FIELD_SIZE = 224  # pixels of a whole field, as in the study of fields
CROP = CropSettings()
JITTERED = replace(CELL_AUGMENTATION, scale=0.15, stain=0.2, blur=0.008, white_point=0.05)
# One change of colour, focus or size at a time, on top of rotated and mirrored copies.
JITTERS: dict[str, dict[str, Any]] = {
    "stain jitter": {"stain": 0.3},
    "white point jitter": {"white_point": 0.1},
    "brightness jitter": {"brightness": 0.15},
    "blur": {"blur": 0.012},
    "size jitter": {"scale": 0.25},
    "noise": {"noise": 0.03},
    "JPEG": {"jpeg": 60},
}


@dataclass(frozen=True)
class Variant:
    """One row of the ablation.

    Parameters
    ----------
    group : str
        What the rows of a group have in common.
    name : str
        What is changed. Unique together with `group`.
    unit : {"cell", "field", "camera", "count"}
        What is judged: cells, whole fields at `FIELD_SIZE`, nothing but the camera of a field, or
        nothing but its number of cells.
    crop : CropSettings
    augmentation : Augmentation, optional
        None fits the probe on the crops as they are.
    model : str
    random_base : bool
        Random weights, which have learned nothing.
    negatives : bool
        Add the cells of healthy people of ``--negatives`` to every training part.
    balanced : bool
        Give the cells of both sources that are no blasts the same total weight.
    """

    group: str
    name: str
    unit: str = CELL
    crop: CropSettings = CROP
    augmentation: Augmentation | None = None
    model: str = MODEL
    random_base: bool = False
    negatives: bool = False
    balanced: bool = False


def variants(models: tuple[str, ...] = (MODEL,)) -> list[Variant]:
    """Return all rows; those after the first model repeat only the main rows.

    Parameters
    ----------
    models : tuple of str
        The first one is the model of all rows that change the crop or the augmentation.
    """
    rows = [replace(row, model=models[0]) for row in _crop_rows() + _augmentation_rows()]
    for model in models:
        rows += _model_rows(model)
    controls = [
        Variant("control", "camera alone", unit=CAMERA),
        Variant("control", "number of cells alone", unit=COUNT),
    ]
    return [*rows, *controls]


def _crop_rows() -> list[Variant]:
    rows = [Variant("crop", f"reference: {CROP.size} pixels, {CROP.width:g} erythrocytes")]
    rows += [
        Variant("crop", f"{size} pixels", crop=replace(CROP, size=size)) for size in (128, 160, 224)
    ]
    rows += [
        Variant("crop", f"{width:g} erythrocytes", crop=replace(CROP, width=width))
        for width in (2.0, 3.0, 4.0)
    ]
    rows += [
        Variant("crop", f"{width:g} nuclei", crop=replace(CROP, unit="nucleus", width=width))
        for width in (1.5, 2.0)
    ]
    return [
        *rows,
        Variant("crop", "no white balance", crop=replace(CROP, white_balance=False)),
    ]


def _augmentation_rows() -> list[Variant]:
    def row(name: str, augmentation: Augmentation, **changes: Any) -> Variant:
        return Variant("augmentation", name, augmentation=augmentation, **changes)

    plain = replace(CROP, white_balance=False)
    return [
        row("rotation, mirroring, shift", CELL_AUGMENTATION),
        *(
            row(f"… + {name}", replace(CELL_AUGMENTATION, **change))
            for name, change in JITTERS.items()
        ),
        row("stain, white point, blur and size jitter", JITTERED),
        row("… no white balance", JITTERED, crop=plain),
    ]


def _model_rows(model: str) -> list[Variant]:
    cell = Variant(MODELS, f"{model}: cells", model=model)
    extended = replace(
        cell,
        name=f"{model}: cells, augmented, extra negatives",
        augmentation=JITTERED,
        negatives=True,
    )
    return [
        replace(cell, name=f"{model}: whole field", unit=FIELD),
        cell,
        replace(cell, name=f"{model}: cells, augmented", augmentation=JITTERED),
        extended,
        replace(extended, name=f"{extended.name}, balanced by source", balanced=True),
        replace(
            cell,
            name=f"{model}: cells, augmented, random base",
            augmentation=JITTERED,
            random_base=True,
        ),
    ]
