"""A wrong value of ``bundle.json`` is refused at loading; the error names key and value."""

from __future__ import annotations

import copy
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from alledge.errors import BundleError
from alledge.runtime.backends import BACKENDS
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.validation import FORMATS, validate_labels, validate_record
from alledge.runtime.classifier import Classifier
from alledge.runtime.guards.fitting import fit_guards
from alledge.runtime.guards.image_statistics import image_statistics
from alledge.runtime.imaging import Header
from alledge.runtime.json_values import InvalidValueError


@pytest.fixture(scope="module")
def guards() -> Any:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    header = Header(640, 480, "Canon")
    return fit_guards([image_statistics(image, header) for image in images])


WRONG: list[tuple[str, Any, str]] = [
    ("guards.blurred.sharpness.0", "x", 'guards.blurred.sharpness[0] is "x"; allowed: a number'),
    ("guards.blurred.sharpness.0", float("nan"), "guards.blurred.sharpness[0] is NaN"),
    ("guards.blurred.sharpness", [None, None], "guards.blurred.sharpness is [null, null]"),
    ("guards.blurred", {}, "guards.blurred is {}"),
    ("guards.exposure.white.1", float("inf"), "guards.exposure.white[1] is Infinity"),
    ("guards.off_domain.limit", float("nan"), "guards.off_domain.limit is NaN"),
    ("guards.off_domain.scale.0", 0, "guards.off_domain.scale[0] is 0"),
    ("guards.off_domain.precision.0.0", -1, "guards.off_domain.precision[0][0] is -1"),
    ("guards.off_domain.precision.0", [], "guards.off_domain.precision[0] has 0 values"),
    ("guards.off_domain.features.0", None, "guards.off_domain.features[0] is null"),
    ("guards.cameras", "Canon", 'guards.cameras is "Canon"; allowed: a list'),
    ("guards.schema_version", True, "guards.schema_version is true"),
    ("guards.other", {}, "guards.other is {}"),
    ("guards.off_domain.centres", [], "guards.off_domain.centres has 0 values"),
    ("guards.off_domain.centres.0", [1], "guards.off_domain.centres[0] has 1 values"),
    ("guards.stain.skew", "x", 'guards.stain.skew is "x"; allowed: a list'),
    ("guards.sizes.usual.0", [480, 640], "guards.sizes.usual[0] is [480, 640]"),
    ("guards.sizes.usual.0.1", 480.5, "guards.sizes.usual[0][1] is 480.5"),
    ("guards.sizes.aspect", [2, 1], "guards.sizes.aspect is [2, 1]"),
    ("guards.sizes.shorter_side.0", None, "guards.sizes.shorter_side[0] is null"),
    ("guards", [], "guards is []"),
    ("image_path.size", "224", 'image_path.size is "224"; allowed: an integer'),
    ("image_path.size", None, "image_path.size is null"),
    ("image_path.draft", 448.0, "image_path.draft is 448.0"),
    ("labels.0", None, "labels[0] is null"),
    ("labels.0", "", 'labels[0] is ""'),
    ("labels.0", "\x1b[31mhealthy", "no control characters"),
    ("labels.0", "hea\u202elthy", "no control characters"),
    ("labels.0", "x" * 101, "1 to 100 characters"),
    ("labels.0", " Blast", "labels[1] is \"blast\"; allowed: another name than ' Blast'"),
    ("labels", ["Leuk\u00e4mie", "Leuka\u0308mie"], "labels[1] is"),
    ("labels", ["blast", "\uff42last"], "labels[1] is"),
    ("labels", ["blast", "bla\u200dst"], "labels[1] is"),
    ("labels", ["acute  blast", "acute blast"], "labels[1] is"),
    ("labels", "healthy", 'labels is "healthy"'),
    ("positive", [], "positive has 0 values"),
    ("positive", ["blast", "blast"], "positive has 2 values"),
    ("positive.0", "Blast", 'positive[0] is "Blast"; allowed: healthy, blast'),
    ("name", "a\nb", 'name is "a\\nb"'),
    ("formats", {}, "formats is {}"),
    ("formats.tflite.temperature", 0, "formats.tflite.temperature is 0"),
    ("formats.tflite.temperature", "1", 'formats.tflite.temperature is "1"'),
    ("formats.tflite.threshold", True, "formats.tflite.threshold is true"),
    ("formats.tflite.band", [0.9, 0.1], "formats.tflite.band is [0.9, 0.1]"),
    ("formats.tflite.file", 5, "formats.tflite.file is 5"),
    ("formats.tflite.file", "other.tflite", "files.other.tflite is missing"),
    ("files.model.tflite", "AB" * 32, "files.model.tflite is"),
    ("sizes.model.tflite", -1, "sizes.model.tflite is -1"),
    ("sizes.model.tflite", 1.5, "sizes.model.tflite is 1.5"),
    ("seen.salt", "0", 'seen.salt is "0"'),
    ("seen.hashes", [1], "seen.hashes[0] is 1"),
    ("seen.hashes", ["0" * 31, "0" * 33], "seen.hashes[0] is"),
    ("training", None, "training is null"),
    ("metrics", 3, "metrics is 3"),
]


