"""The guards flag no image like the training images, and flag others."""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from alledge.benchmarks.internal.damaged_fields import CHANGES
from alledge.benchmarks.internal.non_smear_images import KINDS, is_untouched
from alledge.errors import BundleError
from alledge.runtime.guards.fitting import MIN_IMAGES, fit_guards
from alledge.runtime.guards.guards import Guards
from alledge.runtime.guards.image_statistics import image_statistics, percentiles
from alledge.runtime.guards.site_setup import site_setup, with_setup
from alledge.runtime.imaging import Header, load_image, load_rgb
from alledge.runtime.types import RGB

LIGHT, RED_CELL, NUCLEUS = (215, 205, 200), (205, 150, 165), (110, 70, 150)
CANON = Header(640, 480, "Canon PowerShot G5")


def smear(seed: int, light: tuple[int, ...] = LIGHT) -> RGB:
    """Draw a field as the model sees it."""
    return load_rgb(np.asarray(field(seed, light)))


def field(seed: int, light: tuple[int, ...] = LIGHT) -> Image.Image:
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
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


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


def brighter(seed: int) -> RGB:
    """Draw a field whose background is bright and not white."""
    return np.clip(smear(seed) * 1.12, 0, 245).astype(np.uint8)


def test_a_brighter_image_that_is_not_clipped_is_of_an_unfamiliar_microscope(
    guards: Guards,
) -> None:
    for seed in range(1000, 1005):
        assert guards.flags(image_statistics(brighter(seed), CANON)) == ("unfamiliar_microscope",)


def test_a_site_knows_its_own_brightness(record: dict[str, Any]) -> None:
    usual = image_statistics(smear(1), CANON)
    bright = {**usual, "brightness": record["exposure"]["brightness"][1] + 0.01}
    known = Guards(with_setup(record, site_setup([bright] * 10)))  # type: ignore[arg-type]
    assert Guards(record).flags(bright) == ("unfamiliar_microscope",)
    assert known.flags(bright) == known.flags(usual) == ()
    assert known.flags({**bright, "brightness": 0.99}) == ("unfamiliar_microscope",)
    assert known.flags({**bright, "white": 0.5}) == ("exposure",)
    assert known.flags({**usual, "brightness": 0.1}) == ("exposure",)


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
        {"schema_version": 3},
        {"schema_version": None},
        {"images": 0, "sizes": []},
        {"sizes": {"usual": [], "shorter_side": [9, 1], "aspect": [1, 2]}},
        {"sizes": {"usual": [[640, 0]], "shorter_side": [1, 9], "aspect": [1, 2]}},
        {"sizes": {"usual": [], "shorter_side": [1, float("nan")], "aspect": [1, 2]}},
        {"frame": {"border": [float("nan"), None]}},
        {"frame": {"border": ["1", None]}},
        {"stain": {"skew": [2, 1]}},
        {"stain": {"skew": [True, None]}},
        {"stain": {"unknown": [None, 1]}},
        {"stain": []},
        {"off_domain": {}},
        {"off_domain": None},
        {"blurred": 5},
        {"cameras": None},
        {
            "unfamiliar_microscope": {
                "features": ["grid"],
                "centres": [],
                "scale": [],
                "precision": [],
            }
        },
    ],
)
def test_a_damaged_record_is_refused(record: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="guards"):
        Guards({**record, **change})


STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 1e308, float("nan"), float("inf"), "", "1", "x" * 1000),
    *([], [None], [[]], [1, 2, 3], {}, {"features": []}, {"border": [1]}),
]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of a value and of all inside it; of a list, the first item stands for all."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths_of(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from paths_of(value[0], (*path, 0))


def test_no_value_of_the_record_ends_in_another_error(record: dict[str, Any]) -> None:
    statistics = image_statistics(smear(1), CANON)
    refused = 0
    for path in list(paths_of(record))[1:]:
        for value in STRANGE:
            changed = copy.deepcopy(record)
            place = changed
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            try:
                Guards(changed).flags(statistics)
            except BundleError:  # any other error ends the test
                refused += 1
    assert refused > 700


def test_a_limit_that_is_no_number_is_refused(record: dict[str, Any]) -> None:
    for limit in (float("nan"), float("inf"), None, "1", True, [1.0, 2.0]):
        with pytest.raises(BundleError, match="guards"):
            Guards({**record, "off_domain": {**record["off_domain"], "limit": limit}})


def test_guards_of_the_first_version_say_to_export_again(record: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="export the run again"):
        Guards({**record, "schema_version": 1})


def flags_of(guards: Guards, pixels: RGB, header: Header = CANON) -> tuple[str, ...]:
    return guards.flags(image_statistics(pixels, header))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
def test_exchanged_channels_are_off_domain(guards: Guards, order: tuple[int, ...]) -> None:
    for seed in range(1000, 1010):
        assert "off_domain" in flags_of(guards, smear(seed)[..., list(order)])


ALTERED = [
    *CHANGES["colour"],
    *(kind for kind in CHANGES["frame"] if kind not in ("photograph of a screen", "round field")),
]
GRADUAL = {"yellow cast", "blue cast", "linear light", "gamma 2.2 twice", "saturation × 0.2"}


