"""`guard_evaluation`: each image is evaluated by guards that were fitted without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from alledge.benchmarks.internal.damaged_fields import CHANGES
from alledge.benchmarks.internal.guard_evaluation import evaluate_out_of_fold, main
from alledge.benchmarks.internal.non_smear_images import KINDS, is_untouched
from alledge.errors import BundleError, DataError
from alledge.runtime.data.datasets import read_dataset
from alledge.runtime.guards.fitting import fit_guards
from alledge.runtime.guards.image_statistics import image_statistics
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_image

SCHEMA = Path(__file__).parents[3] / "runtime" / "schemas" / "guards.json"
IMAGES, FOLDS = 48, 2
CAMERAS = ("Camera A", "Camera B")
MODEL_TAG = 0x0110


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs in the colours of a stain, by two cameras, a folder per class."""
    root = tmp_path_factory.mktemp("discs")
    for number in range(IMAGES):
        rng = np.random.default_rng(number)
        image = Image.new("RGB", (256, 192), tuple(int(v) for v in rng.normal(210, 4, 3)))
        pen = ImageDraw.Draw(image)
        for x, y in rng.uniform(0, 256, (40, 2)):
            pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(205, 150, 165))
        exif = Image.Exif()
        exif[MODEL_TAG] = CAMERAS[number % 2]
        folder = root / ("healthy", "blast")[number // 2 % 2]
        folder.mkdir(exist_ok=True)
        image.save(folder / f"{number}.jpg", quality=95, exif=exif)
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of a finished run that is read."""
    folder = tmp_path_factory.mktemp("run")
    dataset = read_dataset(data)
    names = [dataset.relative(sample) for sample in dataset.samples]
    rows = [f"{name},{number % FOLDS}" for number, name in enumerate(names)]
    (folder / "split.csv").write_text("\n".join(["image,fold", *rows]), encoding="utf-8")
    guards = fit_guards([image_statistics(*load_image(sample.path)) for sample in dataset.samples])
    record = {"model": "tiny", "image_path": ImageSettings().to_json(), "guards": guards}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_the_document_agrees_with_its_schema(run: Path, data: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (200, 150, 160)).save(tmp_path / "other.png")
    arguments = [str(run), "--data", str(data), "--smears", str(tmp_path), "--json"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    evaluation = json.loads(result.stdout)
    jsonschema.validate(evaluation, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert evaluation["false_alarms"]["images"] == IMAGES
    pairs = [(row["fitted_on"], row["asked"]) for row in evaluation["between_cameras"]]
    assert pairs == [CAMERAS, CAMERAS[::-1]]
    for row in evaluation["between_cameras"]:
        assert row["named"]["flags"]["any"]["count"] == IMAGES // 2
        assert row["nameless"]["flags"]["any"]["count"] < IMAGES // 4
    assert evaluation["smears"]["images"] == 1
    assert not set(evaluation["foreign"]["untouched"]["kinds"]) & set(
        evaluation["foreign"]["tuned_on"]["kinds"]
    )


def test_fields_are_counted_for_each_kind_of_change(run: Path, data: Path, tmp_path: Path) -> None:
    for number in (0, 4):
        shutil.copy(data / "healthy" / f"{number}.jpg", tmp_path)
    arguments = [str(run), "--fields", str(tmp_path)]
    evaluation = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    jsonschema.validate(evaluation, json.loads(SCHEMA.read_text(encoding="utf-8")))
    fields = evaluation["fields"]
    assert {group: set(kinds) for group, kinds in fields.items()} == {
        group: set(kinds) for group, kinds in CHANGES.items()
    }
    assert fields["harmless"]["unchanged"]["flags"]["any"]["count"] == 0
    assert fields["colour"]["channels bgr"]["flags"]["off_domain"]["count"] == 2
    assert fields["size"]["100 px wide"]["flags"]["too_small"]["count"] == 2
    table = CliRunner().invoke(main, arguments, catch_exceptions=False).stdout
    assert "colour: channels bgr" in table


def test_guards_of_an_earlier_version_are_fitted_to_the_data_again(
    run: Path, data: Path, tmp_path: Path
) -> None:
    earlier = tmp_path / "run"
    shutil.copytree(run, earlier)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["guards"]["schema_version"] = 1
    (earlier / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BundleError, match="earlier"):
        CliRunner().invoke(main, [str(earlier)], catch_exceptions=False)
    result = CliRunner().invoke(main, [str(earlier), "--data", str(data)], catch_exceptions=False)
    assert "false alarms, 2 folds" in result.stdout


def test_the_table_skips_parts_without_data(run: Path) -> None:
    result = CliRunner().invoke(main, [str(run)], catch_exceptions=False)
    assert "no smear, untouched" in result.stdout
    assert "false alarms" not in result.stdout
    assert "caught of the untouched half" in result.stdout


def test_an_image_is_never_evaluated_by_guards_fitted_on_it() -> None:
    usual = {
        str(n): {**_statistics(n), "camera": "only here" if n < 4 else "usual"} for n in range(40)
    }
    folds = {name: "0" if int(name) < 4 else "1" for name in usual}
    with pytest.raises(DataError, match="4 images left"):
        evaluate_out_of_fold(usual, folds)
    folds = {name: str(int(name) // 4 % 2) for name in usual}
    counts = evaluate_out_of_fold(usual, folds)
    assert (
        counts["flags"]["unfamiliar_microscope"]["count"] >= 4
    )  # the camera of its own fold alone


def _statistics(seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    return image_statistics(np.clip(rng.normal(190, 30, (64, 64, 3)), 0, 255).astype(np.uint8))


def test_a_run_of_another_data_set_is_refused(run: Path, data: Path) -> None:
    (data / "healthy" / "new.png").write_bytes((data / "healthy" / "0.jpg").read_bytes())
    try:
        with pytest.raises(DataError, match=r"healthy/new\.png"):
            CliRunner().invoke(main, [str(run), "--data", str(data)], catch_exceptions=False)
    finally:
        (data / "healthy" / "new.png").unlink()


def test_both_halves_have_several_kinds() -> None:
    sides = [is_untouched(f"drawn/{kind}") for kind in KINDS]
    assert min(sides.count(True), sides.count(False)) >= 5
