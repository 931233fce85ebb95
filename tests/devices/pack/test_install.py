"""A pack for this machine, installed without a network, for real: minutes, so marked slow."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from alledge.devices.detection import architecture
from alledge.devices.pack.packing import write_pack
from alledge.devices.pack.signing_keys import Signer, generate_keys
from alledge.devices.profiles import get_profile
from alledge.errors import AlledgeError
from alledge.runtime.digests import file_digest

OFFLINE = ["unshare", "--net"]  # a network namespace of its own: no network at all
MOST_BYTES = 150_000_000
PATIENCE_S = 300

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory, int8_bundle):
    """A pack of an exported bundle for this machine, unpacked."""
    if sys.platform != "linux" or architecture() != "x86_64":
        pytest.skip("needs Linux on x86-64")
    if subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    place = tmp_path_factory.mktemp("pack")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        write_pack(
            get_profile("office-pc-linux"), int8_bundle.path, place / "pc.tar", python=python
        )
    except AlledgeError as error:
        pytest.skip(f"no wheels can be fetched here: {error}")
    with tarfile.open(place / "pc.tar") as archive:
        archive.extractall(place)
    return place / "alledge-office-pc-linux"


def another(folder: Path, place: Path, signer: Signer | None = None) -> Path:
    """Return another pack of the same wheels: a line more in its README, perhaps signed."""
    copy = place / "another"
    shutil.copytree(folder, copy)
    with (copy / "README.txt").open("a", encoding="utf-8") as readme:
        readme.write("another\n")
    record = json.loads((copy / "pack.json").read_text(encoding="utf-8"))
    record["files"]["README.txt"] = file_digest(copy / "README.txt")
    content = json.dumps(record).encode()
    (copy / "pack.json").write_bytes(content)
    if signer:
        bundle = (copy / "bundle" / "bundle.json").read_bytes()
        (copy / "pack.sig").write_text(signer.sign(content, "pack"), encoding="ascii")
        (copy / "bundle" / "bundle.sig").write_text(signer.sign(bundle, "bundle"), encoding="ascii")
    return copy


def command_of(folder: Path, prefix: Path, *more: str) -> list[str]:
    """Return the words that install a pack without a network."""
    return [*OFFLINE, "sh", str(folder / "install.sh"), "--prefix", str(prefix), *more]


def install(folder: Path, prefix: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the install script without a network."""
    return subprocess.run(
        command_of(folder, prefix, *more), capture_output=True, encoding="utf-8", check=False
    )


def works(prefix: Path) -> bool:
    """Return whether the installed command runs and verifies its bundle."""
    (found,) = [
        path
        for path in (prefix / "versions").glob("*/share/alledge/bundle")
        if path.parents[2].name in (prefix / "bin" / "alledge").read_text(encoding="utf-8")
    ]
    words = [str(prefix / "bin" / "alledge"), "verify", str(found)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def wholes(prefix: Path) -> int:
    """Return how many whole installations there are, and that no others are."""
    found = list((prefix / "versions").iterdir())
    assert all((path / ".whole").is_file() for path in found)
    return len(found)


@pytest.fixture(scope="module")
def prefix(unpacked, tmp_path_factory):
    """Where the pack is installed, a folder with a space in its name."""
    place = tmp_path_factory.mktemp("a prefix") / "with a space"
    done = install(unpacked, place)
    assert done.returncode == 0, done.stderr
    assert "verdict    pass" in done.stdout
    return place


def test_an_installation_is_small_works_and_may_be_repeated(unpacked, prefix):
    assert works(prefix)
    taken = sum(path.lstat().st_blocks * 512 for path in prefix.rglob("*"))
    assert taken < MOST_BYTES
    says = subprocess.run(
        [str(prefix / "bin" / "alledge"), "doctor"], capture_output=True, check=False
    )
    assert says.returncode == 0, says.stdout
    again = install(unpacked, prefix)
    assert again.returncode == 0
    assert "installed already" in again.stdout
    assert wholes(prefix) == 1


def half_done(prefix: Path) -> bool:
    """Return whether packages are being put into an installation that is not whole yet."""
    return any(
        not (path.parents[3] / ".whole").is_file()
        for path in prefix.glob("versions/*/lib/python*/site-packages/numpy")
    )


def test_a_killed_installer_leaves_the_other_version_working(unpacked, prefix, tmp_path):
    other, before = another(unpacked, tmp_path), (prefix / "bin" / "alledge").read_bytes()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command_of(other, prefix), start_new_session=True, **quiet) as running:
        until = time.monotonic() + PATIENCE_S
        while not half_done(prefix):
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
    assert half_done(prefix)
    assert (prefix / "bin" / "alledge").read_bytes() == before
    assert works(prefix)
    done = install(other, prefix)
    assert done.returncode == 0, done.stderr
    assert (prefix / "bin" / "alledge").read_bytes() != before
    assert works(prefix)
    assert wholes(prefix) == 2


def test_a_signed_pack_installs_and_nothing_else_from_then_on(unpacked, tmp_path):
    secret, public = generate_keys(tmp_path / "lab")
    place = tmp_path / "prefix"
    signed = another(unpacked, tmp_path, Signer(secret))
    done = install(signed, place, "--trust", str(public))
    assert done.returncode == 0, done.stderr
    assert works(place)
    refused = install(unpacked, place)
    assert refused.returncode == 1
    assert "not signed" in refused.stderr
    assert works(place)


def test_an_installation_that_was_damaged_is_made_again_beside_it(unpacked, tmp_path):
    place = tmp_path / "prefix"
    assert install(unpacked, place).returncode == 0
    (model,) = place.glob("versions/*/share/alledge/bundle/model.tflite")
    model.write_bytes(b"damaged")
    done = install(unpacked, place)
    assert done.returncode == 0, done.stderr
    assert "does not verify any more" in done.stdout
    assert works(place)
