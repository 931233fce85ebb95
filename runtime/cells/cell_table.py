"""``--cells-csv``: one CSV file with a row for every cell of the classified fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...errors import UsageError
from ..csv_cells import csv_document
from ..data.inputs import GALLERY_SUFFIX, OVERLAY_SUFFIX
from ..outputs import check_outputs, write_outputs
from ..records import Result
from .tables import CELL_COLUMNS, cell_rows

OPTION = "--cells-csv"


class CellTable:
    """Collects the cells of results, and writes them to a file at the end.

    Parameters
    ----------
    file : str or Path
    inputs : sequence of str or Path
        The images that are classified, and the folder of the bundle; none of them is replaced.
    picture_folders : sequence of str or None
        Folders of overlays and galleries.
    force : bool
        Replace the file if it exists.

    Raises
    ------
    UsageError
        If the file exists and `force` is False, is an input, has the name of a folder of pictures
        or of a picture, or cannot be written.
    """

    def __init__(
        self,
        file: str | Path,
        inputs: Sequence[str | Path],
        *,
        picture_folders: Sequence[str | None] = (),
        force: bool = False,
    ) -> None:
        self._file, self._force = Path(file), force
        self._rows: list[list[object]] = []
        self._check_name(folder for folder in picture_folders if folder is not None)
        check_outputs([self._file], inputs=inputs, force=force, option=OPTION)

    def _check_name(self, picture_folders: Iterable[str]) -> None:
        """Refuse a file that a picture, or a folder of pictures, would take the place of."""
        file = self._file.resolve()
        is_folder = any(
            file in (folder, *folder.parents)
            for folder in (Path(name).resolve() for name in picture_folders)
        )
        if is_folder or file.name.casefold().endswith((OVERLAY_SUFFIX, GALLERY_SUFFIX)):
            what = "a folder of pictures" if is_folder else "a picture"
            raise UsageError(
                f"{self._file} is to be a file of cells, and has the name of {what}",
                fix=f"{OPTION} ANOTHER-NAME",
            )

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
