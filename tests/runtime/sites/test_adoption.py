"""The command adopt: from checked images to a profile that classify uses; damage and races."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.errors import DataError, SiteError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.classifier import Classifier
from alledge.runtime.file_lock import exclusive_lock
from alledge.runtime.sites import store
from alledge.runtime.sites.adoption import adopt_site, adoption_text, revert
from alledge.runtime.sites.page import adoption_page
from alledge.runtime.sites.profile import open_site, site_folder
from support.bundles import edit, read_record
from support.site_images import IMAGES, draw_site, true_labels, write_checked

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images of a darker microscope, on which the shipped threshold calls most a blast."""
    folder = tmp_path_factory.mktemp("site") / "images"
    draw_site(folder)
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def table(images):
    return write_checked(images[0].parents[1] / "checked.csv", images, true_labels())


@pytest.fixture(scope="module")
def adopted(table, float32_bundle, tmp_path_factory):
    """The home folder with an adopted site, and the document of the adoption; only read."""
    home = tmp_path_factory.mktemp("home")
    document = adopt_site("room-3", table, bundle=float32_bundle, backend="tflite", home=home)
    return home, document


@pytest.fixture
def own_home(adopted, tmp_path):
    import shutil

    return Path(shutil.copytree(adopted[0], tmp_path / "home"))


def validated(document: dict, kind: str) -> dict:
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    return document


def test_a_microscope_with_other_light_is_adopted(adopted, float32_bundle):
    home, document = adopted
    validated(document, "adoption")
    assert document["adopted"]
    assert document["version"] == 1
    assert document["examples"]["count"] == IMAGES
    assert document["after"]["specificity"]["value"] > document["before"]["specificity"]["value"]
    assert document["after"]["auc_interval"][0] > 0.9
    assert "adopted as version 1" in adoption_text(document)
    profile = open_site("room-3", home)
    validated(profile.record, "site")
    assert profile.label == "room-3@1"
    assert profile.record["bundle"]["digest"] == float32_bundle.digest


def test_the_profile_holds_features_and_labels_and_nothing_else(adopted, images):
    folder = site_folder("room-3", adopted[0]) / "v0001"
    assert sorted(path.name for path in folder.iterdir()) == [
        "examples.npz",
        "head.npz",
        "site.json",
    ]
    with np.load(folder / "examples.npz") as archive:
        assert archive["features"].shape == (IMAGES, 16)
        assert sorted(archive.files) == ["features", "groups", "truth"]
    text = (folder / "site.json").read_text(encoding="utf-8")
    assert images[0].name not in text
    assert str(images[0].parent) not in text


def test_classify_uses_the_site_and_names_it(adopted, images, float32_bundle, monkeypatch):
    home, _ = adopted
    arguments = ["classify", *map(str, images), "--bundle", str(float32_bundle.path), "--json"]
    records = {}
    for options in ([], ["--site", "room-3", "--home", str(home)]):
        result = CliRunner().invoke(main, [*arguments, *options])
        assert result.exit_code == 0, result.output
        records[bool(options)] = [json.loads(line) for line in result.stdout.splitlines()]
    right = {
        used: np.mean([row["label"] == true for row, true in zip(rows, true_labels(), strict=True)])
        for used, rows in records.items()
    }
    assert right[True] > 0.9 > right[False]
    for record in records[True]:
        validated(record, "classify")
        assert record["site"] == "room-3@1"
        assert record["backend"] == "tflite"
    assert "site" not in records[False][0]
    monkeypatch.setenv("ALLEDGE_SITE", "room-3")
    monkeypatch.setenv("ALLEDGE_HOME", str(home))
    for style, expected in (("--csv", "room-3@1"), ("--json", '"site": "room-3@1"')):
        result = CliRunner().invoke(main, [*arguments[:2], *arguments[-3:-1], style])
        assert expected in result.stdout.splitlines()[-1]
    text = CliRunner().invoke(main, [*arguments[:2], *arguments[-3:-1]]).stdout
    assert "site room-3@1" in text.splitlines()[0]


