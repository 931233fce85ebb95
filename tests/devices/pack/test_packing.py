"""Packs: deterministic, checked to the byte, refused where anything is not as it was packed."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.detection import architecture
from alledge.devices.pack.dependency_closure import lacking
from alledge.devices.pack.packing import _fill, _write_scripts, _write_tar, check_pack, write_pack
from alledge.devices.pack.signing_keys import Signer, generate_keys
from alledge.devices.pack.wheels import pinned, platform_tags, repack
from alledge.devices.profiles import Profile, get_profile
from alledge.errors import BundleError, TamperedError, UntrustedError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.digests import file_digest

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"
BOARD = "office-pc-linux"
FOLDER = f"alledge-{BOARD}"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def this_machine(name: str = BOARD) -> Profile:
    """Return a profile that says it is this machine, for the installer's checks."""
    data = json.loads(json.dumps(get_profile(name).data))
    data["cpu"]["arch"] = architecture()
    data["system"] = {"linux": "linux", "win32": "windows", "darwin": "macos"}[sys.platform]
    return Profile.from_data(data)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle whose artifact no engine has to load."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(b"not really")
    record = {
        **{"schema": "alledge/bundle", "schema_version": 1, "name": "tiny", "task": "field"},
        **{"labels": ["healthy", "blast"], "positive": ["blast"]},
        "image_path": {"size": 224, "geometry": "squash", "draft": 448},
        "formats": {"tflite": {"file": "model.tflite"}},
        "files": {"model.tflite": file_digest(folder / "model.tflite")},
    }
    (folder / "bundle.json").write_text(json.dumps(record), encoding="utf-8")
    return Bundle.open(folder)


def wheel(folder: Path, name: str, *needs: str) -> Path:
    """Write a wheel that holds nothing but what it needs."""
    path = folder / f"{name}-py3-none-any.whl"
    lines = [*(f"Requires-Dist: {need}" for need in needs), "", "about it"]
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo(f"{name}.dist-info/METADATA", (1980, 1, 1, 0, 0, 0))
        archive.writestr(member, "\n".join(["Metadata-Version: 2.1", *lines]))
    return path


