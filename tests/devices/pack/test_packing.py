"""Packs are deterministic, and check and installer refuse every changed file."""

import importlib.metadata
import json
import os
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
from alledge.devices.pack.dependency_closure import missing_requirements
from alledge.devices.pack.pack_check import check_pack
from alledge.devices.pack.pack_tar import write_tar
from alledge.devices.pack.packing import fill_folder, write_pack, write_scripts
from alledge.devices.pack.signing_keys import generate_keys
from alledge.devices.pack.wheels import pinned_requirements, platform_tags, repack
from alledge.devices.profiles import Profile, get_profile
from alledge.errors import AlledgeError, BundleError, TamperedError, UntrustedError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.signer import Signer
from support.bundles import RECORD_KEYS, format_row, seal
from support.changed_documents import tracebacks

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"
BOARD = "office-pc-linux"
FOLDER = f"alledge-{BOARD}"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def this_machine(name: str = BOARD) -> Profile:
    """Return a profile with the architecture and system of this machine."""
    data = json.loads(json.dumps(get_profile(name).data))
    data["cpu"]["arch"] = architecture()
    data["system"] = {"linux": "linux", "win32": "windows", "darwin": "macos"}[sys.platform]
    return Profile.from_data(data)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle whose artifact is not a real model."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(b"not really")
    seal(folder, {**RECORD_KEYS, "name": "tiny", "formats": {"tflite": format_row("tflite")}})
    return Bundle.open(folder)


def wheel(folder: Path, name: str, *requirements: str) -> Path:
    """Write a wheel that contains only its requirements."""
    path = folder / f"{name}-py3-none-any.whl"
    lines = [*(f"Requires-Dist: {need}" for need in requirements), "", "about it"]
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo(f"{name}.dist-info/METADATA", (1980, 1, 1, 0, 0, 0))
        archive.writestr(member, "\n".join(["Metadata-Version: 2.1", *lines]))
    return path