def test_a_second_adoption_and_the_way_back(own_home, table, float32_bundle, images):
    options = {"bundle": float32_bundle, "backend": "tflite", "home": own_home}
    assert adopt_site("room-3", table, **options)["version"] == 2
    assert open_site("room-3", own_home).version == 2
    assert revert("room-3", own_home).version == 1
    assert open_site("room-3", own_home).version == 1
    assert revert("room-3", own_home).version == 0
    profile = open_site("room-3", own_home)
    with Classifier.load(float32_bundle, "onnx", 1, site=profile) as classifier:
        assert classifier.classify(images[0]).site == "room-3@0"
    with pytest.raises(UsageError, match="nothing to go back to"):
        revert("room-3", own_home)
    assert adopt_site("room-3", table, **options)["version"] == 3
    assert revert("room-3", own_home).version == 0


def test_shuffled_labels_change_nothing(images, float32_bundle, own_home):
    labels = list(np.random.default_rng(5).permutation(true_labels()))
    table = write_checked(images[0].parents[1] / "shuffled.csv", images, labels)
    before = {p: p.read_bytes() for p in own_home.rglob("*") if p.is_file()}
    document = adopt_site("room-3", table, bundle=float32_bundle, backend="tflite", home=own_home)
    assert not document["adopted"]
    assert document["version"] is None
    assert "nothing was changed" in adoption_text(document)
    assert {p: p.read_bytes() for p in own_home.rglob("*") if p.is_file()} == before


def test_the_page_is_one_file_with_both_charts(adopted):
    page = adoption_page(adopted[1], "1.0")
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "Adopted." in page
    document = {**adopted[1], "site": "<b>x</b>", "adopted": False, "more": None}
    page = adoption_page(document, "1.0")
    assert "<b>x</b>" not in page
    assert "Nothing was changed." in page


