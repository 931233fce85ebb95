"""The bundle: the folder that travels, opened, checked and found; standard library only.

Writing one is `alledge.export`'s. Nothing here, or anywhere on a device, ever writes into a bundle.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import BundleError, TamperedError, UsageError
from ..digests import SMALL_BYTES, file_digest, sha256
from ..image_settings import ImageSettings
from .signing import check_bundle

RECORD = "bundle.json"
SCHEMA, SCHEMA_VERSION = "alledge/bundle", 1
TASKS = ("field",)  # what a model of this version may judge
BUNDLE_VARIABLE = "ALLEDGE_BUNDLE"
BUNDLES = Path("bundles")  # where `alledge export` puts them
SHA256_BYTES = 32


def installed_bundle() -> Path:
    """Return where a pack puts the bundle of this device, whether or not there is one."""
    return Path(sys.prefix) / "share" / "alledge" / "bundle"


@dataclass(frozen=True)
class Format:
    """One artifact of a bundle, and how its scores are read.

    Parameters
    ----------
    name : str
        ``"tflite"``, ``"onnx"`` or ``"openvino"``.
    file : str
        Its main file, relative to the bundle.
    temperature : float
        Scores are softened by it, > 0.
    threshold : float
        From this probability on, the answer is a positive label; in [0, 1].
    band : (float, float)
        Probabilities from the first up to below the second are indeterminate.
    produced_by : dict
        Package versions that converted it.
    """

    name: str
    file: str
    temperature: float = 1.0
    threshold: float = 0.5
    band: tuple[float, float] = (0.5, 0.5)
    produced_by: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """Every file the engine reads: OpenVINO keeps its weights beside the graph."""
        if self.name == "openvino":
            return self.file, str(PurePosixPath(self.file).with_suffix(".bin"))
        return (self.file,)


class Check:
    """A check at work on a thread of its own."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check, self._wrong = check, list[BaseException]()
        self._thread = threading.Thread(target=self._run, name="alledge-hash")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._check()
        except BaseException as error:  # whatever it is: an unchecked file is no checked one
            self._wrong.append(error)

    def wait(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def tell(self) -> None:
        """Raise what it raised."""
        if self._wrong:
            raise self._wrong[0]


@dataclass(frozen=True)
class Bundle:
    """A bundle, opened: its record has been read, its files not yet hashed.

    Parameters
    ----------
    path : Path
    digest : str
        ``sha256:…`` of `bundle.json`; it names the bundle whatever the folder is called.
    record : dict
        All of `bundle.json`.
    name : str
    labels : tuple of str
        In the order of the model's outputs.
    positive : tuple of str
        The labels that mean leukaemia.
    image_settings : ImageSettings
    formats : dict of str to Format
    """

    path: Path
    digest: str
    record: dict[str, Any]
    name: str
    labels: tuple[str, ...]
    positive: tuple[str, ...]
    image_settings: ImageSettings
    formats: dict[str, Format]
    _begun: dict[tuple[str, ...], Check] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Read the record of a bundle.

        Parameters
        ----------
        path : str or Path
            The bundle's folder, or its `bundle.json`.

        Returns
        -------
        Bundle

        Raises
        ------
        BundleError
            If there is none, or its record is damaged or of a version this one does not know.
        UntrustedError
            If this device trusts keys and none of them signed the record.
        """
        path = Path(path)
        if path.name == RECORD and path.is_file():
            path = path.parent
        try:
            content = (path / RECORD).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BundleError(
                f"{path} is not a bundle: its {RECORD} cannot be read: {reason}",
                fix="name a folder `alledge export` wrote; without a record it is half-written",
            ) from None
        check_bundle(path, content)
        try:
            record = json.loads(content)
            return cls._from_record(path, f"sha256:{sha256(content).hexdigest()}", record)
        except BundleError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BundleError(
                f"{path / RECORD} is damaged: {type(error).__name__}: {error}",
                fix="copy the bundle again, whole",
            ) from None

    @classmethod
    def _from_record(cls, path: Path, digest: str, record: dict[str, Any]) -> Bundle:
        if record.get("schema") != SCHEMA or record.get("schema_version") != SCHEMA_VERSION:
            raise BundleError(
                f"{path / RECORD} is {record.get('schema')!r} "
                f"version {record.get('schema_version')!r}",
                allowed=f"{SCHEMA!r} version {SCHEMA_VERSION}",
                fix="update alledge on this machine, or export the bundle again",
            )
        if record["task"] not in TASKS:
            raise BundleError(
                f"{path} judges {record['task']!r}, which this version cannot",
                allowed=TASKS,
                fix="update alledge on this machine",
            )
        labels, positive = tuple(map(str, record["labels"])), tuple(map(str, record["positive"]))
        if len(labels) < 2 or len(set(labels)) < len(labels) or not set(positive) < set(labels):
            raise ValueError(f"labels {labels} with positive {positive}")
        bundle = cls(
            path=path,
            digest=digest,
            record=record,
            name=str(record["name"]),
            labels=labels,
            positive=positive,
            image_settings=ImageSettings.from_json(record["image_path"]),
            formats={name: _format(name, row) for name, row in record["formats"].items()},
        )
        for name, wanted in record["files"].items():
            _inside(name)
            if len(bytes.fromhex(wanted)) != SHA256_BYTES:
                raise ValueError(f"{name} has the hash {wanted!r}")
        for row in bundle.formats.values():
            if missing := set(row.files) - set(record["files"]):
                raise ValueError(f"no hash for {', '.join(sorted(missing))}")
        return bundle

    def check(self, names: Iterable[str] | None = None) -> None:
        """Hash files of the bundle and compare.

        Parameters
        ----------
        names : iterable of str, optional
            Files relative to the bundle; every one it names where not given.

        Raises
        ------
        TamperedError
            If a file is missing or has another hash; names it and both digests.
        BundleError
            If the bundle names no hash for a file.
        """
        files = self.record["files"]
        for name in files if names is None else names:
            if name not in files:
                raise BundleError(f"{self.path / RECORD} names no hash for {name}", allowed=files)
            self._check_one(name, str(files[name]).lower())

    def begin_check(self, names: Iterable[str]) -> None:
        """Begin to check files on a thread of its own; `checking` them tells how it ended.

        Parameters
        ----------
        names : iterable of str
        """
        names = tuple(names)
        self._begun[names] = Check(lambda: self.check(names))

    def is_large(self, names: Iterable[str]) -> bool:
        """Return whether hashing these files takes longer than importing an engine."""
        with contextlib.suppress(OSError):
            return sum((self.path / name).stat().st_size for name in names) > SMALL_BYTES
        return False  # what is missing is told by the check

    @contextlib.contextmanager
    def checking(self, names: Iterable[str]) -> Iterator[None]:
        """Check files, as `check` does, while the body of the ``with`` does something else.

        Parameters
        ----------
        names : iterable of str

        Raises
        ------
        TamperedError, BundleError
            As `check`, when the body has ended.
        """
        names = tuple(names)
        if names not in self._begun:
            self.begin_check(names)
        check = self._begun.pop(names)
        try:
            yield
        finally:
            check.wait()
        check.tell()

    def _check_one(self, name: str, wanted: str) -> None:
        file = self.path / name
        try:
            found = f"sha256:{file_digest(file)}"
        except (OSError, ValueError) as error:
            found = f"nothing ({getattr(error, 'strerror', None) or error})"
        if found != f"sha256:{wanted}":
            raise TamperedError(
                f"{file} is not the file that was exported: "
                f"the bundle names sha256:{wanted}, found {found}",
                fix="copy the bundle again, whole; never edit a file of it",
            )


def _format(name: str, row: dict[str, Any]) -> Format:
    low, high = (float(value) for value in row.get("band", (0.5, 0.5)))
    made = Format(
        name=name,
        file=_inside(row["file"]),
        temperature=float(row.get("temperature", 1.0)),
        threshold=float(row.get("threshold", 0.5)),
        band=(low, high),
        produced_by={str(key): str(value) for key, value in row.get("produced_by", {}).items()},
    )
    if not (0 < made.temperature < float("inf") and 0 <= made.threshold <= 1 and low <= high):
        raise ValueError(f"format {name}: {made}")
    return made


def _inside(name: str) -> str:
    """Return the name of a bundle's file, refusing one that points out of the bundle."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or not pure.parts:
        raise ValueError(f"{name!r} is not a file inside the bundle")
    return name


def find_bundle(named: str | Path | None = None) -> Path:
    """Return the bundle to use: named, else of the environment, the device, or the only one here.

    Parameters
    ----------
    named : str or Path, optional
        What the user gave as ``--bundle``.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        If none was named and there is none, or more than one, to choose from.
    """
    if named is not None:
        return Path(named)
    if from_environment := os.environ.get(BUNDLE_VARIABLE):
        return Path(from_environment)
    if (installed_bundle() / RECORD).is_file():
        return installed_bundle()
    # what a killed export leaves behind begins with a dot
    found = sorted(record.parent for record in BUNDLES.glob(f"[!.]*/{RECORD}"))
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"there are {len(found)} bundles under {BUNDLES}, and none was named",
            allowed=[path.as_posix() for path in found],
            fix=f"--bundle {found[0].as_posix()}",
        )
    raise UsageError(
        f"no bundle was named, {BUNDLE_VARIABLE} is not set, and there is none under {BUNDLES}",
        fix="--bundle FOLDER, or make one: alledge export --model mobilenetv2 --int8",
    )
