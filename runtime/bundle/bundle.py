"""Opens and checks a bundle, the folder that is copied to devices; standard library only.

`alledge.export` writes bundles. Nothing on a device writes into one.
"""

from __future__ import annotations

import contextlib
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import BundleError, TamperedError
from ..cells.settings import CellSettings
from ..digests import SMALL_BYTES, file_digest, sha256
from ..image_settings import ImageSettings
from .builtin import BUILTIN_NAME, builtin_folder
from .feature_output import FeatureOutput
from .record_file import COPY_FIX, RECORD, parse_record, read_content
from .signing import check_bundle
from .validation import CELL, format_files

if TYPE_CHECKING:
    from ..cells.field_rule import FieldRule

FOREIGN_BYTES = 64 << 20  # a larger file is not read if its size is wrong


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
    field : dict or None
        The field rule of a cell model, as JSON.
    features : FeatureOutput or None
        Where the artifact has the features under its last dense layer, if the export recorded it.
    """

    name: str
    file: str
    temperature: float
    threshold: float
    band: tuple[float, float]
    produced_by: dict[str, str]
    field: dict[str, Any] | None = None
    features: FeatureOutput | None = None

    @property
    def field_rule(self) -> FieldRule | None:
        """From the cells of a field to its verdict; None for a model of fields."""
        from ..cells.field_rule import FieldRule  # imports numpy

        return None if self.field is None else FieldRule.from_json(self.field)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the engine reads; OpenVINO has the weights in a second file."""
        return format_files(self.name, self.file)


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
    signed_by : str or None
        The trusted key that signed the record; None where this device trusts no key.
    """

    path: Path
    digest: str
    record: dict[str, Any]
    name: str
    labels: tuple[str, ...]
    positive: tuple[str, ...]
    image_settings: ImageSettings
    formats: dict[str, Format]
    signed_by: str | None
    _checks: dict[tuple[str, ...], BackgroundCheck] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open a bundle: read its record.

        Parameters
        ----------
        path : str or Path
            The bundle's folder, or its `bundle.json`. ``"builtin"`` is the bundle in the package,
            unless a file or folder has that name.

        Returns
        -------
        Bundle

        Raises
        ------
        BundleError
            If there is no bundle, or its record is damaged, has an unknown version, or a value
            that cannot be meant. The message names the key.
        TamperedError
            If the record was changed after the export.
        UntrustedError
            If this device trusts keys and none of them signed the record.

        Examples
        --------
        >>> bundle = Bundle.open("bundles/mobilenetv2-int8")  # doctest: +SKIP
        >>> bundle.labels, bundle.formats["tflite"].threshold  # doctest: +SKIP
        (('healthy', 'blast'), 0.699)
        """
        path = Path(path)
        if path == Path(BUILTIN_NAME) and not path.exists():
            path = builtin_folder()
        if path.name == RECORD and path.is_file():
            path = path.parent
        content = read_content(path / RECORD)
        signed_by = check_bundle(path, content)
        record = parse_record(path / RECORD, content)
        return cls(
            path=path,
            digest=f"sha256:{sha256(content).hexdigest()}",
            record=record,
            name=record["name"],
            labels=tuple(record["labels"]),
            positive=tuple(record["positive"]),
            image_settings=ImageSettings(**record["image_path"]),
            formats={
                name: _read_format(name, row, record["task"] == CELL)
                for name, row in record["formats"].items()
            },
            signed_by=signed_by,
        )

    @property
    def is_builtin(self) -> bool:
        """Whether it is the bundle in the package."""
        return self.path == builtin_folder()

    @property
    def task(self) -> Literal["field", "cell"]:
        """What the model judges: a whole field, or the cells of a field one by one."""
        return "cell" if self.record["task"] == CELL else "field"

    @property
    def cell_settings(self) -> CellSettings | None:
        """How the cells of a field are found and cut out; None for a model of fields."""
        return CellSettings.from_json(self.record["cells"]) if self.task == "cell" else None

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
            self._check_one(name)

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

    def _check_one(self, name: str) -> None:
        """Compare one file with the record: its kind and its size before its content."""
        file, size = self.path / name, self.record["sizes"][name]
        wanted = f"sha256:{self.record['files'][name]}"
        try:
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
                actual = "no regular file"
            elif status.st_size > max(size, FOREIGN_BYTES):
                actual = f"{status.st_size} bytes instead of {size}"
            else:  # a small file of another size is hashed for the message
                actual = f"sha256:{file_digest(file)}"
        except (OSError, ValueError) as error:
            actual = f"nothing ({getattr(error, 'strerror', None) or error})"
        if actual != wanted:
            raise TamperedError(
                f"{file} is not the file that was exported: "
                f"the bundle names {wanted}, found {actual}",
                fix=COPY_FIX,
            )


def _read_format(name: str, row: dict[str, Any], is_cell: bool) -> Format:
    low, high = row["band"]
    return Format(
        name=name,
        file=row["file"],
        temperature=float(row["temperature"]),
        threshold=float(row["threshold"]),
        band=(float(low), float(high)),
        produced_by=row["produced_by"],
        field=row.get("field") if is_cell else None,
        features=FeatureOutput.from_json(row["features"]) if "features" in row else None,
    )
