"""`alledge classify` and `alledge verify`, as they are typed."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from alledge import runtime
from alledge.cli import main
from alledge.runtime.bundle import builtin
from alledge.runtime.digests import SMALL_BYTES
from alledge.runtime.guards.fitting import fit_guards
from alledge.runtime.guards.image_statistics import image_statistics

SCHEMAS = Path(runtime.__file__).parent / "schemas"
Maker = Callable[..., Image.Image]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture
def folder(tmp_path: Path, make_picture: Maker) -> Path:
    folder = tmp_path / "slides"
    folder.mkdir()
    for number in range(3):
        make_picture(seed=number).save(folder / f"{number}.jpg")
    return folder


def test_json_is_a_valid_record_a_line(folder: Path, bundle: Path) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    result = run("classify", folder, folder / "missing", "--bundle", bundle, "--json")
    assert result.exit_code == 1
    records = lines(result)
    validator = jsonschema.Draft202012Validator(schema("classify"))
    for record in records:
        validator.validate(record)
    assert [Path(record["image"]).name for record in records] == [
        "0.jpg", "1.jpg", "2.jpg", "bad.png", "missing",
    ]  # fmt: skip
    assert [record["status"] == "error" for record in records] == [False] * 3 + [True] * 2


def test_what_a_folder_leaves_out_is_counted_by_kind(folder: Path, bundle: Path) -> None:
    jpeg = (folder / "0.jpg").read_bytes()
    files = {
        "a.czi": b"ZISRAWFILE" + bytes(90), "b.jpg": b"", "c.jpg.part": jpeg, "notes.txt": b"text",
        "d\x1b[31m.csv": b"label", "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_bytes(content)
    result = run("classify", folder, "--bundle", bundle, "--json")
    records = {Path(record["image"]).name: record for record in lines(result)}
    assert result.exit_code == 1
    assert list(records) == ["0.jpg", "1.jpg", "2.jpg", "a.czi", "b.jpg", "c.jpg.part"]
    errors = [records[name]["error"] for name in ("a.czi", "b.jpg", "c.jpg.part")]
    for error, kind in zip(errors, ("Zeiss CZI", "empty", "half-transferred"), strict=True):
        assert kind in error
    for part in ("1 × Zeiss CZI file (a.czi)", "(b.jpg)", "(c.jpg.part)", "2 × text file",
                 "notes.txt", "1 × file of the operating system (Thumbs.db)"):  # fmt: skip
        assert part in result.stderr
    assert "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_files_that_are_no_pictures_are_no_error_in_a_folder(folder: Path, bundle: Path) -> None:
    (folder / "notes.txt").write_text("text", encoding="utf-8")
    result = run("classify", folder, "--bundle", bundle, "--json")
    assert (result.exit_code, len(lines(result))) == (0, 3)
    assert "1 × text file (notes.txt)" in result.stderr
    named = run("classify", folder / "notes.txt", "--bundle", bundle, "--json")
    assert (named.exit_code, named.stderr) == (1, "")


def test_an_empty_name_is_wrong_usage(folder: Path, bundle: Path) -> None:
    for names in ([""], [folder, ""]):
        result = run("classify", *names, "--bundle", bundle)
        assert (result.exit_code, "empty name" in result.stderr) == (2, True)


def test_an_empty_folder_is_called_empty(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "none").mkdir()
    result = run("classify", tmp_path / "none", "--bundle", bundle, "--json")
    assert (result.exit_code, len(lines(result))) == (1, 1)
    assert "none is empty" in lines(result)[0]["error"]


def test_the_exit_code_is_zero_without_errors(folder: Path, bundle: Path) -> None:
    assert run("classify", folder, "--bundle", bundle).exit_code == 0


def test_text_says_what_its_percentages_are_of(folder: Path, bundle: Path) -> None:
    second = run("classify", folder, "--bundle", bundle).stdout.splitlines()[1]
    assert second.startswith("percent: the probability of ")


def test_csv_has_a_line_an_image(folder: Path, bundle: Path) -> None:
    result = run("classify", folder, "--bundle", bundle, "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 3
    assert {row["bundle"] for row in rows} == {"tiny-float32"}


def test_text_names_the_bundle_once(folder: Path, bundle: Path) -> None:
    result = run("classify", folder, "--bundle", bundle, "--backend", "onnx")
    assert result.stdout.count("tiny-float32") == 1
    assert "onnxruntime" in result.stdout
    assert "3 images" in result.stdout
    assert "not a medical device" in result.stdout


@pytest.mark.parametrize("mode", ["latency", "throughput"])
def test_both_modes_give_the_same_results(folder: Path, bundle: Path, mode: str) -> None:
    common = ("classify", folder, "--bundle", bundle, "--json")
    records = lines(run(*common, "--mode", mode, "--threads", 2))
    assert [r["scores"] for r in records] == [r["scores"] for r in lines(run(*common))]


def test_the_environments_bundle_is_found(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLEDGE_BUNDLE", str(bundle))
    assert lines(run("classify", folder, "--json"))[0]["bundle"] == "tiny-float32"


def test_without_a_bundle_the_exit_code_is_two(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(builtin, "FOLDER", folder / "not built")
    result = run("classify", folder)
    assert result.exit_code == 2
    assert "--bundle" in result.stderr


@pytest.mark.parametrize(
    "extra", [["--backend", "none"], ["--threads", "0"], ["--mode", "fast"], []]
)
def test_wrong_usage_is_exit_code_two(bundle: Path, folder: Path, extra: list[str]) -> None:
    images = [folder] if extra else []
    assert run("classify", *images, "--bundle", bundle, *extra).exit_code == 2


def test_verify_says_pass_on_every_backend(bundle: Path) -> None:
    result = run("verify", bundle, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    jsonschema.Draft202012Validator(schema("verify")).validate(document)
    assert {row["status"] for row in document["backends"].values()} == {"pass"}
    assert "verdict    pass" in run("verify", bundle).stdout


def test_verify_refuses_a_tampered_file(own_bundle: Path) -> None:
    (own_bundle / "parity.json").write_text("{}", encoding="utf-8")
    result = run("verify", own_bundle)
    assert result.exit_code == 1
    assert "parity.json" in result.stderr
    assert result.stderr.count("sha256:") == 2


@pytest.mark.parametrize("size", [5, SMALL_BYTES + 1])
def test_classify_refuses_a_tampered_artifact(own_bundle: Path, folder: Path, size: int) -> None:
    (own_bundle / "model.onnx").write_bytes(b"x" * size)
    result = run("classify", folder, "--bundle", own_bundle, "--backend", "onnx")
    assert result.exit_code == 1
    assert result.stderr.count("sha256:") == 2


def test_a_name_with_a_leading_dash_is_a_file_after_two_dashes(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "0.jpg").rename(folder / "-0.jpg")
    records = lines(run("classify", "--bundle", bundle, "--json", "--", "-0.jpg"))
    (record,) = records
    assert record["image"] == "-0.jpg"
    assert record["status"] in ("ok", "review")


HEAVY = ("tensorflow", "keras", "scipy", "sklearn", "matplotlib", "jsonschema", "rich", "pandas")


@pytest.mark.parametrize("backend", ["tflite", "onnx", "openvino"])
@pytest.mark.parametrize("command", ["classify", "verify"])
def test_the_device_path_imports_nothing_heavy(
    folder: Path, bundle: Path, backend: str, command: str
) -> None:
    arguments = ["verify", bundle]
    if command == "classify":
        arguments = ["classify", folder, "--bundle", bundle, "--backend", backend]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "alledge", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    imported = {
        line.rsplit("|", 1)[1].strip().split(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "numpy" in imported
    assert imported.isdisjoint(HEAVY)


@pytest.mark.parametrize("names", [["0.jpg"], ["0.jpg", "1.jpg", "missing.jpg"]])
def test_the_exit_code_is_that_of_the_command_and_no_line_is_lost(
    folder: Path, bundle: Path, names: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alledge", "classify", "--json", "--bundle", str(bundle), *names],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["image"] for record in records] == names
    assert done.returncode == ("missing.jpg" in names), done.stderr
    wrong = subprocess.run([sys.executable, "-m", "alledge", "classify", "--no-such"], cwd=folder)
    assert wrong.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_the_exit_code_is_1_if_records_cannot_be_written(folder: Path, bundle: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "alledge", "classify", "0.jpg", "--bundle", str(bundle)],
            cwd=folder,
            stdout=full,
            stderr=subprocess.DEVNULL,
        )
    assert done.returncode != 0


def test_help_of_the_commands_has_an_example() -> None:
    for command in ("classify", "verify"):
        assert "Example:" in run(command, "--help").stdout


SLOW_IMPORTS = (
    *("_hashlib", "numpy.ma", "statistics", "random", "importlib.metadata", "jsonschema", "rich"),
    *("concurrent.futures", "alledge.runtime.overlay.overlay", "alledge.runtime.metrics.metrics"),
)


def test_a_cold_start_imports_nothing_slow(
    own_bundle: Path, bundles: ModuleType, folder: Path
) -> None:
    rng = np.random.default_rng(0)
    usual = [
        image_statistics(rng.integers(60, 220, (224, 224, 3), dtype=np.uint8)) for _ in range(20)
    ]
    bundles.edit(own_bundle, guards=fit_guards(usual))
    code = (
        "import sys\nfrom alledge.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\nprint(*sys.modules, file=sys.stderr)"
    )
    given = ["classify", folder / "0.jpg", "--bundle", own_bundle, "--backend", "tflite"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, given)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert set(SLOW_IMPORTS) & set(done.stderr.split()) == set()
