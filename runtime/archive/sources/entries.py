"""One field of an archive before it is classified."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

KEY_BYTES = 16


@dataclass(frozen=True)
class Entry:
    """One field.

    Parameters
    ----------
    path : str
        Absolute path, or URL.
    size : int or None
        Bytes of the file; None if it is missing.
    modified_us : int or None
        When it was changed last, in microseconds since 1970 (UTC).
    site : str or None
        Of the manifest, else the first folder below SOURCE.
    microscope : str or None
        Of the manifest.
    taken : str or None
        Of the manifest, when the picture was taken: ``YYYY-MM-DD`` with or without a time.
    is_listed : bool
        Whether a folder has it, and no person named it: it may be no picture.
    problem : str or None
        Why it cannot be read, if that is known already.
    """

    path: str
    size: int | None = None
    modified_us: int | None = None
    site: str | None = None
    microscope: str | None = None
    taken: str | None = None
    is_listed: bool = False
    problem: str | None = None

    @property
    def key(self) -> bytes:
        """What identifies this state of the file: path, size and time of the last change."""
        text = f"{self.path}\0{self.size}\0{self.modified_us}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
