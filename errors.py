"""The one exception family of alledge; imports nothing of it.

::

    AlledgeError                 exit 1
    ├── UsageError               exit 2  an option, name or argument that cannot be meant
    ├── ImageError               this file is not an image that can be classified
    ├── DataError                this data set cannot be used as it is
    ├── BundleError              this bundle cannot be read
    │   ├── TamperedError        a file of it does not have the hash the bundle names
    │   └── UntrustedError       it is not signed by a key this device trusts
    ├── BackendError             the engine failed on this machine
    ├── MissingPackageError      a package is not installed; names the extra that brings it
    ├── RunError                 this training run is missing, unfinished or does not fit
    └── ExportError              a conversion failed, or its artifact is not the same model
"""

from __future__ import annotations

from collections.abc import Iterable


class AlledgeError(Exception):
    """Something alledge refuses to do, said so that the reader can mend it.

    Parameters
    ----------
    what : str
        What was wrong, with the value received.
    allowed : str or iterable of str, optional
        What would have been right.
    fix : str, optional
        What to type or change.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, allowed: str | Iterable[str] | None = None, fix: str | None = None
    ) -> None:
        self.what = what
        self.allowed = (
            allowed if allowed is None or isinstance(allowed, str) else ", ".join(allowed)
        )
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.allowed:
            lines.append(f"allowed: {self.allowed}")
        if self.fix:
            lines.append(f"fix: {self.fix}")
        return "\n".join(lines)

    @property
    def one_line(self) -> str:
        """The whole message on one line, for a record or a table."""
        return "; ".join(str(self).splitlines())


class UsageError(AlledgeError):
    """An option, a name or an argument that cannot be meant."""

    exit_code = 2


class ImageError(AlledgeError):
    """This file is not an image that can be classified."""


class DataError(AlledgeError):
    """This data set cannot be used as it is."""


class BundleError(AlledgeError):
    """This bundle cannot be read."""


class TamperedError(BundleError):
    """A file of the bundle does not have the hash that the bundle names."""


class UntrustedError(BundleError):
    """A bundle or pack is not signed by a key that this device trusts."""


class BackendError(AlledgeError):
    """The engine failed on this machine."""


class MissingPackageError(AlledgeError):
    """A package is not installed.

    Parameters
    ----------
    package : str
        Name of the package as pip knows it.
    extra : str
        The extra of alledge that brings it.
    purpose : str
        What it was wanted for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            fix=f'pip install "alledge[{extra}]"',
        )


class RunError(AlledgeError):
    """This training run is missing, unfinished or does not fit."""


class ExportError(AlledgeError):
    """A conversion failed, or its artifact is not the same model."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not in a table, suggesting the nearest.

    Parameters
    ----------
    kind : str
        What the name names, for example ``"model"``.
    name : str
        The name received.
    known : iterable of str
        Every name that would have been right.

    Returns
    -------
    UsageError
    """
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return UsageError(
        f"there is no {kind} {name!r}",
        allowed=names,
        fix=f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(names)}",
    )
