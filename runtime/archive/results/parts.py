"""The parts of a partition: Parquet files that appear as a whole."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone

import pyarrow as pa
from pyarrow import compute, fs, parquet

from ....errors import DataError
from ..done_keys import DoneKeys
from ..sources.entries import KEY_BYTES
from ..stores import Place, plain_reason, with_patience
from .result_set import PREFIX, write_content
from .schema import ERROR

SUFFIX = ".parquet"


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
        keys += _joined(table["key"].filter(compute.invert(is_error)))
        wrong.update(table["key"].filter(is_error).to_pylist())
    if not retry_errors:
        keys.append(b"".join(wrong))
    done.add_all(b"".join(keys))
    return done


def _joined(keys: pa.ChunkedArray) -> list[bytes]:
    """Return keys that stand one behind the other, without a Python object for each."""
    return [
        chunk.buffers()[1].slice(chunk.offset * KEY_BYTES, len(chunk) * KEY_BYTES).to_pybytes()
        for chunk in keys.chunks
        if len(chunk)
    ]


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