def test_the_command_writes_the_page_and_the_document(table, float32_bundle, tmp_path):
    arguments = [
        "adopt",
        "--site",
        "lab",
        "--checked",
        str(table),
        "--home",
        str(tmp_path / "home"),
    ]
    arguments += ["--bundle", str(float32_bundle.path), "--backend", "onnx", "--json"]
    arguments += ["--html", str(tmp_path / "page.html")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert validated(json.loads(result.stdout), "adoption")["backend"] == "onnx"
    assert "Learning curve" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert CliRunner().invoke(main, arguments).exit_code == 2  # the page exists
    result = CliRunner().invoke(
        main, ["adopt", "--site", "lab", "--revert", "--home", str(tmp_path / "home")]
    )
    assert result.stdout == "lab: the shipped model is in use\n"
    for options in ([], ["--revert", "--checked", str(table)]):
        result = CliRunner().invoke(main, ["adopt", "--site", "lab", *options])
        assert result.exit_code == 2
        assert "either --checked, --corrections or --revert" in result.stderr


def test_a_profile_of_another_bundle_is_refused(own_home, own_tiny_bundle, images):
    profile = open_site("room-3", own_home)
    other = Bundle.open(edit(own_tiny_bundle, name="another"))
    with pytest.raises(SiteError, match="belongs to the bundle") as caught:
        Classifier.load(other, "tflite", site=profile)
    assert "adopt the site with this bundle" in str(caught.value.fix)


@pytest.fixture
def own_tiny_bundle(float32_bundle, tmp_path):
    import shutil

    return Path(shutil.copytree(float32_bundle.path, tmp_path / "bundle"))


def test_the_features_of_another_engine_are_refused(adopted, float32_bundle):
    profile = open_site("room-3", adopted[0])
    with pytest.raises(SiteError, match="adopted with the features of tflite"):
        Classifier.load(float32_bundle, "onnx", site=profile)
    with Classifier.load(float32_bundle, site=profile) as classifier:
        assert classifier.backend.name == "tflite"


@pytest.mark.parametrize("change", ["threshold", "weights", "examples", "missing", "json", "other"])
def test_a_changed_profile_is_refused_and_can_be_left(own_home, change):
    folder = site_folder("room-3", own_home) / "v0001"
    record = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    if change == "threshold":
        record["head"]["threshold"] = 0.01
        (folder / "site.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    elif change == "other":
        record["head"] = {**record["head"], "temperature": -1}
        (folder / "site.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    elif change == "json":
        (folder / "site.json").write_text("{", encoding="utf-8")
    elif change == "missing":
        (folder / "head.npz").unlink()
    else:
        file = folder / ("head.npz" if change == "weights" else "examples.npz")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with pytest.raises(SiteError) as caught:
        open_site("room-3", own_home)
    assert "--revert" in str(caught.value.fix)
    assert revert("room-3", own_home).version == 0
    assert open_site("room-3", own_home).version == 0


def test_a_damaged_number_of_the_version_is_refused(own_home):
    (site_folder("room-3", own_home) / "current").write_text("many", encoding="ascii")
    with pytest.raises(SiteError, match="not the number of a version"):
        open_site("room-3", own_home)


@pytest.mark.parametrize("name", ["", "a/b", "..", "con", "a b", ".hidden", "x" * 65, "dot."])
def test_a_name_that_is_no_folder_everywhere_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="no name of a site"):
        site_folder(name, tmp_path)


def test_an_unknown_site_lists_the_known_ones(adopted):
    for action in (open_site, revert):
        with pytest.raises(UsageError, match="no site 'room-4'") as caught:
            action("room-4", adopted[0])
        assert "room-3" in str(caught.value.allowed)


def test_one_class_too_few_and_contradicting_labels_are_refused(images, float32_bundle, tmp_path):
    folder = images[0].parents[1]
    options = {"bundle": float32_bundle, "backend": "tflite", "home": tmp_path}

    def refused(labels, chosen=images, **more):
        table = write_checked(folder / "bad.csv", chosen, labels, **more)
        with pytest.raises(DataError) as caught:
            adopt_site("lab", table, **options)
        return str(caught.value)

    one_class = refused(["healthy"] * IMAGES)
    assert "0 positive examples" in one_class
    assert "check smears with blast too" in one_class
    assert "the shipped model stays in use" in one_class
    assert "leaves 8 checked examples" in refused(true_labels()[:8], images[:8])
    smears = ["one" if label == "blast" else f"s{n}" for n, label in enumerate(true_labels())]
    assert "of 1 smears or images" in refused(true_labels(), smears=smears)
    assert "contradict each other" in refused([*true_labels(), "blast"], [*images, images[0]])
    copy = folder / "images" / "copy.png"
    copy.write_bytes(images[0].read_bytes())
    assert "contradict each other" in refused([*true_labels(), "blast"], [*images, copy])
    copy.unlink()
    assert "it is not clear" in refused(["healthy", "zebra", *true_labels()[2:]])
    assert not (tmp_path / "sites" / "lab" / "current").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\n", "names no checked"),
        ("picture,label\na.png,blast\n", "names the columns"),
        ("image,x,label\na.png,1,blast\n", "names the columns"),
        ("image,label\n000.png,\n,blast\n", "has no image"),
        ("image,label\nnowhere.png,blast\n", "no such image"),
        ("image,x,y,label\n000.png,one,2,blast\n", "has the position"),
        ("image,x,y,label\n000.png,1,2,blast\n", "judges whole fields"),
    ],
)
def test_a_table_that_is_none_is_refused(images, float32_bundle, tmp_path, text, message):
    table = images[0].parents[1] / "table.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        adopt_site("lab", table, bundle=float32_bundle, backend="tflite", home=tmp_path)


