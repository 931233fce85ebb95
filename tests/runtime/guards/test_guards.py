"""The guards flag no image like the training images, and flag others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from alledge.benchmarks.internal.non_smear_images import KINDS, is_untouched
from alledge.errors import BundleError
from alledge.runtime.guards.fitting import MIN_IMAGES, fit_guards
from alledge.runtime.guards.guards import Guards
from alledge.runtime.guards.image_statistics import image_statistics, percentiles
from alledge.runtime.imaging import Header, load_rgb
from alledge.runtime.types import RGB

LIGHT, RED_CELL, NUCLEUS = (215, 205, 200), (205, 150, 165), (110, 70, 150)
CANON = Header(640, 480, "Canon PowerShot G5")


def smear(seed: int, light: tuple[int, ...] = LIGHT) -> RGB:
    """Draw discs in stain colours on a bright field, a little otherwise each time."""
    rng = np.random.default_rng(seed)
    shade = rng.normal(0, 4, 3)
    image = Image.new("RGB", (640, 480), tuple(int(v) for v in np.add(light, shade)))
    pen = ImageDraw.Draw(image)
    for number in range(int(rng.integers(130, 190))):
        x, y, r = rng.uniform(0, 640), rng.uniform(0, 480), rng.uniform(13, 17)
        colour = NUCLEUS if number % 40 == 0 else RED_CELL
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(v + shade[0]) for v in colour))
    noisy = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2))) + rng.normal(
        0, 2, (480, 640, 3)
    )
    return load_rgb(np.clip(noisy, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    fitted = fit_guards([image_statistics(smear(seed), CANON) for seed in range(40)])
    assert fitted is not None
    loaded: dict[str, Any] = json.loads(json.dumps(fitted, allow_nan=False))
    return loaded


@pytest.fixture(scope="module")
def guards(record: dict[str, Any]) -> Guards:
    return Guards(record)


def test_few_images_of_the_same_kind_are_flagged(guards: Guards) -> None:
    flagged = [guards.flags(image_statistics(smear(seed), CANON)) for seed in range(1000, 1040)]
    assert sum(map(bool, flagged)) <= 4


def test_a_blurred_image_is_flagged(guards: Guards) -> None:
    soft = Image.fromarray(smear(1)).filter(ImageFilter.GaussianBlur(1.5))
    assert "blurred" in guards.flags(image_statistics(np.asarray(soft), CANON))


@pytest.mark.parametrize("gain", [0.15, 1.9])
def test_a_dark_or_clipped_image_is_flagged_for_its_exposure(guards: Guards, gain: float) -> None:
    pixels = np.clip(smear(1) * gain, 0, 255).astype(np.uint8)
    assert "exposure" in guards.flags(image_statistics(pixels, CANON))


# the untouched half is for measuring (benchmarks/internal/guard_evaluation.py): whoever mended the
# guards until a test on it passed would have tuned on it
TUNED_ON = [kind for kind in KINDS if not is_untouched(f"drawn/{kind}")]


@pytest.mark.parametrize("kind", TUNED_ON)
def test_every_kind_of_non_smear_picture_is_flagged(guards: Guards, kind: str) -> None:
    for seed in range(3):
        picture = KINDS[kind](np.random.default_rng(seed))
        assert guards.flags(image_statistics(load_rgb(picture))), kind


@pytest.mark.parametrize("kind", ["white_noise", "page", "checks", "landscape", "tissue", "blank"])
def test_a_picture_that_is_no_smear_is_off_domain(guards: Guards, kind: str) -> None:
    picture = KINDS[kind](np.random.default_rng(0))
    flags = guards.flags(image_statistics(load_rgb(picture)))
    assert "off_domain" in flags
    assert "unfamiliar_microscope" not in flags


def test_another_colour_of_the_background_is_an_unfamiliar_microscope(guards: Guards) -> None:
    flags = guards.flags(image_statistics(smear(1, light=(240, 205, 150))))
    assert "unfamiliar_microscope" in flags or "off_domain" in flags


def test_another_camera_is_an_unfamiliar_microscope(guards: Guards) -> None:
    statistics = image_statistics(smear(1), Header(640, 480, "C2500L"))
    assert guards.flags(statistics) == ("unfamiliar_microscope",)


def test_an_image_without_a_camera_gets_no_flag_for_it(guards: Guards) -> None:
    assert guards.flags(image_statistics(smear(1))) == guards.flags(
        image_statistics(smear(1), CANON)
    )


def test_cameras_are_ignored_if_training_images_had_none(record: dict[str, Any]) -> None:
    silent = Guards({**record, "cameras": []})
    assert silent.flags(image_statistics(smear(1), Header(640, 480, "C2500L"))) == ()


def test_too_few_images_make_no_guards() -> None:
    rows = [image_statistics(smear(seed)) for seed in range(MIN_IMAGES - 1)]
    assert fit_guards(rows) is None
    assert Guards(None).flags(rows[0]) == ()
    assert not Guards(None).active


def test_guards_can_be_fitted_to_identical_images() -> None:
    one = image_statistics(smear(3))
    fitted = Guards(fit_guards([one] * MIN_IMAGES))
    assert fitted.flags(one) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"off_domain": {}},
        {"off_domain": None},
        {"blurred": 5},
        {"cameras": None},
        {
            "unfamiliar_microscope": {
                "features": ["grid"],
                "centre": [],
                "scale": [],
                "precision": [],
            }
        },
    ],
)
def test_a_damaged_record_is_refused(record: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="guards"):
        Guards({**record, **change})


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), low=st.integers(0, 255), size=st.sampled_from([32, 64, 224]))
def test_any_pixels_have_finite_statistics(seed: int, low: int, size: int) -> None:
    pixels = np.random.default_rng(seed).integers(low, 256, (size, size, 3), dtype=np.uint8)
    if seed % 3 == 0:
        pixels[:] = pixels[0, 0]
    statistics = image_statistics(pixels)
    assert all(np.isfinite(value) for name, value in statistics.items() if name != "camera")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 400), rows=st.integers(1, 3))
def test_percentiles_are_those_of_numpy(seed: int, count: int, rows: int) -> None:
    values = np.random.default_rng(seed).random((rows, count), dtype=np.float32)
    wanted = np.percentile(values, (0, 50, 90, 100), axis=1)
    assert np.allclose(percentiles(values, (0, 50, 90, 100)), wanted, atol=1e-6)
