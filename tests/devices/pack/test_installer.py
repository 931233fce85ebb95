"""The installer's own parts, each alone: it runs before anything of alledge is there."""

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
    """The installer's functions; a constant is changed by `change`."""
    names = runpy.run_path(str(FILE))
    return SimpleNamespace(**names, change=names["install"].__globals__.update)


def versions(prefix: Path, whole: list[str], cut_off: list[str]) -> Path:
    """Make installations as they lie under a prefix."""
    for name in (*whole, *cut_off):
        (prefix / "versions" / name).mkdir(parents=True)
    for name in whole:
        (prefix / "versions" / name / ".whole").touch()
    return prefix / "versions"


def left(folder: Path) -> list[str]:
    """Return what is left in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_what_failed_goes_first_and_the_one_before_stays(installer, tmp_path):
    new, before, older, failed = NAMES
    folder = versions(tmp_path, [new, before, older], [failed])
    installer.forget(folder, new, before)
    assert left(folder) == [new, before]


def test_installing_the_same_again_forgets_no_working_version(installer, tmp_path):
    new, before, failed, _ = NAMES
    folder = versions(tmp_path, [new, before], [failed])
    installer.forget(folder, new, new)
    assert left(folder) == [new, before]


def test_the_command_names_the_installation_it_points_to(installer, tmp_path):
    prefix = tmp_path / "a user's versions"
    folder = versions(prefix, NAMES[:1], []) / NAMES[0]
    command = installer.switch(prefix, folder, {})
    assert installer.pointed(command) == NAMES[0]
    assert installer.pointed(tmp_path / "nothing") is None


def test_the_command_on_windows_is_relative_and_plain_ascii(installer, tmp_path):
    installer.change(WINDOWS=True)
    prefix = tmp_path / "Jürgen Groß"
    command = installer.switch(prefix, versions(prefix, NAMES[:1], []) / NAMES[0], {})
    text = command.read_bytes().decode("ascii")
    assert text == f'@"%~dp0..\\versions\\{NAMES[0]}\\Scripts\\alledge.exe" %*\r\n'
    assert installer.pointed(command) == NAMES[0]


@pytest.mark.skipif(sys.platform == "win32", reason="the lock of Windows belongs to the process")
def test_two_installers_do_not_work_in_one_place(installer, tmp_path):
    with (
        installer.alone(tmp_path),
        pytest.raises(installer.Refused, match="another installer"),
        installer.alone(tmp_path),
    ):
        pytest.fail("two are at work")
    with installer.alone(tmp_path):
        pass


def test_a_full_disk_is_told_before_anything_is_written(installer, tmp_path):
    with pytest.raises(installer.Refused, match="MiB are needed"):
        installer.build(tmp_path, "a" * 16, {"needs_bytes": 2**60}, {})
    assert left(tmp_path) == []


def test_a_verification_that_fails_leaves_what_the_command_points_to(installer, tmp_path):
    folder = versions(tmp_path, NAMES[:1], []) / NAMES[0]
    installer.change(verify=lambda folder: 1)
    assert installer.installed(tmp_path / "versions", NAMES[0].partition("-")[0]) is None
    assert (folder / ".whole").is_file()
    built = []
    installer.change(fill=lambda folder, pack, keys: built.append(folder.name))
    with pytest.raises(installer.Refused, match="does not compute here"):
        installer.build(tmp_path, NAMES[0].partition("-")[0], {"needs_bytes": 1}, {})
    assert built == [NAMES[0].replace("-1", "-2")]
    assert left(tmp_path / "versions") == [NAMES[0]]


def test_what_no_backend_opens_is_left_out_and_the_rest_stays(installer, tmp_path):
    installer.change(WINDOWS=False)
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    gone = ["numpy/_core/tests/test_a.py", "numpy/f2py/x.py", "numpy/__init__.pyi", "numpy/a/b.h"]
    gone += ["ai_edge_litert/libLiteRt.so", "ai_edge_litert/libLiteRtWebGpuAccelerator.so"]
    kept = ["numpy/typing/__init__.py", "ai_edge_litert/libpywrap_litert_common.so", "x/tests.py"]
    for name in (*gone, *kept):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    installer.leave_out(tmp_path, list(LEAVE_OUT))
    found = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert found == set(kept)


def test_the_two_keys_of_one_name_are_not_mistaken_for_each_other(installer, tmp_path):
    (tmp_path / "lab.pub").write_text("ed25519 01\n", encoding="ascii")
    with pytest.raises(installer.Refused, match=r"another lab\.pub is trusted"):
        installer.check_signature(b"", {"lab.pub": "ed25519 02\n"}, [tmp_path / "lab.pub"])
