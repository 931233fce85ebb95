"""Signatures: checked by the standard library, made by cryptography, refused in every wrong way."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.pack.signing_keys import Signer, generate_keys
from alledge.errors import UntrustedError, UsageError
from alledge.runtime.bundle import ed25519
from alledge.runtime.bundle.signing import (
    check_bundle,
    check_signature,
    read_public_key,
    trusted_keys,
)

# RFC 8032, section 7.1: secret-free halves of tests 1 to 3: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair of keys: the signer, and the folder of trusted keys with its public half."""
    folder = tmp_path_factory.mktemp("keys")
    secret, _ = generate_keys(folder / "laboratory")
    return Signer(secret), folder


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_rfcs_own_signatures_are_right_and_any_other_message_wrong(public, message, signature):
    key, text, value = map(bytes.fromhex, (public, message, signature))
    assert ed25519.verify(key, text, value)
    assert not ed25519.verify(key, text + b"x", value)


def test_a_signature_of_cryptography_is_right_and_each_flipped_byte_makes_it_wrong(pair):
    signer, _ = pair
    value = bytes.fromhex(signer.sign(b"record", "bundle").split()[2])
    message = b"alledge bundle\nrecord"
    assert ed25519.verify(signer.public, message, value)
    for place in (0, 31, 32, 63):
        broken = bytearray(value)
        broken[place] ^= 1
        assert not ed25519.verify(signer.public, message, bytes(broken))
    assert not ed25519.verify(signer.public[:-1], message, value)


def test_a_scalar_above_the_order_is_refused_though_the_equation_holds(pair):
    signer, _ = pair
    value = bytes.fromhex(signer.sign(b"record", "bundle").split()[2])
    larger = int.from_bytes(value[32:], "little") + ed25519.ORDER
    assert not ed25519.verify(
        signer.public, b"alledge bundle\nrecord", value[:32] + larger.to_bytes(32, "little")
    )


def test_a_device_without_keys_asks_for_no_signature(tmp_path):
    check_bundle(tmp_path, b"{}")


def test_a_device_with_keys_takes_what_they_signed_and_nothing_else(pair, tmp_path, monkeypatch):
    signer, folder = pair
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(folder))
    with pytest.raises(UntrustedError, match="not signed"):
        check_bundle(tmp_path, b"{}")
    (tmp_path / "bundle.sig").write_text(signer.sign(b"{}", "bundle"), encoding="ascii")
    check_bundle(tmp_path, b"{}")
    with pytest.raises(UntrustedError, match="is not what was signed"):
        check_bundle(tmp_path, b"{ }")
    (tmp_path / "bundle.sig").write_text("gibberish", encoding="ascii")
    with pytest.raises(UntrustedError, match="damaged"):
        check_bundle(tmp_path, b"{}")


def test_a_foreign_key_is_refused(pair, tmp_path):
    _, folder = pair
    secret, _ = generate_keys(tmp_path / "foreign")
    signature = tmp_path / "bundle.sig"
    signature.write_text(Signer(secret).sign(b"{}", "bundle"), encoding="ascii")
    with pytest.raises(UntrustedError, match="does not trust"):
        check_signature(b"{}", signature, "bundle", trusted_keys(folder), "it")


def test_a_signature_of_a_bundle_is_none_of_a_pack(pair, tmp_path):
    signer, folder = pair
    signature = tmp_path / "pack.sig"
    signature.write_text(signer.sign(b"{}", "bundle"), encoding="ascii")
    with pytest.raises(UntrustedError):
        check_signature(b"{}", signature, "pack", trusted_keys(folder), "it")


def test_a_damaged_key_trusts_nobody(tmp_path, monkeypatch):
    (tmp_path / "bad.pub").write_text("ed25519 00ff\n", encoding="ascii")
    with pytest.raises(UntrustedError, match="not a public key"):
        read_public_key(tmp_path / "bad.pub")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path))
    with pytest.raises(UntrustedError):
        check_bundle(tmp_path, b"{}")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path / "nowhere"))
    with pytest.raises(UntrustedError, match="there is no folder"):
        check_bundle(tmp_path, b"{}")


def test_keygen_writes_a_secret_only_its_owner_reads_and_overwrites_none(tmp_path):
    out = str(tmp_path / "lab")
    assert CliRunner().invoke(main, ["keygen", "--out", out]).exit_code == 0
    if sys.platform != "win32":
        assert Path(f"{out}.key").stat().st_mode & 0o077 == 0
    assert len(read_public_key(Path(f"{out}.pub"))) == 32
    again = CliRunner().invoke(main, ["keygen", "--out", out])
    assert again.exit_code == 2
    assert "never overwritten" in again.output


def test_what_is_no_secret_key_is_refused(tmp_path):
    (tmp_path / "x.key").write_text("no key", encoding="ascii")
    with pytest.raises(UsageError, match="not a secret key"):
        Signer(tmp_path / "x.key")


# The points of small order, as anybody may send them: RFC 8032 and the curve's own arithmetic.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_key_that_anybody_could_sign_for_is_none(key, tmp_path):
    public = bytes.fromhex(key)
    assert not ed25519.is_public_key(public)
    neutral = bytes.fromhex(SMALL_ORDER[0])  # with the scalar 0 it "signs" where 8 | challenge
    assert not any(
        ed25519.verify(public, bytes([number]), neutral + bytes(32)) for number in range(32)
    )
    (tmp_path / "bad.pub").write_text(f"ed25519 {key}\n", encoding="ascii")
    with pytest.raises(UntrustedError, match="anybody could sign"):
        read_public_key(tmp_path / "bad.pub")


def test_a_folder_of_keys_that_was_named_and_is_empty_trusts_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path))
    with pytest.raises(UntrustedError, match="holds none"):
        check_bundle(tmp_path, b"{}")


def test_a_secret_key_does_not_get_into_the_repository():
    root = Path(__file__).resolve().parents[3]
    assert "*.key" in (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "id: no-secret-keys" in (root / ".pre-commit-config.yaml").read_text(encoding="utf-8")