def pack(place: Path, bundle: Bundle, signer: Signer | None = None, python: str = HERE) -> Path:
    """Write a pack with a stand-in for the wheels; return the tar."""
    folder = place / FOLDER
    (folder / "wheels").mkdir(parents=True)
    (folder / "tools").mkdir()
    wheel(folder / "wheels", "thing-1.0")
    (folder / "tools" / "pip-1.0-py3-none-any.whl").write_bytes(b"a pip")
    document = _fill(folder, this_machine(), bundle, python, signer)
    schema = json.loads((SCHEMAS / "pack.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    _write_tar(folder, place / "pack.tar")
    return place / "pack.tar"


def install(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installer of an unpacked pack, as a user would."""
    return subprocess.run(
        [sys.executable, "-I", str(folder / "install.py"), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A secret key; its public half lies beside it."""
    return generate_keys(tmp_path / "keys" / "lab")[0]


def test_the_same_content_makes_the_same_bytes(tmp_path, bundle):
    one, two = pack(tmp_path / "one", bundle), pack(tmp_path / "two", bundle)
    assert one.read_bytes() == two.read_bytes()
    assert check_pack(one)["bundle"] == {"name": "tiny", "digest": bundle.digest}


def test_a_pack_holds_what_installs_it_and_a_short_readme(tmp_path, bundle):
    with tarfile.open(pack(tmp_path / "one", bundle)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        readme = archive.extractfile(f"{FOLDER}/README.txt").read().decode()
    assert {"install.py", "ed25519.py", "pack.json", "requirements.txt"} <= names
    assert len(readme.splitlines()) <= 10
    assert "@" not in readme


def test_a_changed_missing_or_added_file_is_found_in_the_tar(tmp_path, bundle):
    tar = pack(tmp_path / "one", bundle)
    folder = tmp_path / "one" / FOLDER
    (folder / "bundle" / "model.tflite").write_bytes(b"another")
    _write_tar(folder, tar)
    with pytest.raises(TamperedError, match=r"bundle/model\.tflite"):
        check_pack(tar)
    (folder / "bundle" / "model.tflite").unlink()
    _write_tar(folder, tar)
    with pytest.raises(TamperedError):
        check_pack(tar)


def test_what_is_no_pack_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="not a pack"):
        check_pack(tmp_path / "x.tar")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("alledge-pc/../../etc/passwd", 0o644),
        ("/alledge-pc/x", 0o644),
        ("elsewhere/x", 0o644),
        ("alledge-pc/..\\x", 0o644),
        ("alledge-pc/C:x", 0o644),
        ("alledge-pc//x", 0o644),
        ("x", 0o644),
        ("alledge-pc/x", 0o4755),
        ("alledge-pc/x", 0o666),
    ],
)
def test_a_tar_that_would_unpack_elsewhere_or_with_other_modes_is_no_pack(
    tmp_path, bundle, name, mode
):
    tar = pack(tmp_path / "one", bundle)
    with tarfile.open(tar, "a") as archive:
        member = tarfile.TarInfo(name.replace("alledge-pc", FOLDER))
        member.mode = mode
        archive.addfile(member)
    with pytest.raises(BundleError, match=r"elsewhere|beside|mode"):
        check_pack(tar)


def test_a_pack_names_what_is_left_out_and_the_space_it_needs(tmp_path, bundle):
    document = check_pack(pack(tmp_path / "one", bundle))
    assert "ai_edge_litert/libLiteRt.so" in document["leave_out"]
    assert not any("numpy/typing" in pattern for pattern in document["leave_out"])  # it is used
    assert document["needs_bytes"] > sum(path.stat().st_size for path in bundle.path.iterdir())


def test_wheels_that_need_another_are_noticed_with_the_boards_own_markers(tmp_path):
    board = get_profile("office-pc-windows")
    wheel(tmp_path, "one-1.0", "two>=2", "three; sys_platform == 'linux'", "four; extra == 'x'")
    assert lacking(tmp_path, board, "3.11") == ["one-1.0-py3-none-any.whl needs two>=2"]
    wheel(tmp_path, "two-1.5")
    assert "1.5 is here" in lacking(tmp_path, board, "3.11")[0]
    (tmp_path / "two-1.5-py3-none-any.whl").unlink()
    wheel(tmp_path, "Two-2.0")
    assert lacking(tmp_path, board, "3.11") == []
    assert lacking(tmp_path, get_profile("raspberry-pi-5"), "3.13") != []


def test_the_script_for_windows_asks_for_the_version_before_it_uses_the_launcher(tmp_path, bundle):
    folder = tmp_path / "alledge-pc"
    folder.mkdir()
    _write_scripts(folder, get_profile("office-pc-windows"), bundle, "3.11")
    lines = (folder / "install.cmd").read_bytes().split(b"\r\n")
    assert b'py -3.11 -c "" >nul 2>nul || goto python' in lines
    assert not any(b"\n" in line or b"@PYTHON@" in line for line in lines)


def test_a_pack_is_checked_against_trusted_keys(tmp_path, bundle, key, monkeypatch):
    signer = Signer(key)
    keys = {"lab.pub": signer.public}
    assert check_pack(pack(tmp_path / "signed", bundle, signer), keys)
    with pytest.raises(UntrustedError, match="not signed"):
        check_pack(pack(tmp_path / "plain", bundle), keys)
    foreign = Signer(generate_keys(tmp_path / "foreign")[0])
    with pytest.raises(UntrustedError, match="does not trust"):
        check_pack(pack(tmp_path / "foreign-pack", bundle, foreign), keys)


def test_the_command_checks_a_pack(tmp_path, bundle):
    done = CliRunner().invoke(main, ["pack", "--check", str(pack(tmp_path / "p", bundle))])
    assert done.exit_code == 0
    assert "files as packed" in done.output


def test_the_installer_refuses_a_file_that_was_changed(tmp_path, bundle):
    pack(tmp_path / "p", bundle)
    folder = tmp_path / "p" / FOLDER
    (folder / "bundle" / "model.tflite").write_bytes(b"another")
    done = install(folder, "--prefix", str(tmp_path / "prefix"))
    assert done.returncode == 1
    assert "bundle/model.tflite is damaged" in done.stderr
    assert not (tmp_path / "prefix").exists()


def test_the_installer_refuses_a_wheel_that_does_not_belong_to_it(tmp_path, bundle):
    pack(tmp_path / "p", bundle)
    folder = tmp_path / "p" / FOLDER
    (folder / "wheels" / "other-1.0-py3-none-any.whl").write_bytes(b"x")
    done = install(folder, "--prefix", str(tmp_path / "prefix"))
    assert "does not belong to this pack" in done.stderr


def test_the_installer_refuses_another_python(tmp_path, bundle):
    pack(tmp_path / "p", bundle, python="3.99")
    done = install(tmp_path / "p" / FOLDER, "--prefix", str(tmp_path / "prefix"))
    assert done.returncode == 1
    assert f"--python {HERE}" in done.stderr


def test_the_installer_trusts_only_the_keys_it_was_given(tmp_path, bundle, key):
    public = str(key.with_suffix(".pub"))
    pack(tmp_path / "plain", bundle)
    done = install(tmp_path / "plain" / FOLDER, "--trust", public, "--prefix", "nowhere")
    assert "the pack is not signed" in done.stderr
    pack(tmp_path / "foreign", bundle, Signer(generate_keys(tmp_path / "foreign-key")[0]))
    done = install(tmp_path / "foreign" / FOLDER, "--trust", public, "--prefix", "nowhere")
    assert "a key that this device does not trust" in done.stderr
    pack(tmp_path / "signed", bundle, Signer(key))
    record = tmp_path / "signed" / FOLDER / "pack.json"
    record.write_text(record.read_text(encoding="utf-8") + " ", encoding="utf-8")
    done = install(tmp_path / "signed" / FOLDER, "--trust", public, "--prefix", "nowhere")
    assert "is not what was signed" in done.stderr


def test_a_device_that_trusts_keys_refuses_an_unsigned_pack_without_being_told(
    tmp_path, bundle, key
):
    prefix = tmp_path / "prefix"
    (prefix / "trusted").mkdir(parents=True)
    shutil.copy(key.with_suffix(".pub"), prefix / "trusted")
    pack(tmp_path / "p", bundle)
    done = install(tmp_path / "p" / FOLDER, "--prefix", str(prefix))
    assert "the pack is not signed" in done.stderr


def test_a_key_named_with_the_pack_vouches_for_nothing_where_others_are_trusted(
    tmp_path, bundle, key
):
    prefix = tmp_path / "prefix"
    (prefix / "trusted").mkdir(parents=True)
    shutil.copy(key.with_suffix(".pub"), prefix / "trusted")
    foreign = generate_keys(tmp_path / "foreign")[0]
    pack(tmp_path / "p", bundle, Signer(foreign))
    public = str(foreign.with_suffix(".pub"))
    done = install(tmp_path / "p" / FOLDER, "--trust", public, "--prefix", str(prefix))
    assert done.returncode == 1
    assert "a key that this device does not trust" in done.stderr
    assert [path.name for path in (prefix / "trusted").iterdir()] == ["lab.pub"]


def test_an_install_that_fails_leaves_the_old_command_as_it_was(tmp_path, bundle):
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "alledge").write_text("the old one", encoding="utf-8")
    pack(tmp_path / "p", bundle)
    done = install(tmp_path / "p" / FOLDER, "--prefix", str(prefix))
    assert done.returncode == 1  # its pip is none
    assert "what was installed before is as it was" in done.stderr
    assert (prefix / "bin" / "alledge").read_text(encoding="utf-8") == "the old one"
    assert list((prefix / "versions").iterdir()) == []  # nor is anything left of the new one


