"""The exceptions of alledge, one family; this module imports nothing else of alledge.

::

    AlledgeError                 exit 1
    ├── UsageError               exit 2  an option, name or argument is wrong
    ├── ImageError               a file is not an image that can be classified
    ├── DataError                a data set cannot be used as it is
    │   └── AllImagesSeenError   the model was trained on all of its images
    ├── BundleError              a bundle cannot be read
    │   ├── TamperedError        a file does not have the hash that the bundle names
    │   └── UntrustedError       it is not signed by a key that this device trusts
    ├── BackendError             an engine failed on this machine
    ├── MissingPackageError      a package is not installed; the message names the extra to install
    ├── SiteError                a site profile is damaged, in use, or of another bundle
    ├── HistoryError             the history of a workstation cannot be read or written
    ├── RunError                 a training run is missing, unfinished or does not fit
    └── ExportError              a conversion failed, or its artifact is not the same model
"""

from __future__ import annotations

from collections.abc import Iterable


class AlledgeError(Exception):
    """Base class of the exceptions that alledge raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, with the value received.
    allowed : str or iterable of str, optional
        The values that are allowed.
    fix : str, optional
        What to type or change.

    Examples
    --------
    >>> print(AlledgeError("the mode is 'fast'", allowed=["latency", "throughput"]))
    the mode is 'fast'
    allowed: latency, throughput
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
        lines = [_one_line(self.what)]
        if self.allowed:
            lines.append(f"allowed: {_one_line(self.allowed)}")
        if self.fix:
            lines.append(f"fix: {_one_line(self.fix)}")
        return "\n".join(lines)

    @property
    def one_line(self) -> str:
        """The whole message on one line, for a record or a table."""
        return "; ".join(str(self).split("\n"))


def _one_line(text: str) -> str:
    """Return text without line breaks: a name that has one must not begin a line of its own."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


class UsageError(AlledgeError):
    """An option, a name or an argument is wrong."""

    exit_code = 2


class ImageError(AlledgeError):
    """A file is not an image that can be classified."""


class DataError(AlledgeError):
    """A data set cannot be used as it is."""


class AllImagesSeenError(DataError):
    """A model cannot be measured: it was trained on every readable image of the data set."""


class BundleError(AlledgeError):
    """A bundle cannot be read."""


class TamperedError(BundleError):
    """A file of the bundle does not have the hash that the bundle names."""


class UntrustedError(BundleError):
    """A bundle or a pack is not signed by a key that this device trusts."""


class BackendError(AlledgeError):
    """An engine failed on this machine."""


class MissingPackageError(AlledgeError):
    """A package is not installed.

    Parameters
    ----------
    package : str
        Name of the package for pip.
    extra : str
        The extra of alledge that installs it.
    purpose : str
        What needs it.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            fix=f'pip install "alledge[{extra}]"',
        )


class SiteError(AlledgeError):
    """A site profile is damaged, in use by another process, or belongs to another bundle."""


class HistoryError(AlledgeError):
    """The history of a workstation cannot be read or written."""


class RunError(AlledgeError):
    """A training run is missing, unfinished or does not fit."""


class ExportError(AlledgeError):
    """A conversion failed, or its artifact is not the same model."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown name; it suggests the nearest known name.

    Parameters
    ----------
    kind : str
        What has the name, for example ``"model"``.
    name : str
        The name received.
    known : iterable of str
        All names that are allowed.

    Returns
    -------
    UsageError

    Examples
    --------
    >>> print(unknown_name("model", "mobilnet", ["mobilenetv2", "vgg16"]))
    there is no model 'mobilnet'
    allowed: mobilenetv2, vgg16
    fix: did you mean 'mobilenetv2'?
    """
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return UsageError(
        f"there is no {kind} {name!r}",
        allowed=names,
        fix=f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(names)}",
    )
