"""The functions of the installer, which runs before alledge is installed, one by one."""

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from alledge.devices.pack.wheels import LEAVE_OUT

FILE = Path(__file__).resolve().parents[3] / "devices" / "pack" / "installer" / "install.py"
NAMES = [f"{digit * 16}-1" for digit in "abcd"]


@pytest.fixture
def installer() -> SimpleNamespace:
    """The installer's names; `change` replaces some of them."""
    names = runpy.run_path(str(FILE))
    return SimpleNamespace(**names, change=names["install"].__globals__.update)


def versions(prefix: Path, complete: list[str], incomplete: list[str]) -> Path:
    """Create the folders of installations under a prefix; return their parent."""
    for name in (*complete, *incomplete):
        (prefix / "versions" / name).mkdir(parents=True)
    for name in complete:
        (prefix / "versions" / name / ".complete").touch()
    return prefix / "versions"


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_only_the_current_and_the_previous_version_are_kept(installer, tmp_path):
    new, previous, older, failed = NAMES
    folder = versions(tmp_path, [new, previous, older], [failed])
    installer.remove_old_versions(folder, new, previous)
    assert names_in(folder) == [new, previous]


def test_installing_the_current_version_again_keeps_every_complete_version(installer, tmp_path):
    new, previous, failed, _ = NAMES
    folder = versions(tmp_path, [new, previous], [failed])
    installer.remove_old_versions(folder, new, new)
    assert names_in(folder) == [new, previous]


def test_the_version_that_the_command_starts_can_be_read_from_it(installer, tmp_path):
    prefix = tmp_path / "a user's versions"
    folder = versions(prefix, NAMES[:1], []) / NAMES[0]
    command = installer.switch_command(prefix, folder, {})
    assert installer.current_version(command) == NAMES[0]
    assert installer.current_version(tmp_path / "nothing") is None


def test_the_command_on_windows_is_relative_and_ascii(installer, tmp_path):
    installer.change(WINDOWS=True)
    prefix = tmp_path / "Jürgen Groß"
    command = installer.switch_command(prefix, versions(prefix, NAMES[:1], []) / NAMES[0], {})
    text = command.read_bytes().decode("ascii")
    assert text == f'@"%~dp0..\\versions\\{NAMES[0]}\\Scripts\\alledge.exe" %*\r\n'
    assert installer.current_version(command) == NAMES[0]


@pytest.mark.skipif(sys.platform == "win32", reason="the lock of Windows belongs to the process")
def test_a_second_installer_in_the_same_folder_is_refused(installer, tmp_path):
    with (
        installer.installer_lock(tmp_path),
        pytest.raises(installer.Refused, match="another installer"),
        installer.installer_lock(tmp_path),
    ):
        pytest.fail("two installers have the lock")
    with installer.installer_lock(tmp_path):
        pass


def test_too_little_disk_space_is_refused_before_anything_is_written(installer, tmp_path):
    with pytest.raises(installer.Refused, match="MiB are needed"):
        installer.create_installation(tmp_path, "a" * 16, {"needs_bytes": 2**60}, {})
    assert names_in(tmp_path) == []


def test_a_failed_verification_keeps_the_current_installation(installer, tmp_path):
    folder = versions(tmp_path, NAMES[:1], []) / NAMES[0]
    installer.change(verify=lambda folder: 1)
    assert (
        installer.find_working_installation(tmp_path / "versions", NAMES[0].partition("-")[0])
        is None
    )
    assert (folder / ".complete").is_file()
    filled = []
    installer.change(fill_installation=lambda folder, pack, keys: filled.append(folder.name))
    with pytest.raises(installer.Refused, match="does not give its reference results"):
        installer.create_installation(tmp_path, NAMES[0].partition("-")[0], {"needs_bytes": 1}, {})
    assert filled == [NAMES[0].replace("-1", "-2")]
    assert names_in(tmp_path / "versions") == [NAMES[0]]


def test_unused_files_of_the_wheels_are_deleted_and_the_others_stay(installer, tmp_path):
    installer.change(WINDOWS=False)
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    unused = ["numpy/_core/tests/test_a.py", "numpy/f2py/x.py", "numpy/__init__.pyi", "numpy/a/b.h"]
    unused += ["ai_edge_litert/libLiteRt.so", "ai_edge_litert/libLiteRtWebGpuAccelerator.so"]
    used = ["numpy/typing/__init__.py", "ai_edge_litert/libpywrap_litert_common.so", "x/tests.py"]
    for name in (*unused, *used):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    installer.leave_out(tmp_path, list(LEAVE_OUT))
    remaining = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert remaining == set(used)


def test_another_key_with_the_name_of_a_trusted_key_is_refused(installer, tmp_path):
    (tmp_path / "lab.pub").write_text("ed25519 01\n", encoding="ascii")
    with pytest.raises(installer.Refused, match=r"another lab\.pub is trusted"):
        installer.check_signature(b"", {"lab.pub": "ed25519 02\n"}, [tmp_path / "lab.pub"])


PACK = {
    "files": {"tools/pip-1.whl": "0" * 64},
    "python": "3.11",
    "system": "linux",
    "arch": "x86_64",
    "needs_bytes": 1,
    "pip": "tools/pip-1.whl",
    "leave_out": ["numpy/*/tests"],
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("needs_bytes", True),
        ("pip", "../pip.whl"),
        ("leave_out", [5]),
        ("leave_out", ["/etc/*"]),
        ("leave_out", ["../../../../*"]),
        ("leave_out", ["numpy/../../*"]),
        ("leave_out", ["numpy\n"]),
    ],
)
def test_a_document_that_would_delete_or_run_other_files_is_refused(installer, key, value):
    assert installer.read_pack(json.dumps(PACK).encode()) == PACK
    with pytest.raises(installer.Refused, match=rf"pack\.json is damaged \({key}\)"):
        installer.read_pack(json.dumps({**PACK, key: value}).encode())


def test_the_globs_of_alledge_are_accepted(installer):
    assert installer.read_pack(json.dumps({**PACK, "leave_out": LEAVE_OUT}).encode())


def test_a_refusal_prints_no_control_character_of_the_pack(
    installer, tmp_path, capsys, monkeypatch
):
    content = {**PACK, "python": "3.0\x1b[2J\rinstalled"}
    (tmp_path / "pack.json").write_text(json.dumps(content), encoding="utf-8")
    installer.change(HERE=tmp_path, check_files=lambda pack: None)
    monkeypatch.setattr(sys, "argv", ["install.py", "--prefix", str(tmp_path / "prefix")])
    assert installer.main() == 1
    text = capsys.readouterr().err
    assert "for 3.0\\x1b[2J\\rinstalled:" in text
    assert "\x1b" not in text
