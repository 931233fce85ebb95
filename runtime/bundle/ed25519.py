"""Verification of Ed25519 signatures with the standard library alone.

`signing` uses the package cryptography instead, where it is installed. This module is for the two
places without it: a device that has only the packages of a pack, and the installer of a pack,
which runs before any package is installed. The pack carries a copy of this file, so it imports
nothing of alledge.

Verification uses no secret, so its running time reveals nothing. Signing does, and is left to
cryptography.

References
----------
RFC 8032, Edwards-Curve Digital Signature Algorithm, sections 5.1.3, 5.1.4 and 5.1.7.
"""

from __future__ import annotations

import hashlib

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
KEY_BYTES, SIGNATURE_BYTES = 32, 64
COFACTOR = 8

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
NEUTRAL: Point = (0, 1, 1, 0)


def is_public_key(public: bytes) -> bool:
    """Return whether bytes are the canonical encoding of a point that is not of small order.

    Parameters
    ----------
    public : bytes

    Notes
    -----
    For the eight points of small order anybody can produce signatures without a secret key.
    RFC 8032 leaves it to the application to refuse them.
    """
    if len(public) != KEY_BYTES:
        return False
    point = _decompress(public)
    return point is not None and not _equal(_multiply(COFACTOR, point), NEUTRAL)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature of a message was made with the secret half of a key.

    Parameters
    ----------
    public : bytes
        The public key, 32 bytes.
    message : bytes
    signature : bytes
        64 bytes. Another length is not a signature.

    Examples
    --------
    >>> verify(public=bytes(32), message=b"", signature=bytes(64))  # a key of small order
    False
    """
    if not is_public_key(public) or len(signature) != SIGNATURE_BYTES:
        return False
    key, commitment = _decompress(public), _decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    left = _multiply(scalar, BASE)
    right = _add(commitment, _multiply(challenge, key))
    return _equal(left, right)


def _add(one: Point, two: Point) -> Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % PRIME
    b = (one[1] + one[0]) * (two[1] + two[0]) % PRIME
    c = 2 * one[3] * two[3] * D % PRIME
    d = 2 * one[2] * two[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _multiply(scalar: int, point: Point) -> Point:
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _equal(one: Point, two: Point) -> bool:
    return (
        one[0] * two[2] % PRIME == two[0] * one[2] % PRIME
        and one[1] * two[2] % PRIME == two[1] * one[2] % PRIME
    )


def _decompress(encoded: bytes) -> Point | None:
    """Return the point that 32 bytes encode, None if they are not a canonical encoding."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def _base() -> Point:
    point = _decompress((4 * pow(5, -1, PRIME) % PRIME).to_bytes(KEY_BYTES, "little"))
    if point is None:
        raise ArithmeticError("the curve's base point is not on the curve")
    return point


BASE = _base()