def test_a_board_that_cannot_run_alledge_gets_no_pack(tmp_path, bundle):
    with pytest.raises(UsageError, match=r"Python 3\.7"):
        write_pack(get_profile("coral-dev-board"), bundle.path, tmp_path / "x.tar")
    with pytest.raises(UsageError, match="does not run on Python"):
        write_pack(get_profile("raspberry-pi-5"), bundle.path, tmp_path / "x.tar", python="2.7")


@pytest.mark.parametrize(
    ("board", "python", "newest"),
    [
        ("raspberry-pi-5", "3.11", "manylinux_2_36_aarch64"),
        ("raspberry-pi-5", "3.13", "manylinux_2_41_aarch64"),
        ("jetson-orin-nano", "3.10", "manylinux_2_35_aarch64"),
        ("office-pc-windows", "3.11", "win_amd64"),
        ("apple-silicon", "3.11", "macosx_15_0_arm64"),
    ],
)
def test_wheels_are_asked_for_by_the_boards_own_platform(board, python, newest):
    assert platform_tags(get_profile(board), python)[0] == newest


def test_every_wheel_is_pinned_with_its_hash(tmp_path):
    (tmp_path / "ml_dtypes-0.6.0-cp311-cp311-win_amd64.whl").write_bytes(b"x")
    line = pinned(tmp_path)
    assert line.startswith("ml-dtypes==0.6.0 --hash=sha256:")


def test_an_installed_package_is_put_together_again_as_a_wheel(tmp_path):
    wheel = repack(importlib.metadata.distribution("click"), tmp_path)
    same = repack(importlib.metadata.distribution("click"), tmp_path / "..").read_bytes()
    assert wheel.read_bytes() == same
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert "click/__init__.py" in names
    assert not any("direct_url" in name or "__pycache__" in name for name in names)
    assert sum(name.endswith("RECORD") for name in names) == 1
