"""Fields that a table lists: CSV or Parquet with a column of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ....errors import DataError
from ..stores import Place, is_url, open_place, plain_reason
from .entries import Entry
from .local_files import file_entry
from .object_stores import object_entry

if TYPE_CHECKING:
    from pyarrow import RecordBatch

PATH = "path"
COLUMNS = (PATH, "site", "microscope", "taken")
SUFFIXES = (".csv", ".parquet")
BATCH_ROWS = 1024
REQUESTS = 16  # of an object store, at once


class Manifest:
    """A table of fields, read in batches.

    Parameters
    ----------
    place : Place
        Of a file whose name ends in ``.csv`` or ``.parquet``. Relative paths in it are relative to
        its folder. The columns ``site``, ``microscope`` and ``taken`` may be missing.

    Raises
    ------
    DataError
        If it cannot be read, or has no column ``path``.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._stores: dict[str, Place] = {}
        self.check()

    def check(self) -> None:
        """Check that the table can be read and has a column of paths."""
        names = self._read(lambda: self._column_names())
        if PATH not in names:
            raise DataError(
                f"{self.place.name} has no column {PATH!r}",
                allowed=f"the column {PATH!r}; and {', '.join(COLUMNS[1:])} if they are known",
                fix=f"rename one of its columns: {', '.join(names)[:200]}",
            )

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each row, in order."""
        with ThreadPoolExecutor(REQUESTS) as pool:
            for batch in self._batches():
                rows = [row for row in batch.to_pylist() if row[PATH]]
                if any(is_url(self._full_path(row[PATH])) for row in rows):
                    yield from pool.map(self._entry, rows)
                else:
                    yield from map(self._entry, rows)

    def _entry(self, row: dict[str, Any]) -> Entry:
        path = self._full_path(row[PATH])
        known: dict[str, Any] = {
            name: None if row.get(name) is None else str(row[name]) for name in COLUMNS[1:]
        }
        if not is_url(path):
            return file_entry(os.path.abspath(path), **known)  # noqa: PTH100 - links stay
        return object_entry(self._object(path), **known)

    def _full_path(self, path: str) -> str:
        if is_url(path):
            return path if not path.startswith("file://") else open_place(path).path
        folder = self.place.name.replace("\\", "/").rpartition("/")[0]
        if self.place.is_local:
            return os.path.join(folder, path)  # noqa: PTH118 - keeps an absolute path
        return f"{folder}/{path}"

    def _object(self, url: str) -> Place:
        """Return the place of an object; one connection for each store."""
        scheme, _, path = url.partition("://")
        store = self._stores.get(scheme)
        if store is None:
            store = self._stores[scheme] = open_place(url)
        return Place(store.system, path, store.prefix)

    def _column_names(self) -> list[str]:
        if self.place.path.lower().endswith(".csv"):
            with self._open_csv(None) as reader:
                return list(reader.schema.names)
        from pyarrow import parquet

        return list(parquet.read_schema(self.place.path, filesystem=self.place.system).names)

    def _batches(self) -> Iterator[RecordBatch]:
        known = self._read(self._column_names)
        names = [name for name in COLUMNS if name in known]
        if self.place.path.lower().endswith(".csv"):
            with self._read(lambda: self._open_csv(names)) as reader:
                while (batch := self._read(lambda: _next(reader))) is not None:
                    for start in range(0, len(batch), BATCH_ROWS):
                        yield batch.slice(start, BATCH_ROWS)
            return
        from pyarrow import parquet

        with parquet.ParquetFile(self.place.path, filesystem=self.place.system) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=names)

    def _open_csv(self, names: list[str] | None) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        return csv.open_csv(
            self.place.system.open_input_stream(self.place.path),
            csv.ReadOptions(block_size=1 << 20),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(COLUMNS, pa.string()),
                include_columns=names,
                strings_can_be_null=True,
            ),
        )

    def _read(self, action: Any) -> Any:
        try:
            return action()
        except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
            raise DataError(
                f"{self.place.name} cannot be read as a table: {plain_reason(error)}",
                allowed="CSV with a header, or Parquet",
            ) from None


def _next(reader: Any) -> RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
