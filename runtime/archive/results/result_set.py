"""A folder of results: partitions by what answered, parts of Parquet in each.

::

    RESULTS/_archive.json                      says that alledge owns the folder
    RESULTS/model=3fa9c1d2e4b5/_partition.json bundle, site profile, backend, versions
    RESULTS/model=3fa9c1d2e4b5/part-….parquet  one row a field

A part appears as a whole: a local file under a hidden name that is renamed, an object by one
request. So a killed process leaves whole parts and nothing else that a reader sees.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
from pyarrow import compute, fs, parquet

from .... import __version__
from ....errors import AlledgeError, DataError, UsageError
from ...files import replace_file
from ...json_documents import parse_json
from ...outputs import check_folder, make_folder
from ..done_keys import DoneKeys
from ..stores import Place, open_place, plain_reason, with_patience
from .identity import Identity
from .schema import ERROR

ARCHIVE, PARTITION = "_archive.json", "_partition.json"
ARCHIVE_SCHEMA, PARTITION_SCHEMA = "alledge/archive", "alledge/archive-partition"
SCHEMA_VERSION = 1
PREFIX, SUFFIX = "part-", ".parquet"
OPTION = "--out"


class PartitionDocument(TypedDict):
    """The document ``_partition.json``."""

    schema: str
    schema_version: int
    created: str
    alledge: str
    bundle: str
    digest: str
    backend: str
    site_profile: str | None
    site_digest: str | None
    taken_as: str
    labels: list[str]
    positive: list[str]
    task: str


class ResultSet:
    """The results of an archive.

    Parameters
    ----------
    name : str
        Folder or URL.
    """

    def __init__(self, name: str) -> None:
        self.place = open_place(name)

    def claim(self) -> None:
        """Note that alledge owns the folder; it is new, empty, or holds results of alledge.

        Raises
        ------
        UsageError
            If it holds something else, or cannot be written.
        StoreError
            If the object store refuses, or does not answer.
        """
        is_own = self._exists(ARCHIVE)
        if self.place.is_local:
            folder = Path(self.place.path)
            if not is_own and not _is_left_by_a_kill(folder):
                check_folder(folder, fix=f"{OPTION} ANOTHER-FOLDER; it has no {ARCHIVE}")
            make_folder(folder, OPTION)
        elif not is_own and self._list(self.place.path):
            raise UsageError(
                f"{self.place.name} exists already, and is not empty",
                fix=f"{OPTION} ANOTHER-ADDRESS; it has no {ARCHIVE}",
            )
        if not is_own:
            write_document(self.place.child(ARCHIVE), {"schema": ARCHIVE_SCHEMA, **_head()})

    def create(self, identity: Identity, about: dict[str, Any]) -> Place:
        """Return the place of a partition, which is made if need be; the caller holds the lock.

        Parameters
        ----------
        identity : Identity
        about : dict
            ``labels``, ``positive`` and ``task`` of the bundle.
        """
        partition = self.place.child(identity.partition)
        if not self._exists(identity.partition, PARTITION):
            document = {"schema": PARTITION_SCHEMA, **_head(), **asdict(identity), **about}
            write_document(partition.child(PARTITION), document)
        if partition.is_local:
            for path in Path(partition.path).glob(f".{PREFIX}*"):  # of a process that was killed
                path.unlink(missing_ok=True)
        return partition

    def partitions(self) -> list[Place]:
        """Return the partitions, by name; the place itself if it is one.

        Raises
        ------
        DataError
            If there are no results.
        """
        if self._exists(PARTITION):
            return [self.place]
        rows = self._list(self.place.path)
        found = [
            self.place.child(row.base_name)
            for row in sorted(rows, key=lambda row: row.base_name)
            if row.type == fs.FileType.Directory and row.base_name.startswith("model=")
        ]
        if not found:
            raise DataError(
                f"{self.place.name} has no results of alledge archive",
                fix="alledge archive SOURCE --out RESULTS",
            )
        return found

    def _exists(self, *names: str) -> bool:
        path = self.place.child(*names).path
        info = with_patience(lambda: self.place.system.get_file_info(path), self.place)
        return bool(info.type == fs.FileType.File)

    def _list(self, path: str) -> list[fs.FileInfo]:
        selector = fs.FileSelector(path, allow_not_found=True)
        rows: list[fs.FileInfo] = with_patience(
            lambda: self.place.system.get_file_info(selector), self.place
        )
        return rows


def _head() -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"schema_version": SCHEMA_VERSION, "created": now, "alledge": __version__}


def _is_left_by_a_kill(folder: Path) -> bool:
    """Return whether a process was killed while it wrote the first file of a folder."""
    return folder.is_dir() and all(
        path.name.startswith(f".{ARCHIVE}.") for path in folder.iterdir()
    )


def read_partition(partition: Place) -> PartitionDocument:
    """Return the document of a partition.

    Raises
    ------
    DataError
        If it is damaged or of a later version.
    """
    place = partition.child(PARTITION)

    def read() -> bytes:
        with place.system.open_input_stream(place.path) as stream:
            content: bytes = stream.read()
            return content

    document: PartitionDocument = parse_json(
        with_patience(read, place), place.name, error=DataError
    )
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{place.name} has the schema_version {version!r}",
            allowed=str(SCHEMA_VERSION),
            fix="update alledge on this machine",
        )
    return document


def part_paths(partition: Place) -> list[str]:
    """Return the paths of the parts of a partition, by name."""
    selector = fs.FileSelector(partition.path, allow_not_found=True)
    rows = with_patience(lambda: partition.system.get_file_info(selector), partition)
    return sorted(
        row.path
        for row in rows
        if row.base_name.startswith(PREFIX) and row.base_name.endswith(SUFFIX)
    )


def read_done(partition: Place, *, retry_errors: bool = False) -> DoneKeys:
    """Return the keys of the fields of a partition.

    Parameters
    ----------
    partition : Place
    retry_errors : bool
        Leave out those whose row is an error.

    Raises
    ------
    DataError
        If a part is damaged.
    """
    done, keys, wrong = DoneKeys(), [], set()
    for path in part_paths(partition):
        try:
            table = parquet.read_table(path, columns=["key", "status"], filesystem=partition.system)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{partition.name_of(path)} cannot be read: {plain_reason(error)}",
                fix="remove this part; the same command then classifies its fields again",
            ) from None
        is_error = compute.equal(table["status"], ERROR)
        for chunk in table["key"].filter(compute.invert(is_error)).chunks:
            keys.append(b"".join(chunk.to_pylist()))
        wrong.update(table["key"].filter(is_error).to_pylist())
    if not retry_errors:
        keys.append(b"".join(wrong))
    done.add_all(b"".join(keys))
    return done


class PartWriter:
    """Writes the parts of a partition.

    Parameters
    ----------
    partition : Place
    part_rows : int
        Rows of a part; the last one has fewer.

    Attributes
    ----------
    rows : int
        Number of rows that are written.
    """

    def __init__(self, partition: Place, part_rows: int) -> None:
        self._partition, self._part_rows = partition, part_rows
        self._tables: list[pa.Table] = []
        self._token = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._number = self.rows = 0

    @property
    def waiting(self) -> int:
        """Number of rows that are not written yet."""
        return sum(map(len, self._tables))

    def add(self, table: pa.Table) -> None:
        """Add rows; write a part if there are enough.

        Raises
        ------
        AlledgeError
            If the part cannot be written, for example because the disk is full.
        """
        self._tables.append(table)
        if self.waiting >= self._part_rows:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as one part; as `add`."""
        if not self.waiting:
            return
        table = pa.concat_tables(self._tables)
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink, compression="zstd")
        name = f"{PREFIX}{self._token}-{self._number:06d}{SUFFIX}"
        write_content(self._partition.child(name), sink.getvalue())
        self._number += 1
        self.rows += len(table)
        self._tables = []


def write_document(place: Place, document: dict[str, Any]) -> None:
    """Write a JSON document of the results."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_content(place, text.encode())


def write_content(place: Place, content: bytes | pa.Buffer) -> None:
    """Write a file of the results as a whole.

    Raises
    ------
    AlledgeError
        If it cannot be written.
    """
    if not place.is_local:

        def put() -> None:
            # at once: a stream that is closed after an error would store what it has
            with place.system.open_output_stream(place.path) as stream:
                stream.write(content)

        with_patience(put, place)
        return
    try:
        with replace_file(Path(place.path)) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise AlledgeError(
            f"{place.name} cannot be written: {error.strerror or error}",
            fix="free space or mend the disk; the same command then goes on with what is missing",
        ) from None