def replaced(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the record with another value at a path such as ``labels.0``."""
    document = copy.deepcopy(record)
    first, _, rest = path.partition(".")
    if first in ("files", "sizes"):  # their keys have dots
        document[first][rest] = value
        return document
    place: Any = document
    *parents, last = path.split(".")
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return document


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[row[2] for row in WRONG])
def test_a_wrong_value_is_named_with_its_key(
    bundle: Path, bundles: ModuleType, guards: Any, path: str, value: Any, message: str
) -> None:
    record = {**bundles.read_record(bundle), "guards": guards}
    validate_record(record)
    with pytest.raises(InvalidValueError) as caught:
        validate_record(replaced(record, path, value))
    assert message in str(caught.value)


def test_every_key_is_required(bundle: Path, bundles: ModuleType, guards: Any) -> None:
    record = {**bundles.read_record(bundle), "guards": guards}
    missing = [("temperature",), ("threshold",), ("band",), ("file",)]
    for (key,) in missing:
        document = copy.deepcopy(record)
        del document["formats"]["onnx"][key]
        with pytest.raises(InvalidValueError, match=rf"formats\.onnx\.{key} is missing"):
            validate_record(document)
    for key in ("guards", "image_path", "labels", "positive", "seen", "metrics"):
        with pytest.raises(InvalidValueError, match=f"{key} is missing"):
            validate_record({name: value for name, value in record.items() if name != key})


def test_the_error_at_loading_names_file_key_and_value(
    own_bundle: Path, bundles: ModuleType
) -> None:
    bundles.edit(own_bundle, labels=[None, "blast"])
    with pytest.raises(BundleError) as caught:
        Bundle.open(own_bundle)
    assert str(own_bundle / "bundle.json") + ": labels[0] is null" in str(caught.value)


@pytest.mark.parametrize("flag", ["blurred", "exposure", "frame", "stain"])
def test_a_guard_of_an_unknown_statistic_is_refused_at_loading(
    own_bundle: Path, bundles: ModuleType, guards: Any, flag: str
) -> None:
    bundles.edit(own_bundle, guards={**guards, flag: {"shine": [0.0, None]}})
    with pytest.raises(BundleError, match="shine"):
        Classifier.load(own_bundle, "onnx", threads=1)


def test_labels_of_other_languages_are_allowed() -> None:
    validate_labels(["gesund", "Blaste – ALL"], ["Blaste – ALL"])
    validate_labels(["健康", "母细胞"], ["母细胞"])
    validate_labels(["سالم", "سلول\u200cهای بلاست"], ["سلول\u200cهای بلاست"])


def test_the_formats_are_those_that_have_a_backend() -> None:
    assert set(FORMATS) == set(BACKENDS)
