"""Opens, checks and finds a bundle, the folder that is copied to devices; standard library only.

`alledge.export` writes bundles. Nothing on a device writes into one.
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
TASKS = ("field",)  # kinds of images that this version can classify
BUNDLE_VARIABLE = "ALLEDGE_BUNDLE"
BUNDLES = Path("bundles")  # the folder into which `alledge export` writes
SHA256_BYTES = 32


def installed_bundle() -> Path:
    """Return the folder of the bundle that a pack installs, even if there is none."""
    return Path(sys.prefix) / "share" / "alledge" / "bundle"


@dataclass(frozen=True)
class Format:
    """One artifact of a bundle, and how its scores become a label.

    Parameters
    ----------
    name : str
        ``"tflite"``, ``"onnx"`` or ``"openvino"``.
    file : str
        The main file, relative to the bundle.
    temperature : float
        For `apply_temperature`, > 0.
    threshold : float
        Least probability that gives a positive label, in [0, 1].
    band : (float, float)
        Probabilities from the first up to below the second are indeterminate.
    produced_by : dict
        Versions of the packages that converted it.
    """

    name: str
    file: str
    temperature: float = 1.0
    threshold: float = 0.5
    band: tuple[float, float] = (0.5, 0.5)
    produced_by: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the engine reads; OpenVINO has the weights in a second file."""
        if self.name == "openvino":
            return self.file, str(PurePosixPath(self.file).with_suffix(".bin"))
        return (self.file,)


class BackgroundCheck:
    """Runs a check in a background thread."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="alledge-hash")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._check()
        except BaseException as error:  # any error: the file is not checked then
            self._error = error

    def wait(self) -> None:
        """Wait for the end of the check."""
        self._thread.join()

    def raise_error(self) -> None:
        """Raise the error of the check, if there was one."""
        if self._error is not None:
            raise self._error


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its record was read, its files were not hashed.

    Parameters
    ----------
    path : Path
    digest : str
        ``sha256:…`` of `bundle.json`; it identifies the bundle independently of the folder's name.
    record : dict
        The content of `bundle.json`.
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
    _checks: dict[tuple[str, ...], BackgroundCheck] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open a bundle: read its record.

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
            If there is no bundle, or its record is damaged or has an unknown version.
        UntrustedError
            If this device trusts keys and none of them signed the record.

        Examples
        --------
        >>> bundle = Bundle.open("bundles/mobilenetv2-int8")  # doctest: +SKIP
        >>> bundle.labels, bundle.formats["tflite"].threshold  # doctest: +SKIP
        (('healthy', 'blast'), 0.699)
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
                fix="name a folder that `alledge export` wrote; without a record it is incomplete",
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
                fix="copy the whole bundle again",
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
                f"{path} classifies {record['task']!r}, which this version cannot",
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
            formats={name: _read_format(name, row) for name, row in record["formats"].items()},
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
        """Compare the SHA-256 of files with those of the record.

        Parameters
        ----------
        names : iterable of str, optional
            Files relative to the bundle; by default all that the record names.

        Raises
        ------
        TamperedError
            If a file is missing or has another hash. The message has both digests.
        BundleError
            If the record has no hash for a file.
        """
        files = self.record["files"]
        for name in files if names is None else names:
            if name not in files:
                raise BundleError(f"{self.path / RECORD} names no hash for {name}", allowed=files)
            self._check_one(name, str(files[name]).lower())

    def begin_check(self, names: Iterable[str]) -> None:
        """Start to check files in a background thread; `checking` the same files waits for it.

        Parameters
        ----------
        names : iterable of str
        """
        names = tuple(names)
        self._checks[names] = BackgroundCheck(lambda: self.check(names))

    def is_large(self, names: Iterable[str]) -> bool:
        """Return whether hashing these files takes longer than importing an engine."""
        with contextlib.suppress(OSError):
            return sum((self.path / name).stat().st_size for name in names) > SMALL_BYTES
        return False  # the check reports a missing file

    @contextlib.contextmanager
    def checking(self, names: Iterable[str]) -> Iterator[None]:
        """Check files in a background thread while the body of the ``with`` runs.

        Parameters
        ----------
        names : iterable of str

        Raises
        ------
        TamperedError, BundleError
            As `check`, after the body.
        """
        names = tuple(names)
        if names not in self._checks:
            self.begin_check(names)
        check = self._checks.pop(names)
        try:
            yield
        finally:
            check.wait()
        check.raise_error()

    def _check_one(self, name: str, wanted: str) -> None:
        file = self.path / name
        try:
            actual = f"sha256:{file_digest(file)}"
        except (OSError, ValueError) as error:
            actual = f"nothing ({getattr(error, 'strerror', None) or error})"
        if actual != f"sha256:{wanted}":
            raise TamperedError(
                f"{file} is not the file that was exported: "
                f"the bundle names sha256:{wanted}, found {actual}",
                fix="copy the whole bundle again; never edit a file of it",
            )


def _read_format(name: str, row: dict[str, Any]) -> Format:
    low, high = (float(value) for value in row.get("band", (0.5, 0.5)))
    artifact = Format(
        name=name,
        file=_inside(row["file"]),
        temperature=float(row.get("temperature", 1.0)),
        threshold=float(row.get("threshold", 0.5)),
        band=(low, high),
        produced_by={str(key): str(value) for key, value in row.get("produced_by", {}).items()},
    )
    is_valid = 0 < artifact.temperature < float("inf") and 0 <= artifact.threshold <= 1
    if not (is_valid and low <= high):
        raise ValueError(f"format {name}: {artifact}")
    return artifact


def _inside(name: str) -> str:
    """Return the name of a bundle's file; refuse one that is not inside the bundle."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or not pure.parts:
        raise ValueError(f"{name!r} is not a file inside the bundle")
    return name


def find_bundle(named: str | Path | None = None) -> Path:
    """Return the bundle to use.

    It is the named one, else that of the environment variable, else the one installed on this
    device, else the only one under ``bundles``.

    Parameters
    ----------
    named : str or Path, optional
        The value of ``--bundle``.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        If none was named, and there is none or more than one.
    """
    if named is not None:
        return Path(named)
    if from_environment := os.environ.get(BUNDLE_VARIABLE):
        return Path(from_environment)
    if (installed_bundle() / RECORD).is_file():
        return installed_bundle()
    # the folder of a killed export begins with a dot
    bundles = sorted(record.parent for record in BUNDLES.glob(f"[!.]*/{RECORD}"))
    if len(bundles) == 1:
        return bundles[0]
    if bundles:
        raise UsageError(
            f"there are {len(bundles)} bundles under {BUNDLES}, and none was named",
            allowed=[path.as_posix() for path in bundles],
            fix=f"--bundle {bundles[0].as_posix()}",
        )
    raise UsageError(
        f"no bundle was named, {BUNDLE_VARIABLE} is not set, and there is none under {BUNDLES}",
        fix="--bundle FOLDER, or make one: alledge export --model mobilenetv2 --int8",
    )
