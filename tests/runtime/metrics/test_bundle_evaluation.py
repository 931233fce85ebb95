"""A bundle is measured with its own engine, without the images it was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from alledge.errors import AllImagesSeenError, DataError
from alledge.runtime.bundle.seen_images import pixel_hash
from alledge.runtime.guards.fitting import MIN_IMAGES, fit_guards
from alledge.runtime.guards.image_statistics import image_statistics
from alledge.runtime.imaging import load_image, load_rgb
from alledge.runtime.metrics.bundle_evaluation import evaluate_bundle
from alledge.runtime.types import GuardsRecord

RED, GREEN = (220, 40, 60), (40, 220, 60)


@pytest.fixture
def data(tmp_path: Path, make_picture: Callable[..., Image.Image]) -> Path:
    root = tmp_path / "data"
    for label, colour in (("healthy", GREEN), ("blast", RED)):
        (root / label).mkdir(parents=True)
        for number in range(4):
            tint = Image.new("RGB", (320, 240), colour)
            picture = Image.blend(make_picture(seed=number), tint, 0.8)
            picture.save(root / label / f"{number}.png")
    return root


@pytest.mark.parametrize("backend", ["tflite", "onnx", "openvino"])
def test_every_backend_is_measured_through_its_own_engine(
    bundle: Path, data: Path, backend: str
) -> None:
    document = evaluate_bundle(bundle, data, backend=backend)
    assert document["subject"]["backend"] == backend
    assert document["operating"]["accuracy"]["value"] == 1.0
    assert document["operating"]["images"] == 8
    assert document["seen_left_out"] == 0


def test_seen_images_are_left_out_and_counted(
    own_bundle: Path, bundles: ModuleType, data: Path
) -> None:
    hashes = [pixel_hash("00ff", load_rgb(data / "blast" / f"{n}.png")) for n in (0, 1)]
    bundles.edit(own_bundle, seen={"salt": "00ff", "hashes": hashes})
    (data / "blast" / "0.png").rename(data / "blast" / "renamed.png")
    document = evaluate_bundle(own_bundle, data)
    assert (document["seen_left_out"], document["operating"]["images"]) == (2, 6)
    document = evaluate_bundle(own_bundle, data, include_seen=True)
    assert (document["seen_included"], document["operating"]["images"]) == (2, 8)


def test_nothing_left_to_measure_is_an_error(
    own_bundle: Path, bundles: ModuleType, data: Path
) -> None:
    hashes = [pixel_hash("00", load_rgb(path)) for path in data.rglob("*.png")]
    bundles.edit(own_bundle, seen={"salt": "00", "hashes": hashes})
    with pytest.raises(AllImagesSeenError, match="--include-seen"):
        evaluate_bundle(own_bundle, data)


def test_labels_the_bundle_does_not_give_are_refused(bundle: Path, data: Path) -> None:
    (data / "blast").rename(data / "lymphoma")
    with pytest.raises(DataError, match="lymphoma"):
        evaluate_bundle(bundle, data)


def test_a_file_damaged_beyond_its_header_is_named(bundle: Path, data: Path) -> None:
    file = data / "blast" / "2.png"
    file.write_bytes(file.read_bytes()[:2000])
    document = evaluate_bundle(bundle, data)
    assert [row["image"] for row in document["failed"]] == ["blast/2.png"]
    assert document["operating"]["images"] == 7


def test_a_data_set_without_a_readable_image_is_not_called_seen(bundle: Path, data: Path) -> None:
    for file in data.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"none of the 8 images of .* can be read") as caught:
        evaluate_bundle(bundle, data)
    assert not isinstance(caught.value, AllImagesSeenError)


def guards_of(*folders: Path) -> GuardsRecord:
    rows = [image_statistics(*load_image(path)) for f in folders for path in f.iterdir()]
    fitted = fit_guards(rows * MIN_IMAGES)
    assert fitted is not None
    return fitted


def test_images_that_the_guards_send_to_review_are_counted_by_flag(
    own_bundle: Path, bundles: ModuleType, data: Path
) -> None:
    bundles.edit(own_bundle, guards=guards_of(data / "healthy", data / "blast"))
    review = evaluate_bundle(own_bundle, data, backend="tflite")["review"]
    assert (review["guarded"], review["images"], review["flags"]) == (True, 0, {})
    assert review["unflagged"]["images"] == 8

    bundles.edit(own_bundle, guards=guards_of(data / "healthy"))
    document = evaluate_bundle(own_bundle, data, backend="tflite")
    assert document["operating"]["images"] == 8
    assert document["review"]["images"] == 4
    assert document["review"]["flags"]["off_domain"] == 4
    assert document["review"]["unflagged"]["images"] == 4
    assert document["review"]["unflagged"]["sensitivity"] is None  # every blast has a flag

    for path in data.rglob("*.png"):
        with Image.open(path) as image:
            image.resize((120, 90)).save(path)
    document = evaluate_bundle(own_bundle, data, backend="tflite")
    assert document["review"]["images"] == 8
    assert document["review"]["flags"]["too_small"] == 8
    assert document["review"]["unflagged"] is None


def test_without_guards_only_the_indeterminate_images_are_counted(
    own_bundle: Path, bundles: ModuleType, data: Path
) -> None:
    record = json.loads((own_bundle / "bundle.json").read_text(encoding="utf-8"))
    for row in record["formats"].values():
        row["band"] = [0.0, 1.0]
    bundles.edit(own_bundle, formats=record["formats"])
    review = evaluate_bundle(own_bundle, data, backend="tflite")["review"]
    assert review["guarded"] is False
    assert review["flags"] == {"indeterminate": 8}
