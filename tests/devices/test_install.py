"""A pack for this machine, installed without a network, for real: minutes, so marked slow."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from alledge.devices.detection import architecture
from alledge.devices.packing import write_pack
from alledge.devices.profiles import get_profile
from alledge.errors import AlledgeError

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
OFFLINE = ["unshare", "--net"]  # a network namespace of its own: no network at all

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A pack of an exported bundle for this machine, unpacked."""
    found = sorted(path.parent for path in BUNDLES.glob("*/bundle.json"))
    if not found or sys.platform != "linux" or architecture() != "x86_64":
        pytest.skip("needs Linux on x86-64 and a bundle under bundles/")
    if subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    place = tmp_path_factory.mktemp("pack")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        write_pack(get_profile("office-pc-linux"), found[0], place / "pc.tar", python=python)
    except AlledgeError as error:
        pytest.skip(f"no wheels can be fetched here: {error}")
    with tarfile.open(place / "pc.tar") as archive:
        archive.extractall(place)
    return place / "alledge-office-pc-linux"


def install(folder: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    """Run the install script without a network."""
    return subprocess.run(
        [*OFFLINE, "sh", str(folder / "install.sh"), "--prefix", str(prefix)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_pack_installs_offline_verifies_and_may_be_interrupted_and_repeated(unpacked, tmp_path):
    prefix = tmp_path / "prefix"
    done = install(unpacked, prefix)
    assert done.returncode == 0, done.stderr
    assert "verdict    pass" in done.stdout
    command = prefix / "bin" / "alledge"
    says = subprocess.run([command, "doctor"], capture_output=True, encoding="utf-8", check=False)
    assert says.returncode == 0, says.stdout
    again = install(unpacked, prefix)
    assert again.returncode == 0
    assert "installed already" in again.stdout
    (version,) = (prefix / "versions").iterdir()
    (version / ".whole").unlink()  # as if it had been cut off
    shutil.rmtree(version / "share")
    repaired = install(unpacked, prefix)
    assert repaired.returncode == 0, repaired.stderr
    assert (version / "share" / "alledge" / "bundle" / "bundle.json").is_file()
