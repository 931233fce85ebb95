"""The command commission: which microscopes are covered, and the guards of a site."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.cli import main
from alledge.errors import DataError, SiteError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.classifier import Classifier
from alledge.runtime.guards.cell_guards import field_statistics
from alledge.runtime.guards.fitting import fit_cell_guards, fit_guards
from alledge.runtime.sites.commissioning import commission_site, commission_text
from alledge.runtime.sites.page import commission_page
from alledge.runtime.sites.profile import open_site, site_folder
from alledge.runtime.sites.survey import noise_level
from support.bundles import CELL_CROP, CELL_WIDTH, edit, write_cell_bundle

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"
FIELDS, TRAINING, WIDTH = 20, 24, 640


def draw(folder: Path, seed: int, tint=(1.0, 1.0, 1.0), fields: int = FIELDS) -> Path:
    """Write fields whose light has a colour, so large that no crop is enlarged."""
    from alledge.train.phantom.smears import draw_field

    folder.mkdir(parents=True)
    for index in range(fields):
        image, _ = draw_field(seed, index, index % 2 == 1, size=WIDTH // 2)
        image = image.resize((WIDTH, WIDTH), Image.Resampling.BICUBIC)
        pixels = np.asarray(image, np.float32) * np.array(tint)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def covered_bundle(artifacts, tmp_path_factory):
    """A bundle of cells with the guards of generated fields."""
    folder = tmp_path_factory.mktemp("commission")
    training = draw(folder / "training", 3, fields=TRAINING)
    settings = CellSettings(crop=CropSettings(size=CELL_CROP, width=CELL_WIDTH))
    fields = [find_cells(path, settings) for path in sorted(training.glob("*.png"))]
    crops = np.concatenate([field.crops for field in fields if len(field.crops)])
    statistics = [field_statistics(field.rgb, field.header) for field in fields]
    bundle = write_cell_bundle(folder / "bundle", artifacts)
    guards, field_guards = fit_cell_guards(crops), fit_guards(statistics)
    return Bundle.open(edit(bundle, guards=guards, field_guards=field_guards))


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("same") / "fields", 77)


@pytest.fixture(scope="module")
def tinted(tmp_path_factory):
    """Fields in warm light, which white balance takes from the cells but not from the fields."""
    return draw(tmp_path_factory.mktemp("tinted") / "fields", 77, tint=(1.0, 0.85, 0.7))


def validated(document: dict, kind: str) -> dict:
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    return document


def flags_of(bundle, folder, site=None) -> list[tuple[str, ...]]:
    with Classifier.load(bundle, "onnx", 1, site=site) as classifier:
        return [row.flags for row in classifier.classify(sorted(folder.glob("*.png")))]


def test_a_microscope_like_that_of_training_is_covered(covered_bundle, same, tmp_path):
    document = commission_site("lab", same, bundle=covered_bundle, home=tmp_path)
    validated(document, "commission")
    assert document["verdict"] == "covered"
    assert not document["known_setup"]
    assert document["cells"] > 20
    assert "covered: fields and cells" in commission_text(document)
    profile = open_site("lab", tmp_path)
    validated(profile.record, "site")
    assert (profile.version, profile.head, profile.setup) == (1, None, None)


def test_other_light_is_covered_after_the_guards_know_it(covered_bundle, tinted, same, tmp_path):
    document = commission_site("warm", tinted, bundle=covered_bundle, home=tmp_path)
    assert document["verdict"] == "covered after correction"
    assert document["flagged"]["value"] > 0.2 >= document["flagged_after"]["value"]
    assert "the guards know the light" in commission_text(document)
    profile = open_site("warm", tmp_path)
    before = flags_of(covered_bundle, tinted)
    after = flags_of(covered_bundle, tinted, profile)
    count = [sum("unfamiliar_microscope" in row for row in rows) for rows in (before, after)]
    assert count[0] > FIELDS / 8
    assert count[1] <= count[0] / 2
    for old, new in zip(before, after, strict=True):  # no other flag changes
        assert set(old) - {"unfamiliar_microscope"} == set(new) - {"unfamiliar_microscope"}


def test_another_microscope_at_a_commissioned_site_is_still_flagged(
    covered_bundle, tinted, tmp_path
):
    commission_site("warm", tinted, bundle=covered_bundle, home=tmp_path)
    green = draw(tmp_path / "green", 78, tint=(0.8, 1.0, 0.8), fields=6)
    flags = flags_of(covered_bundle, green, open_site("warm", tmp_path))
    assert all({"unfamiliar_microscope", "off_domain"} & set(row) for row in flags)


def test_cells_unlike_those_of_training_are_not_covered(covered_bundle, tmp_path):
    folder = tmp_path / "blurred"
    folder.mkdir()
    for path in draw(tmp_path / "sharp", 79).glob("*.png"):
        image = Image.open(path)
        image.resize((80, 80)).resize((WIDTH, WIDTH), Image.Resampling.BICUBIC).save(
            folder / path.name
        )
    document = commission_site("lab", folder, bundle=covered_bundle, home=tmp_path / "home")
    assert document["verdict"] == "not covered"
    assert not document["known_setup"]
    assert open_site("lab", tmp_path / "home").setup is None
    assert "adopt this microscope" in commission_text(document)


def test_photographs_are_refused(covered_bundle, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(12):
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((WIDTH, WIDTH)).save(folder / f"{number}.png")
    with pytest.raises(DataError, match="are no blood smears"):
        commission_site("lab", folder, bundle=covered_bundle, home=tmp_path)
    assert not site_folder("lab", tmp_path).exists()


def test_another_stain_is_refused(covered_bundle, same, tmp_path):
    folder = tmp_path / "turned"
    folder.mkdir()
    for path in same.glob("*.png"):
        pixels = np.asarray(Image.open(path))[..., [1, 0, 2]]  # green cells
        Image.fromarray(pixels).save(folder / path.name)
    with pytest.raises(DataError, match="are no blood smears with the stain"):
        commission_site("lab", folder, bundle=covered_bundle, home=tmp_path)


def test_too_few_fields_no_guards_and_no_folder_are_refused(
    covered_bundle, cell_bundle, same, tmp_path
):
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(same.glob("*.png"))[:5]:
        shutil.copy(path, few)
    with pytest.raises(DataError, match="has 5 fields that can be read"):
        commission_site("lab", few, bundle=covered_bundle, home=tmp_path)
    with pytest.raises(DataError, match="has no guards of fields"):
        commission_site("lab", same, bundle=cell_bundle, home=tmp_path)
    with pytest.raises(DataError, match="there is no file"):
        commission_site("lab", tmp_path / "nowhere", bundle=covered_bundle, home=tmp_path)


def test_the_command_prints_the_document_and_writes_the_page(covered_bundle, same, tmp_path):
    page = tmp_path / "page.html"
    arguments = ["commission", str(same), "--name", "lab", "--bundle", str(covered_bundle.path)]
    arguments += ["--home", str(tmp_path / "home"), "--html", str(page), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    document = validated(json.loads(result.stdout), "commission")
    text = page.read_text(encoding="utf-8")
    assert "lab: covered" in text
    assert "<b>x</b>" not in commission_page({**document, "site": "<b>x</b>"}, "1.0")


def test_a_profile_whose_setup_was_changed_is_refused(covered_bundle, tinted, tmp_path):
    commission_site("warm", tinted, bundle=covered_bundle, home=tmp_path)
    file = site_folder("warm", tmp_path) / "v0001" / "site.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    record["commission"]["known_setup"] = "yes"
    file.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(SiteError, match="known_setup"):
        open_site("warm", tmp_path)


@pytest.mark.parametrize("sigma", [0.0, 2.0, 6.0])
def test_noise_is_measured_in_levels(sigma):
    # the mean of three channels has less noise than each of them
    grey = 120 + np.random.default_rng(1).normal(scale=sigma, size=(200, 300))
    rgb = np.repeat(np.clip(np.rint(grey), 0, 255)[..., None], 3, axis=2).astype(np.uint8)
    assert noise_level(rgb) == pytest.approx(sigma, abs=0.25 * sigma + 0.1)
