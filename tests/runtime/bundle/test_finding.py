"""The bundle that answers where none is named is found as the contract says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.cli import main
from alledge.devices.doctor import check_builtin
from alledge.devices.pack.signing_keys import generate_keys
from alledge.errors import UsageError
from alledge.runtime.bundle import builtin, finding
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.finding import builtin_notice, find_bundle, is_bundle
from alledge.runtime.bundle.signer import Signer


@pytest.fixture
def built(cell_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a built-in bundle, and an empty working folder."""
    folder = Path(shutil.copytree(cell_bundle, tmp_path / "package" / "bundle"))
    monkeypatch.setattr(builtin, "FOLDER", folder)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_the_bundle_named_comes_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLEDGE_BUNDLE", "from-environment")
    assert find_bundle("named") == Path("named")


def test_the_environment_comes_before_the_installed_bundle(
    monkeypatch: pytest.MonkeyPatch, own_bundle: Path
) -> None:
    monkeypatch.setattr(finding, "installed_bundle", lambda: own_bundle)
    assert find_bundle() == own_bundle
    monkeypatch.setenv("ALLEDGE_BUNDLE", "from-environment")
    assert find_bundle() == Path("from-environment")


def test_the_only_bundle_is_taken(monkeypatch: pytest.MonkeyPatch, own_bundle: Path) -> None:
    monkeypatch.chdir(own_bundle.parents[1])
    assert find_bundle() == Path("bundles") / own_bundle.name


def test_several_bundles_are_an_error_that_lists_them(
    monkeypatch: pytest.MonkeyPatch, own_bundle: Path
) -> None:
    other = own_bundle.with_name("other")
    other.mkdir()
    (other / "bundle.json").touch()
    monkeypatch.chdir(own_bundle.parents[1])
    with pytest.raises(UsageError, match="2 bundles") as caught:
        find_bundle()
    assert "bundles/other" in str(caught.value)


def test_no_bundle_at_all_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtin, "FOLDER", tmp_path / "not built")
    with pytest.raises(UsageError, match="--bundle FOLDER") as caught:
        find_bundle()
    assert caught.value.exit_code == 2


def test_the_built_in_bundle_comes_after_all_others(
    built: Path, own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_bundle() == built
    monkeypatch.chdir(own_bundle.parents[1])
    assert find_bundle() == Path("bundles") / own_bundle.name
    monkeypatch.setattr(finding, "installed_bundle", lambda: own_bundle)
    assert find_bundle() == own_bundle


def test_the_built_in_bundle_has_a_name_that_a_folder_takes_precedence_over(
    built: Path, own_bundle: Path
) -> None:
    assert is_bundle(Path("builtin"))
    assert Bundle.open("builtin").is_builtin
    shutil.copytree(own_bundle, "builtin")
    assert not Bundle.open("builtin").is_builtin
    assert builtin_notice(Bundle.open("builtin")) is None


def test_classify_says_that_the_built_in_bundle_answers(built: Path) -> None:
    Image.fromarray(np.full((240, 320, 3), 200, np.uint8)).save("field.png")
    ran = CliRunner().invoke(main, ["classify", "field.png", "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["digest"] == Bundle.open(built).digest
    assert "no bundle was named: the built-in one answers" in ran.stderr
    ran = CliRunner().invoke(main, ["classify", "field.png", "--bundle", "builtin", "--json"])
    assert "no bundle was named" not in ran.stderr


def test_a_device_that_trusts_keys_refuses_the_built_in_bundle_and_says_what_to_type(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = generate_keys(tmp_path / "keys" / "laboratory")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path / "keys"))
    Image.fromarray(np.full((240, 320, 3), 200, np.uint8)).save("field.png")
    ran = CliRunner().invoke(main, ["classify", "field.png", "--json"])
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "the bundle that alledge contains is not signed" in ran.stderr
    assert "alledge pack --device NAME --bundle builtin --out FILE --sign KEY" in ran.stderr
    assert check_builtin().found == "not used: none of the trusted keys signed it"
    # signed by the key that the device trusts, it is a bundle like others
    signature = Signer(secret).sign((built / "bundle.json").read_bytes(), "bundle")
    (built / "bundle.sig").write_text(signature, encoding="ascii")
    assert Bundle.open("builtin").signed_by == "laboratory.pub"


def test_doctor_reports_a_built_in_bundle_that_is_missing_or_damaged(built: Path) -> None:
    assert check_builtin().found.startswith("answers where no bundle is named")
    (built / "model.onnx").write_bytes(b"another model")
    assert check_builtin().status == "fail"
    shutil.rmtree(built)
    assert (check_builtin().status, check_builtin().found[:4]) == ("ok", "none")