@pytest.mark.parametrize("kind", ALTERED)
def test_a_field_with_changed_colours_or_a_frame_is_flagged(guards: Guards, kind: str) -> None:
    change = (CHANGES["colour"] | CHANGES["frame"])[kind]
    for seed in range(1000, 1003):
        flags = flags_of(guards, load_rgb(change(field(seed))))
        assert flags
        assert "off_domain" in flags or kind in GRADUAL


# the drawn fields vary too little in brightness, and have too little detail, for the other kinds
@pytest.mark.parametrize("kind", ["unchanged", "mirrored", "turned by 90°", "centre, 98%"])
def test_a_field_with_a_harmless_change_is_not_flagged(guards: Guards, kind: str) -> None:
    changed = [CHANGES["harmless"][kind](field(seed)) for seed in range(1000, 1020)]
    flags = [guards.flags(image_statistics(*load_image(image))) for image in changed]
    assert sum(map(bool, flags)) <= 2


@pytest.mark.parametrize(("width", "height"), [(224, 168), (200, 150), (160, 120), (320, 240)])
def test_a_thumbnail_is_too_small(guards: Guards, width: int, height: int) -> None:
    for size in ((width, height), (height, width)):
        assert "too_small" in flags_of(guards, smear(1), Header(*size, CANON.camera))


@pytest.mark.parametrize(
    "size", [(1280, 960), (800, 600), (640, 640), (640, 240), (1280, 480)], ids=str
)
def test_a_file_of_another_size_than_every_training_image_is_flagged(
    guards: Guards, size: tuple[int, int]
) -> None:
    flags = flags_of(guards, smear(1), Header(*size, CANON.camera))
    assert "unfamiliar_microscope" in flags
    assert ("too_small" in flags) == (min(size) < 480)


@pytest.mark.parametrize("size", [(480, 640), (636, 478), (650, 490)], ids=str)
def test_a_turned_or_slightly_trimmed_field_has_a_usual_size(
    guards: Guards, size: tuple[int, int]
) -> None:
    assert flags_of(guards, smear(1), Header(*size, CANON.camera)) == ()


def test_training_images_of_many_sizes_allow_the_sizes_between() -> None:
    rng = np.random.default_rng(0)
    sizes = [(int(w), int(w * 0.75)) for w in rng.integers(600, 1200, 40)]
    rows = [image_statistics(smear(n), Header(*size, "unknown")) for n, size in enumerate(sizes)]
    fitted = fit_guards(rows)
    assert fitted is not None
    assert fitted["sizes"] is not None
    assert fitted["sizes"]["usual"] == []
    several = Guards(fitted)
    assert flags_of(several, smear(1), Header(901, 677, "unknown")) == ()
    assert "too_small" in flags_of(several, smear(1), Header(400, 300, "unknown"))
    assert "unfamiliar_microscope" in flags_of(several, smear(1), Header(2400, 1800, "unknown"))
    assert "unfamiliar_microscope" in flags_of(several, smear(1), Header(900, 900, "unknown"))


def test_sizes_are_ignored_if_those_of_the_training_images_are_not_known() -> None:
    fitted = Guards(fit_guards([image_statistics(smear(seed)) for seed in range(20)]))
    assert flags_of(fitted, smear(1), Header(64, 48, "unknown")) == ()


def test_what_lies_between_two_microscopes_is_unfamiliar() -> None:
    lights = {"A": (225, 210, 195), "B": (185, 195, 215)}
    rows = [
        image_statistics(smear(seed, light), Header(640, 480, camera))
        for camera, light in lights.items()
        for seed in range(24)
    ]
    both = Guards(fit_guards(rows))
    between = tuple(int(value) for value in np.mean([*lights.values()], axis=0))
    for seed in range(1000, 1005):
        for light in lights.values():
            assert flags_of(both, smear(seed, light), Header(640, 480, "unknown")) == ()
        flags = flags_of(both, smear(seed, between), Header(640, 480, "unknown"))
        assert flags == ("unfamiliar_microscope",)


@pytest.mark.skipif("ALLEDGE_ALL_IDB1" not in os.environ, reason="needs a copy of ALL-IDB1")
def test_guards_of_all_idb1_flag_changed_fields_and_few_others() -> None:
    root = Path(os.environ["ALLEDGE_ALL_IDB1"])
    paths = sorted(root.rglob("im/Im*.jpg"))
    rows = [image_statistics(*load_image(path)) for path in paths[1::2]]
    fitted, other = Guards(fit_guards(rows)), paths[::8]
    for kind in ("channels bgr", "negative", "224 px wide", "centre, 50%"):
        change = {**CHANGES["colour"], **CHANGES["size"]}[kind]
        for path in other:
            with Image.open(path) as image:
                changed = change(image.convert("RGB"))
            assert fitted.flags(image_statistics(*load_image(changed))), (kind, path.name)
    untouched = [fitted.flags(image_statistics(*load_image(path))) for path in paths[::2]]
    assert sum(map(bool, untouched)) <= len(untouched) * 0.15


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


@pytest.mark.parametrize("sign", [1, -1])
def test_a_precision_that_hides_far_images_is_refused(record: dict[str, Any], sign: int) -> None:
    """Squared distances would be negative in some directions, and count as zero."""
    distance = copy.deepcopy(record["off_domain"])
    distance["precision"][0][1] = 1e3
    distance["precision"][1][0] = sign * 1e3
    with pytest.raises(BundleError, match="the guards of the bundle are damaged"):
        Guards({**record, "off_domain": distance})
