"""``--cells-csv``: one CSV file with a row for every cell of the classified fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..csv_cells import csv_document
from ..outputs import check_outputs, write_outputs
from ..records import Result
from .tables import CELL_COLUMNS, cell_rows

OPTION = "--cells-csv"


class CellTable:
    """Collects the cells of results, and writes them to a file at the end.

    Parameters
    ----------
    file : str or Path
    images : sequence of str
        The images that are classified; none of them is replaced.
    force : bool
        Replace the file if it exists.

    Raises
    ------
    UsageError
        If the file exists and `force` is False, is one of the images, or cannot be written.
    """

    def __init__(self, file: str | Path, images: Sequence[str], *, force: bool = False) -> None:
        self._file, self._force = Path(file), force
        self._rows: list[list[object]] = []
        check_outputs([self._file], inputs=images, force=force, option=OPTION)

    def read(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the results unchanged, and keep the rows of their cells."""
        for result in results:
            self._rows += cell_rows(result.image, result.cells or ())
            yield result

    def write(self) -> None:
        """Write the file.

        Raises
        ------
        AlledgeError
            If it cannot be written, or a file appeared under its name meanwhile.
        """
        text = csv_document(CELL_COLUMNS, self._rows)
        write_outputs({self._file: text}, force=self._force, option=OPTION)
