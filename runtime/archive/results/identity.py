"""What answered: bundle, site profile and backend; a change of one begins a new partition."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from .... import __version__

PARTITION_DIGITS = 12


@dataclass(frozen=True)
class Identity:
    """What answers in one partition of the results.

    Parameters
    ----------
    bundle, digest : str
        Of the bundle, or of several that answer together.
    backend : str
    site_profile : str or None
        Name and version.
    site_digest : str or None
        Of the profile.
    taken_as : {"auto", "field", "cell"}
        As of `Classifier.classify`.
    """

    bundle: str
    digest: str
    backend: str
    site_profile: str | None = None
    site_digest: str | None = None
    taken_as: str = "auto"

    @property
    def partition(self) -> str:
        """The name of the partition's folder, ``model=`` and digits."""
        values = asdict(self)
        values.pop("bundle")  # a copy of a bundle under another name gives the same answers
        text = "\n".join(f"{key}={value}" for key, value in sorted(values.items()))
        return f"model={sha256(text.encode()).hexdigest()[:PARTITION_DIGITS]}"

    def columns(self) -> dict[str, Any]:
        """Return the columns that every row has of it."""
        return {
            "bundle": self.bundle,
            "digest": self.digest,
            "backend": self.backend,
            "site_profile": self.site_profile,
            "alledge": __version__,
        }
