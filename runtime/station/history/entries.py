"""The types of the history: what is written, and what is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ...previews import Picture

EntryKind = Literal["result", "unread", "verdict", "removal"]
PictureKind = Literal["thumbnail", "preview"]
Source = Literal["folder", "upload"]
Scope = Literal["all", "pictures", "names"]  # of a removal
SCOPES: tuple[Scope, ...] = ("all", "pictures", "names")
BODY_VERSION = 1


@dataclass(frozen=True)
class FileName:
    """The name of an image as it was given, and its folder.

    Parameters
    ----------
    name : str
        Without the folder.
    folder : str or None
        The folder of the file; None for an upload.
    """

    name: str
    folder: str | None = None


@dataclass(frozen=True)
class SeenFile:
    """What a file looked like when it was read: the next start need not read it again.

    Parameters
    ----------
    path : str
    size : int
        In bytes.
    modified : int
        In nanoseconds, as the file system says.
    """

    path: str
    size: int
    modified: int


@dataclass(frozen=True)
class NewEntry:
    """A result, or a file that could not be read, before it is written.

    Parameters
    ----------
    kind : {"result", "unread"}
    content : str or None
        ``sha256:`` and the digest of the image file; None where it was not read as a whole.
    bundle : str
        Digest of the bundle.
    record : dict or None
        As `Result.to_json` returns it, without the image's path.
    facts : dict
        What the body has beside the record; JSON values.
    state : str or None
        Of an unread file: what identifies its state. It is recorded once.
    site : str or None
        Digest of the site profile.
    name : FileName or None
    seen : SeenFile or None
    pictures : mapping of str to Picture
    """

    kind: Literal["result", "unread"]
    content: str | None
    bundle: str
    record: dict[str, Any] | None
    facts: dict[str, Any] = field(default_factory=dict)
    state: str | None = None
    site: str | None = None
    name: FileName | None = None
    seen: SeenFile | None = None
    pictures: Mapping[PictureKind, Picture] = field(default_factory=dict)


@dataclass(frozen=True)
class Removal:
    """What a removal did.

    Parameters
    ----------
    entries : int
        Number of rows of which something was removed.
    is_overwritten : bool
        False if another program reads the history just now: the log of the database keeps the
        removed content until it ends.
    """

    entries: int
    is_overwritten: bool


@dataclass(frozen=True)
class PersonVerdict:
    """What a person says of an image or of one of its cells.

    Parameters
    ----------
    number : int
        Of its row.
    refers_to : int
        Number of the machine's result.
    cell : int or None
        Index among the cells of the result; None for the image.
    label : str or None
        None withdraws an earlier verdict.
    time : str
    """

    number: int
    refers_to: int
    cell: int | None
    label: str | None
    time: str


@dataclass(frozen=True)
class Entry:
    """A row of the history.

    Parameters
    ----------
    number : int
        From 1.
    kind : str
        Of `EntryKind`.
    time : str
        UTC, ISO 8601.
    content, bundle, site : str or None
    status, label : str or None
    probability : float or None
    body : dict or None
        None where it was removed.
    name : FileName or None
        None for an upload without a name, and where it was removed.
    link : str
        Of the chain.
    refers_to : int or None
    verdicts : tuple of PersonVerdict
        The latest one of the image and of each cell.
    """

    number: int
    kind: EntryKind
    time: str
    content: str | None
    bundle: str | None
    site: str | None
    status: str | None
    label: str | None
    probability: float | None
    body: dict[str, Any] | None
    name: FileName | None
    link: str
    refers_to: int | None = None
    verdicts: tuple[PersonVerdict, ...] = ()

    @property
    def record(self) -> dict[str, Any] | None:
        """The record as `alledge classify --json` prints it; None where there is none."""
        record = None if self.body is None else self.body.get("record")
        if record is None:
            return None
        return {**record, "image": None if self.name is None else self.name.name}

    @property
    def image_verdict(self) -> str | None:
        """What a person says of the image; None without a verdict."""
        return next((v.label for v in self.verdicts if v.cell is None), None)
