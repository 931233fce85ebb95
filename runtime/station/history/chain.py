"""The chain of the history: each row has a digest of itself and of the row before.

Whoever changes, removes or inserts a row would have to compute all later links again. Somebody who
does that is found only by a link that was noted elsewhere (``alledge history verify --expect``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

CHAINED = (  # the columns that a link covers, in this order
    "number", "kind", "time", "content", "bundle", "site", "state", "refers_to", "body_digest",
)  # fmt: skip


def digest_of(content: bytes) -> str:
    """Return ``sha256:`` and the digest of bytes, in hex."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def body_text(body: dict[str, Any]) -> str:
    """Return a body as it is stored and hashed: JSON without spaces, keys in order."""
    return json.dumps(
        body, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def name_digest(salt: str, name: str, folder: str | None) -> str:
    """Return the digest of a name that a body has. Without the salt it cannot be guessed."""
    return digest_of(json.dumps([salt, name, folder]).encode("ascii"))


def link_of(previous: str, row: Sequence[Any]) -> str:
    """Return the link of a row.

    Parameters
    ----------
    previous : str
        The link of the row before; of the first row, the random name of the history.
    row : sequence of str, int or None
        The values of `CHAINED`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    text = json.dumps([previous, *row], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
