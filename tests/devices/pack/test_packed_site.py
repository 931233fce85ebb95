"""A site profile in a pack: signed again, checked, and installed where `open_site` finds it."""

import tarfile

import pytest

from alledge.devices.pack.pack_check import check_pack
from alledge.devices.pack.pack_tar import write_tar
from alledge.devices.pack.packed_site import check_site, copy_site
from alledge.devices.pack.packing import fill_folder
from alledge.devices.pack.signing_keys import generate_keys
from alledge.devices.profiles import get_profile
from alledge.errors import SiteError, UntrustedError, UsageError
from alledge.runtime.bundle.signer import Signer
from alledge.runtime.sites.profile import SITES, open_site, site_folder
from support.site_profiles import write_profile

BOARD, ROOM = "office-pc-linux", "room-3"  # a board that runs tflite


def pack_folder(parent, bundle, signer, site):
    folder = parent / f"alledge-{BOARD}"
    for name in ("wheels", "tools"):
        (folder / name).mkdir(parents=True)
    (folder / "tools" / "pip-1.0-py3-none-any.whl").write_bytes(b"a pip")
    fill_folder(folder, get_profile(BOARD), bundle, "3.11", signer, site)
    return folder


def test_a_packed_site_is_signed_and_opens_again(float32_bundle, tmp_path, monkeypatch):
    secret, _ = generate_keys(tmp_path / "keys" / "lab")
    for _ in range(2):
        profile = write_profile(site_folder(ROOM, tmp_path), float32_bundle)
    folder = pack_folder(tmp_path, float32_bundle, Signer(secret), profile)
    write_tar(folder, tmp_path / "pack.tar")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(secret.parent))
    assert "sites/room-3/v0002/site.json" in check_pack(tmp_path / "pack.tar")["files"]
    with tarfile.open(tmp_path / "pack.tar") as archive:
        archive.extractall(tmp_path / "device", filter="data")
    home = tmp_path / "device" / folder.name  # its folder of sites is that of a device
    assert open_site(ROOM, home).label == "room-3@2"
    with pytest.raises(UntrustedError):
        open_site(ROOM, tmp_path)  # that of the desk has no signature


def test_an_own_signature_is_kept_in_an_unsigned_pack(float32_bundle, tmp_path):
    signer = Signer(generate_keys(tmp_path / "lab")[0])
    profile = write_profile(site_folder(ROOM, tmp_path), float32_bundle, signer)
    copy_site(profile, tmp_path / "pack" / SITES, None)
    assert (tmp_path / "pack" / SITES / ROOM / "v0001" / "site.sig").is_file()


def test_a_site_that_the_board_cannot_use_is_refused(float32_bundle, int8_bundle, tmp_path):
    board = get_profile(BOARD)
    other = {"tflite": "onnx", "onnx": "tflite"}[board.data["pack"]["backend"]]
    profile = write_profile(site_folder(ROOM, tmp_path), float32_bundle, backend=other)
    with pytest.raises(SiteError, match="adopted with the features of"):
        check_site(profile, float32_bundle, board)
    with pytest.raises(SiteError, match="belongs to the bundle"):
        check_site(profile, int8_bundle, board)
    site_folder("room-4", tmp_path).mkdir()
    with pytest.raises(UsageError, match="no profile to pack"):
        check_site(open_site("room-4", tmp_path), float32_bundle, board)
