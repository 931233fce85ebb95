"""Both implementations of Ed25519 verification agree with RFC 8032 and with Wycheproof.

The Wycheproof vectors lie in ``wycheproof_ed25519.json``, which names their source and licence
(Apache-2.0).
"""

import json
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from alledge.runtime.bundle import ed25519
from alledge.runtime.bundle.signing import verify_signature, verify_with_cryptography

VECTORS = json.loads(
    Path(__file__).with_name("wycheproof_ed25519.json").read_text(encoding="utf-8")
)["tests"]

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
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

# The eight points of small order, in their canonical encodings.
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
NEUTRAL = bytes.fromhex(SMALL_ORDER[0])

each_implementation = pytest.mark.parametrize(
    "verify", [ed25519.verify, verify_with_cryptography], ids=["python", "cryptography"]
)


@each_implementation
@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row['id']}-{row['flag']}")
def test_wycheproof_vectors_get_the_right_verdict(verify, row):
    public, message, signature = (
        bytes.fromhex(row[key]) for key in ("public", "message", "signature")
    )
    assert verify(public, message, signature) is row["valid"], row["comment"]


def test_the_wycheproof_selection_covers_every_kind_of_fault():
    assert {row["flag"] for row in VECTORS} == {
        "CompressedSignature",
        "InvalidEncoding",
        "InvalidKtv",
        "InvalidSignature",
        "Ktv",
        "SignatureMalleability",
        "SignatureWithGarbage",
        "TinkOverflow",
        "TruncatedSignature",
        "Valid",
    }


@each_implementation
@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_signatures_of_rfc_8032_are_valid_for_their_message_only(
    verify, public, message, signature
):
    key, text, value = map(bytes.fromhex, (public, message, signature))
    assert verify(key, text, value)
    assert not verify(key, text + b"x", value)
    assert not verify(key[:-1], text, value)


@each_implementation
@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_a_signature_with_one_changed_byte_is_invalid(verify, place):
    public, message, signature = map(bytes.fromhex, RFC_8032[2])
    changed = bytearray(signature)
    changed[place] ^= 1
    assert not verify(public, message, bytes(changed))


@each_implementation
def test_a_scalar_plus_the_group_order_is_refused_although_the_equation_holds(verify):
    public, message, signature = map(bytes.fromhex, RFC_8032[2])
    larger = int.from_bytes(signature[32:], "little") + ed25519.ORDER
    assert not verify(public, message, signature[:32] + larger.to_bytes(32, "little"))


@each_implementation
@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_key_of_small_order_verifies_nothing(verify, key):
    public = bytes.fromhex(key)
    assert not ed25519.is_public_key(public)
    # With scalar 0 and the neutral commitment, the equation holds where 8 divides the challenge.
    assert not any(verify(public, bytes([number]), NEUTRAL + bytes(32)) for number in range(32))


@each_implementation
@pytest.mark.parametrize("excess", range(19))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_non_canonical_key_verifies_nothing(verify, excess, sign):
    """Encodings of y + p, which a lenient decoder reduces to y."""
    encoded = (sign << 255) + ed25519.PRIME + excess
    public = encoded.to_bytes(32, "little")
    assert not ed25519.is_public_key(public)
    assert not any(verify(public, bytes([number]), NEUTRAL + bytes(32)) for number in range(8))


def test_verification_works_without_cryptography(monkeypatch):
    public, message, signature = map(bytes.fromhex, RFC_8032[2])
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ImportError):
        verify_with_cryptography(public, message, signature)
    assert verify_signature(public, message, signature)
    assert not verify_signature(public, message + b"x", signature)


def test_verification_works_if_openssl_has_no_ed25519(monkeypatch):
    def from_public_bytes(data):
        raise UnsupportedAlgorithm("Ed25519 is not supported")

    public, message, signature = map(bytes.fromhex, RFC_8032[2])
    monkeypatch.setattr(Ed25519PublicKey, "from_public_bytes", from_public_bytes)
    assert verify_signature(public, message, signature)
    assert not verify_signature(public, message + b"x", signature)
