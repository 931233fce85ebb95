"""The rows of results as tables of DuckDB, which reads only the columns that a query names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....errors import UsageError
from ..results.result_set import (
    PartitionDocument,
    ResultSet,
    part_paths,
    read_partition,
)
from ..results.schema import SCHEMA
from ..stores import Place

if TYPE_CHECKING:
    import duckdb

# Of a file that changed, and of one that was classified again, the latest row counts.
LATEST = """
SELECT * FROM {parts}
QUALIFY row_number() OVER (PARTITION BY path ORDER BY classified DESC, key) = 1
"""


@dataclass(frozen=True)
class Partition:
    """A partition of results.

    Parameters
    ----------
    place : Place
    document : dict
    """

    place: Place
    document: PartitionDocument


def open_partition(name: str) -> Partition:
    """Return the only partition of results, or the one that is named.

    Parameters
    ----------
    name : str
        Folder or URL of results, or of a partition.

    Raises
    ------
    UsageError
        If there are several.
    DataError
        If there is none, or its document is damaged.
    """
    places = ResultSet(name).partitions()
    if len(places) > 1:
        raise UsageError(
            f"{name} has {len(places)} partitions, one for each bundle, backend or site profile",
            allowed=[_with_bundle(place) for place in places],
            fix=f"name one: {places[0].name}",
        )
    return Partition(places[0], read_partition(places[0]))


def newest_partition(name: str) -> tuple[Partition, list[Partition]]:
    """Return the partition that was begun last, and the others; as `open_partition`."""
    rows = [Partition(place, read_partition(place)) for place in ResultSet(name).partitions()]
    rows.sort(key=lambda row: row.document["created"])
    return rows[-1], rows[:-1]


def add_fields(connection: duckdb.DuckDBPyConnection, view: str, partition: Partition) -> None:
    """Create a view of the fields of a partition, each once.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    view : str
        Its columns are those of `SCHEMA`, and ``positive``: whether the label is a positive one.
    partition : Partition
    """
    from pyarrow import dataset

    parts = dataset.dataset(
        part_paths(partition.place), SCHEMA, "parquet", filesystem=partition.place.system
    )
    connection.register(f"{view}_parts", parts)
    labels = ", ".join(_quoted(label) for label in partition.document["positive"])
    connection.execute(
        f"CREATE VIEW {view} AS SELECT *, coalesce(label IN ({labels}), false) AS positive "
        f"FROM ({LATEST.format(parts=f'{view}_parts')})"
    )


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query, by the names of its columns."""
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _with_bundle(place: Place) -> str:
    return f"{place.name} ({read_partition(place)['bundle']})"
