"""Signatures of bundles and packs, the keys that a device trusts, and `alledge keygen`."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.pack.signing_keys import generate_keys
from alledge.errors import UntrustedError, UsageError
from alledge.runtime.bundle.signer import Signer
from alledge.runtime.bundle.signing import (
    check_bundle,
    check_signature,
    read_public_key,
    trusted_keys,
    verify_signature,
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The signer with a new key, and the folder that contains its public key."""
    folder = tmp_path_factory.mktemp("keys")
    secret, _ = generate_keys(folder / "laboratory")
    return Signer(secret), folder


def test_a_signature_of_the_signer_is_valid_and_each_changed_byte_makes_it_invalid(pair):
    signer, _ = pair
    value = bytes.fromhex(signer.sign(b"record", "bundle").split()[2])
    message = b"alledge bundle\nrecord"
    assert verify_signature(signer.public, message, value)
    for place in (0, 31, 32, 63):
        broken = bytearray(value)
        broken[place] ^= 1
        assert not verify_signature(signer.public, message, bytes(broken))


def test_a_device_without_keys_requires_no_signature(tmp_path):
    check_bundle(tmp_path, b"{}")


def test_a_device_with_keys_accepts_only_what_they_signed(pair, tmp_path, monkeypatch):
    signer, folder = pair
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(folder))
    with pytest.raises(UntrustedError, match="not signed"):
        check_bundle(tmp_path, b"{}")
    (tmp_path / "bundle.sig").write_text(signer.sign(b"{}", "bundle"), encoding="ascii")
    check_bundle(tmp_path, b"{}")
    with pytest.raises(UntrustedError, match="was changed after"):
        check_bundle(tmp_path, b"{ }")
    (tmp_path / "bundle.sig").write_text("gibberish", encoding="ascii")
    with pytest.raises(UntrustedError, match="damaged"):
        check_bundle(tmp_path, b"{}")


def test_a_signature_of_another_key_is_refused(pair, tmp_path):
    _, folder = pair
    secret, _ = generate_keys(tmp_path / "other")
    signature = tmp_path / "bundle.sig"
    signature.write_text(Signer(secret).sign(b"{}", "bundle"), encoding="ascii")
    with pytest.raises(UntrustedError, match="does not trust"):
        check_signature(b"{}", signature, "bundle", trusted_keys(folder), "it")


def test_the_signature_of_a_bundle_is_not_valid_for_a_pack(pair, tmp_path):
    signer, folder = pair
    signature = tmp_path / "pack.sig"
    signature.write_text(signer.sign(b"{}", "bundle"), encoding="ascii")
    with pytest.raises(UntrustedError):
        check_signature(b"{}", signature, "pack", trusted_keys(folder), "it")


def test_a_damaged_key_or_a_missing_folder_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "bad.pub").write_text("ed25519 00ff\n", encoding="ascii")
    with pytest.raises(UntrustedError, match="not a public key"):
        read_public_key(tmp_path / "bad.pub")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path))
    with pytest.raises(UntrustedError):
        check_bundle(tmp_path, b"{}")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path / "nowhere"))
    with pytest.raises(UntrustedError, match="does not exist"):
        check_bundle(tmp_path, b"{}")


def test_keygen_writes_a_secret_key_for_its_owner_only_and_overwrites_no_key(tmp_path):
    out = str(tmp_path / "lab")
    assert CliRunner().invoke(main, ["keygen", "--out", out]).exit_code == 0
    if sys.platform != "win32":
        assert Path(f"{out}.key").stat().st_mode & 0o077 == 0
    assert len(read_public_key(Path(f"{out}.pub"))) == 32
    again = CliRunner().invoke(main, ["keygen", "--out", out])
    assert again.exit_code == 2
    assert "never overwritten" in again.output


def test_a_file_that_is_not_a_secret_key_is_refused(tmp_path):
    (tmp_path / "x.key").write_text("no key", encoding="ascii")
    with pytest.raises(UsageError, match="not a secret key"):
        Signer(tmp_path / "x.key")


def test_a_key_of_small_order_is_refused(tmp_path):
    (tmp_path / "bad.pub").write_text(f"ed25519 01{'00' * 31}\n", encoding="ascii")
    with pytest.raises(UntrustedError, match="anybody could sign"):
        read_public_key(tmp_path / "bad.pub")


def test_an_empty_folder_of_keys_is_an_error_if_it_was_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path))
    with pytest.raises(UntrustedError, match="contains no key"):
        check_bundle(tmp_path, b"{}")


def test_secret_keys_are_ignored_by_git_and_refused_by_the_commit_hook():
    root = Path(__file__).resolve().parents[3]
    assert "*.key" in (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "id: no-secret-keys" in (root / ".pre-commit-config.yaml").read_text(encoding="utf-8")


@pytest.fixture
def default_folder(tmp_path, monkeypatch):
    """The folder of this device's keys, which no variable names; it does not exist."""
    monkeypatch.delenv("ALLEDGE_TRUSTED_KEYS", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "share" / "alledge").mkdir(parents=True)
    return tmp_path / "share" / "alledge" / "trusted"


def test_a_folder_whose_keys_cannot_be_used_does_not_count_as_no_keys(pair, default_folder):
    assert trusted_keys() == {}
    default_folder.write_text("no folder", encoding="ascii")
    with pytest.raises(UntrustedError, match="cannot be read"):
        trusted_keys()
    default_folder.unlink()
    default_folder.mkdir()
    assert trusted_keys() == {}
    (default_folder / "lab.pub.txt").touch()
    with pytest.raises(UntrustedError, match="contains no key"):
        trusted_keys()
    key = next(pair[1].glob("*.pub")).read_bytes()
    (default_folder / "LAB.PUB").write_bytes(key)
    (default_folder / "._LAB.PUB").write_bytes(b"\0\5\x16\7")  # of a disk that macOS wrote
    assert list(trusted_keys()) == ["LAB.PUB"]


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs permissions that are obeyed"
)
def test_a_folder_of_keys_that_may_not_be_read_is_an_error(default_folder):
    default_folder.mkdir(mode=0)
    with pytest.raises(UntrustedError, match="cannot be read"):
        trusted_keys()
