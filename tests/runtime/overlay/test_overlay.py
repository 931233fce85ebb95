"""Overlays show the regions that the label rests on; the tiny network uses one corner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from alledge.cli import main
from alledge.errors import UsageError
from alledge.runtime.backends import BACKENDS
from alledge.runtime.classifier import Classifier
from alledge.runtime.imaging import load_rgb
from alledge.runtime.overlay.overlay import LEAST_EVIDENCE, LONGEST_PIXELS, Overlays, evidence_map
from alledge.runtime.types import RGB

Maker = Callable[..., Image.Image]


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A grey field that is red where the tiny network looks: its top left sixteenth."""
    image = Image.new("RGB", (1600, 1200), (190, 190, 190))
    image.paste((230, 60, 90), (0, 0, 400, 300))
    image.save(tmp_path / "slide.png")
    return tmp_path / "slide.png"


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_evidence_is_at_the_place_that_the_network_uses(
    bundle: Path, slide: Path, backend: str
) -> None:
    with Classifier.load(bundle, backend) as classifier:
        assert classifier.classify(slide).label == "blast"
        evidence = evidence_map(classifier, load_rgb(slide), 1)
    y, x = np.unravel_index(evidence.argmax(), evidence.shape)
    assert y < 56
    assert x < 56
    assert evidence[:56, :56].mean() > 5 * evidence[112:, 112:].mean()


def test_evidence_for_one_label_is_evidence_against_the_other(bundle: Path, slide: Path) -> None:
    with Classifier.load(bundle) as classifier:
        blast, healthy = (evidence_map(classifier, load_rgb(slide), index) for index in (1, 0))
    assert np.allclose(blast, -healthy, atol=1e-3)


class TwoCells:
    """Sure of a blast as long as one of two places is dark: hiding either changes nothing."""

    def scores(self, rgb: RGB) -> NDArray[np.float64]:
        evidence = any(rgb[at : at + 32, at : at + 32].mean() < 100 for at in (32, 160))
        return np.array([0.01, 0.99] if evidence else [0.99, 0.01])


def test_if_several_places_carry_the_label_each_is_shown_alone() -> None:
    rgb = np.full((224, 224, 3), 220, np.uint8)
    for at in (32, 160):
        rgb[at : at + 32, at : at + 32] = 20
    assert np.abs(evidence_map(TwoCells(), rgb, 1)).max() < LEAST_EVIDENCE
    evidence = evidence_map(TwoCells(), rgb, 1, alone=True)
    cells = [evidence[at : at + 32, at : at + 32].mean() for at in (32, 160)]
    assert min(cells) > 10 * max(float(evidence[160:192, 32:64].max()), 0.01)


def test_an_overlay_keeps_the_image_and_adds_a_caption(
    bundle: Path, slide: Path, tmp_path: Path
) -> None:
    with Classifier.load(bundle) as classifier:
        classifier.classify(slide, overlay=tmp_path / "out")
    with Image.open(tmp_path / "out" / "slide.jpg") as drawn:
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
    assert pixels.shape[1] == LONGEST_PIXELS
    assert pixels.shape[0] > LONGEST_PIXELS * 3 // 4
    height = LONGEST_PIXELS * 3 // 4
    assert np.abs(pixels[height // 10, LONGEST_PIXELS // 10] - (230, 60, 90)).max() < 12
    far = pixels[height * 9 // 10, LONGEST_PIXELS * 9 // 10]
    assert far.min() > 200  # paled


def test_every_kind_of_source_has_an_overlay(bundle: Path, slide: Path, tmp_path: Path) -> None:
    with Classifier.load(bundle) as classifier, Image.open(slide) as image:
        sources = [slide, image, load_rgb(slide)]
        results = list(classifier.classify(sources, overlay=tmp_path / "out"))
    assert [result.status for result in results] == ["ok"] * 3
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["image-2.jpg", "image.jpg", "slide.jpg"]


def test_an_error_record_has_no_overlay(bundle: Path, tmp_path: Path) -> None:
    with Classifier.load(bundle) as classifier:
        assert classifier.classify(tmp_path / "none.jpg", tmp_path / "out").status == "error"
    assert list((tmp_path / "out").iterdir()) == []


def test_equal_names_do_not_overwrite_each_other(
    bundle: Path, tmp_path: Path, make_picture: Maker
) -> None:
    given = [tmp_path / folder / "a.png" for folder in ("x", "y")]
    for number, path in enumerate(given):
        path.parent.mkdir()
        make_picture(seed=number).save(path)
    arguments = ["classify", *map(str, given), "--bundle", str(bundle), "--mode", "throughput"]
    result = CliRunner().invoke(main, [*arguments, "--overlay", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("name", ["a\nb", "x" * 220, "ünïcode", "a:b*c", " . "])
def test_odd_names_make_safe_file_names(
    bundle: Path, tmp_path: Path, make_picture: Maker, name: str
) -> None:
    file = tmp_path / f"{name}.png"
    try:
        make_picture().save(file)
    except OSError:
        pytest.skip("no such name on this file system")
    with Classifier.load(bundle) as classifier:
        classifier.classify(file, overlay=tmp_path / "out")
    (written,) = (tmp_path / "out").iterdir()
    assert len(written.name) <= 120
    assert written.name.isprintable()


def test_a_label_without_evidence_in_any_region_is_drawn_too(bundle: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (128, 128, 128)).save(tmp_path / "grey.png")
    with Classifier.load(bundle) as classifier:
        classifier.classify(tmp_path / "grey.png", overlay=tmp_path / "out")
    with Image.open(tmp_path / "out" / "grey.jpg") as drawn:
        assert drawn.width >= 480


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no overlays can be written"):
        Overlays(tmp_path / "file")


def test_a_folder_that_cannot_be_written_to_is_refused(
    bundle: Path, slide: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "slide.jpg").mkdir(parents=True)
    with (
        Classifier.load(bundle) as classifier,
        pytest.raises(UsageError, match="cannot be written"),
    ):
        classifier.classify(slide, overlay=out)
    assert [path.name for path in out.iterdir()] == ["slide.jpg"]
