"""A real pack for this machine, installed without a network; takes minutes."""

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
from alledge.devices.pack.signing_keys import generate_keys
from alledge.devices.profiles import get_profile
from alledge.errors import AlledgeError
from alledge.runtime.bundle.signer import Signer
from alledge.runtime.digests import file_digest

OFFLINE = ["unshare", "--net"]  # a new network namespace, which has no network
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
    folder = tmp_path_factory.mktemp("pack")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        write_pack(
            get_profile("office-pc-linux"), int8_bundle.path, folder / "pc.tar", python=python
        )
    except AlledgeError as error:
        pytest.skip(f"no wheels can be fetched here: {error}")
    with tarfile.open(folder / "pc.tar") as archive:
        archive.extractall(folder)
    return folder / "alledge-office-pc-linux"


def another_pack(folder: Path, parent: Path, signer: Signer | None = None) -> Path:
    """Return a pack of the same wheels with a longer README, signed if there is a signer."""
    copy = parent / "another"
    shutil.copytree(folder, copy)
    with (copy / "README.txt").open("a", encoding="utf-8") as readme:
        readme.write("another\n")
    record = json.loads((copy / "pack.json").read_text(encoding="utf-8"))
    if signer:
        bundle = (copy / "bundle" / "bundle.json").read_bytes()
        signature = copy / "bundle" / "bundle.sig"
        signature.write_text(signer.sign(bundle, "bundle"), encoding="ascii")
        record["files"]["bundle/bundle.sig"] = file_digest(signature)
    record["files"]["README.txt"] = file_digest(copy / "README.txt")
    content = json.dumps(record).encode()
    (copy / "pack.json").write_bytes(content)
    if signer:
        (copy / "pack.sig").write_text(signer.sign(content, "pack"), encoding="ascii")
    return copy


def command_of(folder: Path, prefix: Path, *more: str) -> list[str]:
    """Return the command that installs a pack without a network."""
    return [*OFFLINE, "sh", str(folder / "install.sh"), "--prefix", str(prefix), *more]


def install(folder: Path, prefix: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the install script without a network."""
    return subprocess.run(
        command_of(folder, prefix, *more), capture_output=True, encoding="utf-8", check=False
    )


def verifies(prefix: Path) -> bool:
    """Return whether the installed command runs and verifies its bundle."""
    (bundle,) = [
        path
        for path in (prefix / "versions").glob("*/share/alledge/bundle")
        if path.parents[2].name in (prefix / "bin" / "alledge").read_text(encoding="utf-8")
    ]
    command = [str(prefix / "bin" / "alledge"), "verify", str(bundle)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def count_versions(prefix: Path) -> int:
    """Return the number of installations, after checking that all are complete."""
    versions = list((prefix / "versions").iterdir())
    assert all((path / ".complete").is_file() for path in versions)
    return len(versions)


@pytest.fixture(scope="module")
def prefix(unpacked, tmp_path_factory):
    """A folder with a space in its name, into which the pack is installed."""
    folder = tmp_path_factory.mktemp("a prefix") / "with a space"
    process = install(unpacked, folder)
    assert process.returncode == 0, process.stderr
    assert "verdict    pass" in process.stdout
    return folder


def test_an_installation_is_small_and_can_be_repeated(unpacked, prefix):
    assert verifies(prefix)
    disk_bytes = sum(path.lstat().st_blocks * 512 for path in prefix.rglob("*"))
    assert disk_bytes < MOST_BYTES
    doctor = subprocess.run(
        [str(prefix / "bin" / "alledge"), "doctor"], capture_output=True, check=False
    )
    assert doctor.returncode == 0, doctor.stdout
    again = install(unpacked, prefix)
    assert again.returncode == 0
    assert "already installed" in again.stdout
    assert count_versions(prefix) == 1


def is_installing(prefix: Path) -> bool:
    """Return whether an incomplete installation contains numpy already."""
    return any(
        not (path.parents[3] / ".complete").is_file()
        for path in prefix.glob("versions/*/lib/python*/site-packages/numpy")
    )


def test_a_killed_installer_leaves_the_previous_version_working(unpacked, prefix, tmp_path):
    other, command = another_pack(unpacked, tmp_path), (prefix / "bin" / "alledge").read_bytes()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command_of(other, prefix), start_new_session=True, **quiet) as running:
        until = time.monotonic() + PATIENCE_S
        while not is_installing(prefix):
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
    assert is_installing(prefix)
    assert (prefix / "bin" / "alledge").read_bytes() == command
    assert verifies(prefix)
    process = install(other, prefix)
    assert process.returncode == 0, process.stderr
    assert (prefix / "bin" / "alledge").read_bytes() != command
    assert verifies(prefix)
    assert count_versions(prefix) == 2


def test_after_a_signed_pack_an_unsigned_one_is_refused(unpacked, tmp_path):
    secret, public = generate_keys(tmp_path / "lab")
    prefix = tmp_path / "prefix"
    signed = another_pack(unpacked, tmp_path, Signer(secret))
    process = install(signed, prefix, "--trust", str(public))
    assert process.returncode == 0, process.stderr
    assert verifies(prefix)
    refused = install(unpacked, prefix)
    assert refused.returncode == 1
    assert "not signed" in refused.stderr
    assert verifies(prefix)


def test_a_damaged_installation_is_replaced_by_a_new_one(unpacked, tmp_path):
    prefix = tmp_path / "prefix"
    assert install(unpacked, prefix).returncode == 0
    (model,) = prefix.glob("versions/*/share/alledge/bundle/model.tflite")
    model.write_bytes(b"damaged")
    process = install(unpacked, prefix)
    assert process.returncode == 0, process.stderr
    assert "its verification fails" in process.stdout
    assert verifies(prefix)
