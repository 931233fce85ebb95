"""Overlays show the regions that the label rests on; the tiny network uses one corner."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
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
    with Image.open(tmp_path / "out" / "slide.overlay.jpg") as drawn:
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
    assert names == ["image-2.overlay.jpg", "image.overlay.jpg", "slide.overlay.jpg"]


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


@pytest.mark.parametrize("name", ["a\nb", "x" * 220, "血" * 83, "ünïcode", "a:b*c", " . "])
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
    assert len(os.fsencode(written.name)) <= 220
    assert written.name.isprintable()


def test_a_label_without_evidence_in_any_region_is_drawn_too(bundle: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (128, 128, 128)).save(tmp_path / "grey.png")
    with Classifier.load(bundle) as classifier:
        classifier.classify(tmp_path / "grey.png", overlay=tmp_path / "out")
    with Image.open(tmp_path / "out" / "grey.overlay.jpg") as drawn:
        assert drawn.width >= 480


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no overlays can be written"):
        Overlays(tmp_path / "file")


class Pictures:
    """A folder of pictures, and a folder of overlays that breaks while they are classified."""

    def __init__(self, folder: Path, make_picture: Maker) -> None:
        self.images = [folder / f"{number}.png" for number in range(3)]
        for number, path in enumerate(self.images):
            make_picture(seed=number).save(path)
        self.out = folder / "out"

    def broken_after_first(self) -> Iterator[Path]:
        """Yield the pictures; a file takes the place of the folder after the first one."""
        for number, path in enumerate(self.images):
            if number == 1:
                shutil.rmtree(self.out)
                self.out.touch()
            yield path


def test_an_answer_does_not_depend_on_its_picture(
    bundle: Path, tmp_path: Path, make_picture: Maker
) -> None:
    pictures = Pictures(tmp_path, make_picture)
    with Classifier.load(bundle) as classifier:
        plain = [classifier.classify(path) for path in pictures.images]
        results = list(classifier.classify(pictures.broken_after_first(), pictures.out))
    assert [result.label for result in results] == [result.label for result in plain]
    assert [result.overlay_error is None for result in results] == [True, False, False]
    assert "out" in str(results[1].overlay_error)
    assert [result.overlay is None for result in results] == [False, True, True]


@pytest.mark.parametrize("style", ["--json", "--csv"])
def test_a_batch_whose_disk_is_full_is_answered_and_exits_with_1(
    bundle: Path,
    tmp_path: Path,
    make_picture: Maker,
    monkeypatch: pytest.MonkeyPatch,
    style: str,
) -> None:
    def fill_disk(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("alledge.runtime.outputs.flush_file", fill_disk)
    pictures = Pictures(tmp_path, make_picture)
    arguments = ["classify", *map(str, pictures.images), "--bundle", str(bundle), style]
    result = CliRunner().invoke(main, [*arguments, "--overlay", str(pictures.out)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout.count("tiny-float32") == 3
    assert result.stderr.count("No space left on device") == 3
    assert list(pictures.out.iterdir()) == []
    if style == "--json":
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert all(record["error"] is None for record in records)
        assert all("No space left" in record["overlay_error"] for record in records)


def test_an_overlay_that_exceeds_the_time_limit_keeps_the_answer(
    bundle: Path, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*_: object) -> None:
        release.wait()

    monkeypatch.setattr(Overlays, "write", hang)
    with Classifier.load(bundle, timeout_s=0.5) as classifier:
        result = classifier.classify(slide, overlay=tmp_path / "out")
        release.set()
    assert (result.label, result.error) == ("blast", None)
    assert "0.5 s" in str(result.overlay_error)


def test_an_existing_overlay_is_an_error_before_anything_is_classified(
    bundle: Path, slide: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with Classifier.load(bundle) as classifier:
        first = classifier.classify(slide, overlay=out)
        content = Path(str(first.overlay)).read_bytes()
        for source in (slide, [slide]):
            with pytest.raises(UsageError, match=r"slide.overlay.jpg exists already"):
                classifier.classify(source, overlay=out)
        assert classifier.classify(slide, out, force=True).overlay == first.overlay
        (result,) = classifier.classify(iter([slide]), out)
    assert "exists already" in str(result.overlay_error)
    assert Path(str(first.overlay)).read_bytes() == content
    assert [path.name for path in out.iterdir()] == ["slide.overlay.jpg"]


def test_an_overlay_never_replaces_an_image(bundle: Path, slide: Path, tmp_path: Path) -> None:
    image = tmp_path / "slide.overlay.jpg"
    Image.open(slide).convert("RGB").save(image)
    content = image.read_bytes()
    with Classifier.load(bundle) as classifier, pytest.raises(UsageError, match="is an input"):
        classifier.classify([slide, image], overlay=tmp_path, force=True)
    assert image.read_bytes() == content