def pack(parent: Path, bundle: Bundle, signer: Signer | None = None, python: str = HERE) -> Path:
    """Write a pack with an empty wheel; return the tar."""
    folder = parent / FOLDER
    (folder / "wheels").mkdir(parents=True)
    (folder / "tools").mkdir()
    wheel(folder / "wheels", "thing-1.0")
    (folder / "tools" / "pip-1.0-py3-none-any.whl").write_bytes(b"a pip")
    document = fill_folder(folder, this_machine(), bundle, python, signer)
    schema = json.loads((SCHEMAS / "pack.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    write_tar(folder, parent / "pack.tar")
    return parent / "pack.tar"


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
    """A secret key; the public key is in the same folder."""
    return generate_keys(tmp_path / "keys" / "lab")[0]


def test_the_same_content_gives_the_same_bytes(tmp_path, bundle):
    one, two = pack(tmp_path / "one", bundle), pack(tmp_path / "two", bundle)
    assert one.read_bytes() == two.read_bytes()
    assert check_pack(one)["bundle"] == {"name": "tiny", "digest": bundle.digest}


def test_a_bundle_of_cells_is_packed_whole(tmp_path, int8_cell_bundle):
    packed = check_pack(pack(tmp_path, int8_cell_bundle))
    assert packed["bundle"]["name"] == "mobilenetv2-cell-int8"
    names = {name.removeprefix("bundle/") for name in packed["files"]}
    assert {*int8_cell_bundle.record["files"], "bundle.json"} <= names


def test_a_pack_contains_its_installer_and_a_short_readme(tmp_path, bundle):
    with tarfile.open(pack(tmp_path / "one", bundle)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        readme = archive.extractfile(f"{FOLDER}/README.txt").read().decode()
    assert {"install.py", "ed25519.py", "pack.json", "requirements.txt"} <= names
    assert len(readme.splitlines()) <= 12
    assert "@" not in readme


def test_a_changed_or_missing_file_is_refused(tmp_path, bundle):
    tar = pack(tmp_path / "one", bundle)
    folder = tmp_path / "one" / FOLDER
    (folder / "bundle" / "model.tflite").write_bytes(b"another")
    write_tar(folder, tar)
    with pytest.raises(TamperedError, match=r"bundle/model\.tflite"):
        check_pack(tar)
    (folder / "bundle" / "model.tflite").unlink()
    write_tar(folder, tar)
    with pytest.raises(TamperedError):
        check_pack(tar)


def test_a_file_that_is_not_a_pack_is_refused(tmp_path):
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
def test_a_tar_that_would_unpack_elsewhere_or_with_other_modes_is_refused(
    tmp_path, bundle, name, mode
):
    tar = pack(tmp_path / "one", bundle)
    with tarfile.open(tar, "a") as archive:
        member = tarfile.TarInfo(name.replace("alledge-pc", FOLDER))
        member.mode = mode
        archive.addfile(member)
    with pytest.raises(BundleError, match=r"elsewhere|beside|mode"):
        check_pack(tar)


def test_a_pack_lists_the_files_to_delete_and_the_space_it_needs(tmp_path, bundle):
    document = check_pack(pack(tmp_path / "one", bundle))
    assert "ai_edge_litert/libLiteRt.so" in document["leave_out"]
    assert not any("numpy/typing" in pattern for pattern in document["leave_out"])  # it is used
    assert document["needs_bytes"] > sum(path.stat().st_size for path in bundle.path.iterdir())


def test_missing_requirements_are_found_with_the_markers_of_the_board(tmp_path):
    board = get_profile("office-pc-windows")
    wheel(tmp_path, "one-1.0", "two>=2", "three; sys_platform == 'linux'", "four; extra == 'x'")
    assert missing_requirements(tmp_path, board, "3.11") == [
        "one-1.0-py3-none-any.whl needs two>=2"
    ]
    wheel(tmp_path, "two-1.5")
    assert "1.5 is here" in missing_requirements(tmp_path, board, "3.11")[0]
    (tmp_path / "two-1.5-py3-none-any.whl").unlink()
    wheel(tmp_path, "Two-2.0")
    assert missing_requirements(tmp_path, board, "3.11") == []
    assert missing_requirements(tmp_path, get_profile("raspberry-pi-5"), "3.13") != []


def test_the_windows_script_tests_the_python_launcher_before_it_uses_it(tmp_path, bundle):
    folder = tmp_path / "alledge-pc"
    folder.mkdir()
    write_scripts(folder, get_profile("office-pc-windows"), bundle, "3.11")
    lines = (folder / "install.cmd").read_bytes().split(b"\r\n")
    assert b'py -3.11 -c "" >nul 2>nul || goto python' in lines
    assert not any(b"\n" in line or b"@PYTHON@" in line for line in lines)


def test_a_pack_must_be_signed_with_a_trusted_key(tmp_path, bundle, key, monkeypatch):
    signer = Signer(key)
    keys = {"lab.pub": signer.public}
    assert check_pack(pack(tmp_path / "signed", bundle, signer), keys)
    with pytest.raises(UntrustedError, match="not signed"):
        check_pack(pack(tmp_path / "plain", bundle), keys)
    other = Signer(generate_keys(tmp_path / "other")[0])
    with pytest.raises(UntrustedError, match="does not trust"):
        check_pack(pack(tmp_path / "other-pack", bundle, other), keys)


def test_a_signed_pack_with_bytes_after_its_last_file_is_refused(tmp_path, bundle, key):
    signer = Signer(key)
    tar = pack(tmp_path / "signed", bundle, signer)
    with tar.open("ab") as file:
        file.write(b"anything".ljust(512))
    with pytest.raises(BundleError, match="bytes after its last file"):
        check_pack(tar, {"lab.pub": signer.public})


def test_the_signature_of_the_bundle_in_a_pack_cannot_be_exchanged(tmp_path, bundle, key):
    signer = Signer(key)
    tar = pack(tmp_path / "signed", bundle, signer)
    folder = tmp_path / "signed" / FOLDER
    (folder / "bundle" / "bundle.sig").write_text("another", encoding="ascii")
    write_tar(folder, tar)
    with pytest.raises(TamperedError, match=r"bundle\.sig"):
        check_pack(tar, {"lab.pub": signer.public})
    assert "bundle.sig is damaged" in install(folder, "--prefix", str(tmp_path / "x")).stderr


def test_a_pack_whose_document_is_malformed_is_refused(tmp_path, bundle):
    tar = pack(tmp_path / "one", bundle)
    folder = tmp_path / "one" / FOLDER
    document = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    for content, part in (
        ("[]", "it is array"),
        ("null", "it is null"),
        ("{", "line 1, column 2"),
        ("[" * 100_000, "more than 64 levels"),
        (json.dumps({**document, "files": []}), "files: it is array, not object"),
        (json.dumps({**document, "schema_version": 2}), "a later version of alledge wrote it"),
    ):
        (folder / "pack.json").write_text(content, encoding="utf-8")
        write_tar(folder, tar)
        with pytest.raises(BundleError, match=r"pack\.json of ") as error:
            check_pack(tar)
        assert part in str(error.value)
        refused = install(folder, "--prefix", str(tmp_path / "x")).stderr
        assert "not installed: " in refused
        assert "Traceback" not in refused


def test_no_changed_document_of_a_pack_ends_in_a_traceback(tmp_path, bundle):
    tar = pack(tmp_path / "one", bundle)
    folder = tmp_path / "one" / FOLDER
    document = json.loads((folder / "pack.json").read_text(encoding="utf-8"))

    def write(changed):
        (folder / "pack.json").write_text(json.dumps(changed), encoding="utf-8")
        write_tar(folder, tar)

    assert tracebacks(document, 60, write, "pack", "--check", tar) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX special files")
@pytest.mark.timeout(20)
def test_special_missing_and_huge_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(20 << 30)  # sparse
    for path, part in (
        (tmp_path / "fifo", "it is a FIFO"),
        ("/dev/zero", "it is a device"),
        (tmp_path, "it is a folder"),
        (tmp_path / "none", "there is no file"),
        (tmp_path / "huge", "it has 20.0 GiB"),
    ):
        with pytest.raises(BundleError, match=part):
            check_pack(Path(path))


def test_a_member_that_claims_more_bytes_than_there_are_is_refused(tmp_path, bundle):
    tar = pack(tmp_path / "one", bundle)
    member = tarfile.TarInfo(f"{FOLDER}/wheels/big.whl")
    member.size, member.mode = 8 * 2**30 - 1, 0o644  # the largest that a header can hold
    tar.write_bytes(member.tobuf(tarfile.USTAR_FORMAT) + tar.read_bytes())
    with pytest.raises(BundleError, match="it is truncated"):
        check_pack(tar)


def test_a_tar_without_its_document_and_a_cut_one_are_refused(tmp_path, bundle):
    tar = pack(tmp_path / "one", bundle)
    content = tar.read_bytes()
    last = len(content.rstrip(b"\0")) - 1  # within the last member: after it come only zeros
    for length in (0, 1, 512, 700, len(content) // 2, last):
        tar.write_bytes(content[:length])
        with pytest.raises(AlledgeError):
            check_pack(tar)
    (tmp_path / "one" / FOLDER / "pack.json").unlink()
    write_tar(tmp_path / "one" / FOLDER, tar)
    with pytest.raises(BundleError, match=r"it has no pack\.json"):
        check_pack(tar)


def test_pack_check_reports_the_number_of_files(tmp_path, bundle):
    result = CliRunner().invoke(main, ["pack", "--check", str(pack(tmp_path / "p", bundle))])
    assert result.exit_code == 0
    assert "files as packed" in result.output


def test_the_installer_refuses_a_file_that_was_changed(tmp_path, bundle):
    pack(tmp_path / "p", bundle)
    folder = tmp_path / "p" / FOLDER
    (folder / "bundle" / "model.tflite").write_bytes(b"another")
    done = install(folder, "--prefix", str(tmp_path / "prefix"))
    assert done.returncode == 1
    assert "bundle/model.tflite is damaged" in done.stderr
    assert not (tmp_path / "prefix").exists()


def test_the_installer_refuses_an_added_wheel(tmp_path, bundle):
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


def test_the_installer_accepts_only_packs_signed_with_the_named_key(tmp_path, bundle, key):
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
    assert "was changed after it was signed" in done.stderr


def test_a_device_with_trusted_keys_refuses_an_unsigned_pack_without_an_option(
    tmp_path, bundle, key
):
    prefix = tmp_path / "prefix"
    (prefix / "trusted").mkdir(parents=True)
    shutil.copy(key.with_suffix(".pub"), prefix / "trusted")
    pack(tmp_path / "p", bundle)
    done = install(tmp_path / "p" / FOLDER, "--prefix", str(prefix))
    assert "the pack is not signed" in done.stderr


def test_a_newly_named_key_does_not_count_if_others_are_trusted_already(tmp_path, bundle, key):
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


def test_a_failed_installation_leaves_the_previous_command_unchanged(tmp_path, bundle):
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "alledge").write_text("the old one", encoding="utf-8")
    pack(tmp_path / "p", bundle)
    done = install(tmp_path / "p" / FOLDER, "--prefix", str(prefix))
    assert done.returncode == 1  # its pip is not a wheel
    assert "the previous installation is unchanged" in done.stderr
    assert (prefix / "bin" / "alledge").read_text(encoding="utf-8") == "the old one"
    assert list((prefix / "versions").iterdir()) == []


def test_no_pack_is_written_for_a_board_or_a_python_that_cannot_run_alledge(tmp_path, bundle):
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
def test_the_newest_platform_tag_is_that_of_the_boards_system(board, python, newest):
    assert platform_tags(get_profile(board), python)[0] == newest


def test_requirements_pin_every_wheel_with_its_hash(tmp_path):
    (tmp_path / "ml_dtypes-0.6.0-cp311-cp311-win_amd64.whl").write_bytes(b"x")
    line = pinned_requirements(tmp_path)
    assert line.startswith("ml-dtypes==0.6.0 --hash=sha256:")


def test_an_installed_package_is_repacked_as_a_wheel(tmp_path):
    wheel = repack(importlib.metadata.distribution("click"), tmp_path)
    same = repack(importlib.metadata.distribution("click"), tmp_path / "..").read_bytes()
    assert wheel.read_bytes() == same
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert "click/__init__.py" in names
    assert not any("direct_url" in name or "__pycache__" in name for name in names)
    assert sum(name.endswith("RECORD") for name in names) == 1
