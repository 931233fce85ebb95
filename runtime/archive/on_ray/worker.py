"""A Ray actor that loads the bundle once and classifies blocks of fields."""

from __future__ import annotations

import io
import socket
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from .... import __version__
from ....errors import AlledgeError
from ...bundle.bundle import Bundle
from ...classifier import Classifier
from ..embedded import classify_entries
from ..model import Model
from ..results.identity import Identity
from ..results.schema import table_of
from ..sources.entries import Entry

if TYPE_CHECKING:
    from ...cells.types import TakenAs
    from ...sites.profile import SiteProfile


@dataclass(frozen=True)
class Job:
    """What every worker needs; Ray sends it to each machine once.

    Parameters
    ----------
    bundles : tuple of bytes
        Each bundle's folder as a tar, because other machines may not have it.
    backend : str
    profile : SiteProfile or None
    identity : Identity
    threads : int
    timeout_s : float
    taken_as : {"auto", "field", "cell"}
    folders : tuple of str
        Local folders that every machine has to have mounted.
    version : str
        Of alledge.
    """

    bundles: tuple[bytes, ...]
    backend: str
    profile: SiteProfile | None
    identity: Identity
    threads: int
    timeout_s: float
    taken_as: TakenAs
    folders: tuple[str, ...]
    version: str = __version__


class FieldWorker:
    """Classifies blocks of fields; `load` comes first."""

    def __init__(self) -> None:
        self._job: Job | None = None
        self._classifier: Classifier | None = None
        self._bundles: tempfile.TemporaryDirectory[str] | None = None

    def load(self, job: Job) -> str:
        """Load the bundle, and return the name of the machine.

        Raises
        ------
        AlledgeError
            If this machine has another version of alledge, not all folders, or the bundle cannot
            be loaded here.
        """
        node = socket.gethostname()
        if job.version != __version__:
            raise AlledgeError(
                f"{node} has alledge {__version__}, the command is of {job.version}",
                fix=f'pip install "alledge[archive]=={job.version}" on every machine',
            )
        for folder in job.folders:
            if not Path(folder).is_dir():
                raise AlledgeError(
                    f"{node} has no folder {folder}",
                    fix="mount the share at the same place on every machine, or name an URL",
                )
        self._bundles = tempfile.TemporaryDirectory(prefix="alledge-bundles-")
        copies = [Path(self._bundles.name, str(number)) for number in range(len(job.bundles))]
        for copy, content in zip(copies, job.bundles, strict=True):
            unpack(content, copy)
        model = Model(tuple(map(Bundle.open, copies)), job.backend, job.profile, job.identity)
        self._job, self._classifier = job, model.load(job.threads, job.timeout_s)
        return node

    def classify(self, entries: Sequence[Entry]) -> pa.Table:
        """Return the rows of a block of fields.

        Raises
        ------
        StoreError
            If an object store refuses, or does not answer.
        """
        job, classifier = self._job, self._classifier
        assert job is not None
        assert classifier is not None
        tables = classify_entries(classifier, entries, job.identity, taken_as=job.taken_as)
        return pa.concat_tables([table_of([]), *tables])


def pack(folder: Path) -> bytes:
    """Return a bundle's folder as a tar."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return content.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Write a bundle's folder; `Bundle` checks the hashes of its files."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            source = archive.extractfile(member)
            target = folder / member.name
            if source is None or not target.resolve().is_relative_to(folder.resolve()):
                raise AlledgeError(f"the tar of the bundle holds {member.name!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())


def without_folder(profile: SiteProfile | None) -> SiteProfile | None:
    """Return a site profile that needs no folder of this machine."""
    return None if profile is None else replace(profile, folder=Path(profile.name))