def test_images_that_the_model_was_trained_on_are_left_out(tiny_run, float32_bundle, tmp_path):
    root = Path(tiny_run.record["data"]["root"])
    paths = sorted(root.rglob("*.png"))
    table = tmp_path / "checked.csv"
    rows = [f"{path.relative_to(root).as_posix()},{path.parent.name}" for path in paths]
    table.write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    with pytest.raises(DataError, match="left out: the model was trained on the image"):
        adopt_site("lab", table, bundle=float32_bundle, images=root, home=tmp_path)


def test_two_adoptions_at_once_are_refused(own_home, table, float32_bundle):
    lock = site_folder("room-3", own_home) / "lock"
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from alledge.errors import SiteError\n"
        "from alledge.runtime.file_lock import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1]), SiteError('busy')):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(SiteError, match="another process"):
            adopt_site("room-3", table, bundle=float32_bundle, backend="tflite", home=own_home)
        with pytest.raises(SiteError, match="another process"):
            revert("room-3", own_home)
        holder.kill()  # the lock ends with its process
        holder.communicate()
    with exclusive_lock(lock, SiteError("busy")):
        pass


def test_two_commands_at_once_leave_whole_versions(own_home, table, float32_bundle):
    words = ["adopt", "--site", "room-3", "--checked", str(table), "--home", str(own_home)]
    words += ["--bundle", str(float32_bundle.path), "--backend", "tflite"]
    command = [sys.executable, "-m", "alledge", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        results = [(*process.communicate(), process.returncode) for process in (one, two)]
    done = [out for out, _, code in results if code == 0]
    refused = [err for _, err, code in results if code != 0]
    assert done
    assert all("another process" in text for text in refused)
    assert open_site("room-3", own_home).version == 1 + len(done)


KILLED = """
import sys
from pathlib import Path
from alledge.runtime.sites.profile import EXAMPLES, HEAD, read_version
from alledge.runtime.sites.store import add_version, site_lock
import numpy as np
site = Path(sys.argv[1])
first = read_version(site, 1)
keys = ("created", "alledge", "bundle", "task", "backend", "head", "adoption", "commission")
record = {key: first.record[key] for key in keys if key in first.record}
arrays = {}
for name in (HEAD, EXAMPLES):
    with np.load(site / "v0001" / name) as archive:
        arrays[name] = {key: archive[key] for key in archive.files}
print("ready", flush=True)
while True:
    with site_lock(site):
        print(add_version(site, record, arrays).version, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no kill -9 on Windows")
def test_a_killed_adoption_leaves_a_complete_version_in_use(own_home):
    site = site_folder("room-3", own_home)
    for round_number in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(site)], stdout=subprocess.PIPE
        ) as writer:
            for _ in range(2 + 3 * round_number):  # killed at another place each time
                last = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        profile = open_site("room-3", own_home)
        assert profile.version >= int(last)
        assert profile.head is not None
    record, arrays = _again(site)
    with store.site_lock(site):
        assert store.add_version(site, record, arrays).version > profile.version
    assert not list(site.glob(".*part"))


def _again(site: Path) -> tuple[dict, dict]:
    first = open_site("room-3", site.parents[1]).record
    keys = ("created", "alledge", "bundle", "task", "backend", "head", "adoption", "commission")
    with (
        np.load(site / "v0001" / "head.npz") as head,
        np.load(site / "v0001" / "examples.npz") as e,
    ):
        arrays = {"head.npz": dict(head), "examples.npz": dict(e)}
    return {key: first[key] for key in keys if key in first}, arrays


@pytest.mark.skipif(os.name == "nt", reason="no renaming fails like that on Windows")
def test_a_full_disk_leaves_the_version_before_in_use(own_home, monkeypatch):
    site = site_folder("room-3", own_home)
    record, arrays = _again(site)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with store.site_lock(site), pytest.raises(OSError, match="No space left"):
        store.add_version(site, record, arrays)
    assert open_site("room-3", own_home).version == 1
    assert not list(site.glob(".*part"))


def test_records_have_no_place_in_a_bundle(float32_bundle, adopted):
    """Adopting changes nothing in the bundle."""
    assert "site" not in read_record(float32_bundle.path)
    float32_bundle.check()
