"""Reads what a bundle stores for `verify`: reference images, their outputs and ``parity.json``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError
from ..json_documents import read_json
from ..json_values import (
    InvalidValueError,
    check_choice,
    check_integer,
    check_items,
    check_list,
    check_number,
    check_numbers,
    check_object,
    check_text,
    invalid,
)
from .bundle import Bundle
from .npz import read_arrays
from .record_file import EXPORT_FIX

INPUTS, OUTPUTS, PARITY = "reference/inputs.npz", "reference/outputs.npz", "parity.json"
PICTURE = "reference/picture.jpg"  # tests the way from a file to the pixels that the model sees
POSITIONS = "picture-cells"  # the name of the array with the cells of the picture
FIELD_KEYS = ("probability", "positive", "indeterminate")
FLOAT = "float"  # the name of the float model's outputs
SCHEMA, SCHEMA_VERSION = "alledge/parity", 1
MAX_IMAGES, MAX_CELLS = 1024, 1 << 20
SHARES = ("max_dp", "mean_dp", "agreement")
COUNTS = ("lost_positives", "to_review")
VERDICTS = ("pass", "fail", "not informative")
UNGATED = ("images of the run", "calibration images", "references")
MEASURED_ON = ("out-of-fold images", *UNGATED)
FIGURES = ("cross-fitted", "gate", *UNGATED)
GATES = ("passed", "failed", "not evaluated")

Scores = NDArray[np.float32]


class PictureCells(NamedTuple):
    """The cells that the exporting machine found in ``picture.jpg``, at most 32 of them.

    Parameters
    ----------
    cells : (K, 3) ndarray of float32
        x, y and radius in pixels of the upright picture.
    crops : (K, S, S, 3) ndarray of uint8
        What the model sees of them.
    total : int
        Number of all cells, at least K.
    outputs : dict of str to (K, C) ndarray of float32
        Raw scores, by the name of the outputs.
    """

    cells: Scores
    crops: NDArray[np.uint8]
    total: int
    outputs: dict[str, Scores]


class References(NamedTuple):
    """The reference images of a bundle, and what was stored for them at the export.

    `picture` has the pixels, (S, S, 3), that the exporting machine read from ``picture.jpg``.
    `cells` is None unless the model judges cells.
    """

    inputs: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    outputs: dict[str, Scores]
    parity: dict[str, Any]
    cells: PictureCells | None = None


def read_references(bundle: Bundle) -> References:
    """Return the references of a bundle, whose files were compared with their hashes.

    Raises
    ------
    BundleError
        If a file cannot be read, or does not fit the bundle. The message names it.
    """
    for name in (INPUTS, OUTPUTS, PARITY, PICTURE):
        if name not in bundle.record["files"]:
            raise BundleError(f"the references of {bundle.path} have no {name}", fix=EXPORT_FIX)
    parity = _read_parity(bundle)
    count, side = parity["reference"]["images"], bundle.image_settings.size
    shapes = {"inputs": (count, side, side, 3), "picture": (side, side, 3)}
    inputs = read_arrays(bundle.path / INPUTS, shapes, np.uint8)
    names = {FLOAT, *bundle.formats}
    for name in bundle.formats:
        names |= set(variants(parity["formats"][name]).values())
    shape = (count, len(bundle.labels))
    outputs = read_arrays(bundle.path / OUTPUTS, dict.fromkeys(sorted(names), shape), np.float32)
    if not np.isfinite(outputs[FLOAT]).all():  # nothing can be compared with it
        raise BundleError(
            f"{bundle.path / OUTPUTS}: an output of the float model is not finite", fix=EXPORT_FIX
        )
    cells = _read_cells(bundle, parity, outputs) if "cells" in bundle.record else None
    return References(inputs["inputs"], inputs["picture"], outputs, parity, cells)


def _read_cells(bundle: Bundle, parity: dict[str, Any], outputs: Iterable[str]) -> PictureCells:
    """Return the stored cells of ``picture.jpg``."""
    try:
        number = parity["reference"].get("picture")
        numbers = check_object(number, "reference.picture", ["cells", "stored"])
        count = check_integer(numbers["cells"], "reference.picture.cells", 0, MAX_CELLS)
        stored = check_integer(numbers["stored"], "reference.picture.stored", 0, count)
        for name in bundle.formats:
            check_object(parity["formats"][name].get("field"), f"formats.{name}.field", FIELD_KEYS)
    except InvalidValueError as error:
        raise BundleError(
            f"{bundle.path / PARITY}: {error.key} {error.what}",
            allowed=error.allowed,
            fix=EXPORT_FIX,
        ) from None
    side = bundle.image_settings.size
    crops = read_arrays(bundle.path / INPUTS, {"crops": (stored, side, side, 3)}, np.uint8)
    names = {name: cell_outputs_name(name) for name in sorted({*outputs} - {FLOAT})}
    shapes = dict.fromkeys(names.values(), (stored, len(bundle.labels)))
    arrays = read_arrays(bundle.path / OUTPUTS, {**shapes, POSITIONS: (stored, 3)}, np.float32)
    by_outputs = {name: arrays[stored_name] for name, stored_name in names.items()}
    return PictureCells(arrays[POSITIONS], crops["crops"], count, by_outputs)


def cell_outputs_name(outputs: str) -> str:
    """Return the name of the array with the scores of the cells of ``picture.jpg``.

    Examples
    --------
    >>> cell_outputs_name("tflite")
    'cells-tflite'
    """
    return f"cells-{outputs}"


def variants(row: dict[str, Any]) -> dict[str, str]:
    """Return the names of the outputs that other kernels of the engine compute, by kernels."""
    return {kernels: variant["outputs"] for kernels, variant in row.get("variants", {}).items()}


def _read_parity(bundle: Bundle) -> dict[str, Any]:
    file: Path = bundle.path / PARITY
    try:
        parity: dict[str, Any] = read_json(file, error=BundleError, fix=EXPORT_FIX)
        check_object(parity, "", ["schema", "schema_version"])
        check_choice(parity["schema"], "schema", [SCHEMA])
        check_integer(parity["schema_version"], "schema_version", SCHEMA_VERSION, SCHEMA_VERSION)
        check_object(parity, "", ["reference", "formats"])
        reference = check_object(parity["reference"], "reference", ["source", "images", "flags"])
        check_text(reference["source"], "reference.source")
        count = check_integer(reference["images"], "reference.images", 1, MAX_IMAGES)
        check_list(reference["flags"], "reference.flags", count, count)
        check_items(reference["flags"], "reference.flags", _check_texts)
        formats = check_object(parity["formats"], "formats", bundle.formats)
        for name in bundle.formats:
            _check_row(formats[name], f"formats.{name}", count, bundle.labels)
    except InvalidValueError as error:
        raise BundleError(
            f"{file}: {error.key} {error.what}", allowed=error.allowed, fix=EXPORT_FIX
        ) from None
    return parity


def _check_row(value: object, key: str, images: int, labels: tuple[str, ...]) -> None:
    names = (*SHARES, *COUNTS, "images", "verdict", "measured_on", "tolerance", "answers")
    row = check_object(value, key, names)
    for name in SHARES:
        check_number(row[name], f"{key}.{name}", 0, 1)
    for name in COUNTS:
        check_integer(row[name], f"{key}.{name}", 0, 1 << 40)
    check_integer(row["images"], f"{key}.images", 1, 1 << 40)
    check_choice(row["verdict"], f"{key}.verdict", VERDICTS)
    check_choice(row["measured_on"], f"{key}.measured_on", MEASURED_ON)
    for name, allowed in (("figures", FIGURES), ("gate", GATES)):
        if row.get(name) is not None:
            check_choice(row[name], f"{key}.{name}", allowed)
    tolerance = check_object(row["tolerance"], f"{key}.tolerance", ["here_max_dp"])
    check_number(tolerance["here_max_dp"], f"{key}.tolerance.here_max_dp", 0, 1)
    for kernels, variant in check_object(row.get("variants", {}), f"{key}.variants").items():
        check_text(kernels, f"{key}.variants: the name of the kernels")
        where = f"{key}.variants.{kernels}"
        check_text(check_object(variant, where, ["outputs"])["outputs"], f"{where}.outputs")
    if "fields" in row:
        fields = check_object(row["fields"], f"{key}.fields", ["lost_positives"])
        check_integer(fields["lost_positives"], f"{key}.fields.lost_positives", 0, 1 << 40)
    _check_answers(row["answers"], f"{key}.answers", images, labels)


def _check_answers(value: object, key: str, images: int, labels: tuple[str, ...]) -> None:
    row = check_object(value, key, ["labels", "probabilities", "indeterminate"])
    for name in row:
        check_list(row[name], f"{key}.{name}", images, images)
    check_items(row["labels"], f"{key}.labels", lambda v, k: check_choice(v, k, labels))
    check_numbers(row["probabilities"], f"{key}.probabilities", images, 0, 1)
    for number, item in enumerate(row["indeterminate"]):
        if not isinstance(item, bool):
            raise invalid(f"{key}.indeterminate[{number}]", item, "true or false")


def _check_texts(value: object, key: str) -> object:
    return check_items(value, key, check_text)
