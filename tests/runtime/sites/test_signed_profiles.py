"""Site profiles on a device that trusts keys: only signed ones are used and written."""

import shutil
import sys

import pytest

from alledge.devices.pack.signing_keys import generate_keys
from alledge.errors import UntrustedError, UsageError
from alledge.runtime.bundle.signer import Signer
from alledge.runtime.sites.profile import SIGNATURE, open_site, site_folder, version_folder
from alledge.runtime.sites.store import load_signer, revert, site_lock
from support.site_profiles import write_profile

ROOM = "room-3"


@pytest.fixture
def key(tmp_path):
    """The secret key; the public one is alone in a folder of trusted keys."""
    secret, public = generate_keys(tmp_path / "lab")
    (tmp_path / "trusted").mkdir()
    shutil.copy(public, tmp_path / "trusted")
    return secret


@pytest.fixture
def trusting(key, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path / "trusted"))
    return Signer(key)


def test_a_signed_profile_is_used(trusting, float32_bundle, tmp_path):
    site = site_folder(ROOM, tmp_path)
    write_profile(site, float32_bundle, trusting, "tflite")
    assert open_site(ROOM, tmp_path).label == "room-3@1"


def test_a_profile_without_a_signature_is_refused_and_can_be_left(
    key, float32_bundle, tmp_path, monkeypatch
):
    site = site_folder(ROOM, tmp_path)
    write_profile(site, float32_bundle)  # before the device had keys
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path / "trusted"))
    with pytest.raises(UntrustedError, match="room-3@1 is not signed"):
        open_site(ROOM, tmp_path)
    with site_lock(site):
        assert revert(site).version == 0
    assert open_site(ROOM, tmp_path).version == 0


def test_a_profile_of_another_key_is_refused(trusting, float32_bundle, tmp_path):
    other = Signer(generate_keys(tmp_path / "other")[0])
    site = site_folder(ROOM, tmp_path)
    with pytest.raises(UntrustedError, match="a key that this device"):
        write_profile(site, float32_bundle, other)
    assert open_site(ROOM, tmp_path).version == 0


def test_a_signature_of_another_version_is_refused(trusting, float32_bundle, tmp_path):
    site = site_folder(ROOM, tmp_path)
    for _ in range(2):
        write_profile(site, float32_bundle, trusting)
    first, second = (version_folder(site, number) for number in (1, 2))
    shutil.copy(first / SIGNATURE, second / SIGNATURE)
    with pytest.raises(UntrustedError, match="changed after"):
        open_site(ROOM, tmp_path)


def test_a_device_with_keys_writes_no_profile_that_it_would_refuse(trusting, key, tmp_path):
    assert load_signer(key).public == trusting.public
    other = generate_keys(tmp_path / "other")[0]
    for wrong in (None, other):
        with pytest.raises(UntrustedError, match=r"signed with lab\.pub"):
            load_signer(wrong)
    with pytest.raises(UsageError, match="not a secret key"):
        load_signer(tmp_path / "lab.pub")


def test_an_installed_profile_is_used_until_the_device_has_its_own(
    float32_bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    installed = tmp_path / "prefix" / "share" / "alledge" / "sites" / ROOM
    write_profile(installed, float32_bundle)
    write_profile(installed, float32_bundle)
    home = tmp_path / "home"
    assert open_site(ROOM, home).label == "room-3@2"
    with pytest.raises(UsageError, match="no site 'room-4'") as caught:
        open_site("room-4", home)
    assert ROOM in str(caught.value.allowed)
    write_profile(site_folder(ROOM, home), float32_bundle)
    assert open_site(ROOM, home).label == "room-3@1"
