"""A folder of pictures that belong to images: their names are planned, checked and unique."""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...errors import UsageError
from ..data.inputs import GALLERY_SUFFIX, OVERLAY_SUFFIX
from ..outputs import check_outputs, make_folder, output_file, remove_outputs

MAX_NAME_BYTES = 200  # file systems allow 255, with the suffix
JPEG_QUALITY = 92
SHEET = re.compile(r"(?P<stem>.+)\.sheet-(?P<number>[0-9]{1,6})", re.DOTALL)


@dataclass(frozen=True)
class PictureKind:
    """A kind of pictures.

    Parameters
    ----------
    name : str
        For people, in the plural.
    suffix : str
        Of the files.
    option : str
        The option that asks for the pictures.
    has_sheets : bool
        Whether an image may have several.
    """

    name: str
    suffix: str
    option: str
    has_sheets: bool = False


OVERLAYS = PictureKind("overlays", OVERLAY_SUFFIX, "--overlay")
GALLERIES = PictureKind("galleries", GALLERY_SUFFIX, "--cells", has_sheets=True)


class PictureFolder:
    """Writes one kind of pictures into a folder.

    Parameters
    ----------
    folder : str or Path
        Created if it does not exist.
    kind : PictureKind
    images : iterable of str or Path
        The images whose pictures will be written, as far as they are known. The names of the
        pictures are chosen and checked now.
    force : bool
        Replace pictures that exist.

    Raises
    ------
    UsageError
        If the folder cannot be created or written, or holds a file with the name of a picture.
    """

    def __init__(
        self,
        folder: str | Path,
        kind: PictureKind,
        images: Iterable[str | Path] = (),
        *,
        force: bool = False,
    ) -> None:
        self.folder, self._kind, self._force = Path(folder), kind, force
        self._names: set[str] = set()
        self._planned: dict[str, deque[Path]] = {}
        self._lock = threading.Lock()
        names = [os.fspath(image) for image in images]
        self._old_sheets = _further_sheets(self.folder, kind.suffix) if kind.has_sheets else {}
        paths = [self._new_path(name) for name in names]
        for name, path in zip(names, paths, strict=True):
            self._planned.setdefault(name, deque()).append(path)
        old = [sheet for path in paths for sheet in self._old_sheets_of(path)]
        check_outputs([*paths, *old], inputs=names, force=force, option=kind.option)
        try:
            make_folder(self.folder, kind.option)
        except UsageError as error:
            what = f"no {kind.name} can be written to {folder}: {error.what}"
            raise UsageError(what, fix=error.fix) from None

    def save(self, image: str | None, picture: Image.Image) -> Path:
        """Write the picture of an image, and return its path.

        Parameters
        ----------
        image : str or None
            The path of the image as given; None for pixels.
        picture : PIL.Image.Image

        Raises
        ------
        AlledgeError
            If the file exists or cannot be written.
        """
        path = self._take_path(image)
        self._write(path, picture)
        return path

    def save_sheets(self, image: str | None, sheets: Iterable[Image.Image]) -> tuple[Path, ...]:
        """Write several pictures of an image, one after the other, and return their paths.

        The second one is named ``NAME.sheet-2`` and the suffix, and so on. Sheets of an earlier
        gallery of this name are removed with `force`, and else an error.

        Parameters
        ----------
        image : str or None
            The path of the image as given; None for pixels.
        sheets : iterable of PIL.Image.Image

        Raises
        ------
        AlledgeError
            If a file exists or cannot be written.
        """
        paths: list[Path] = []
        for number, sheet in enumerate(sheets, 1):
            if not paths:
                paths.append(self._take_path(image))
                old = self._old_sheets_of(paths[0])
                check_outputs(old, force=self._force, option=self._kind.option)
                self._write(paths[0], sheet)
                remove_outputs(old, option=self._kind.option)
                continue
            first = paths[0].name.removesuffix(self._kind.suffix)
            with self._lock:
                path = self._unique_path(f"{first}.sheet-{number}")
            self._write(path, sheet)
            paths.append(path)
        return tuple(paths)

    def _write(self, path: Path, picture: Image.Image) -> None:
        with output_file(path, force=self._force, option=self._kind.option) as temporary:
            picture.save(temporary, "JPEG", quality=JPEG_QUALITY)

    def _take_path(self, image: str | None) -> Path:
        """Return the planned path of an image, or a new one; pixels get one that is free."""
        with self._lock:
            planned = self._planned.get(image or "")
            if planned:
                return planned.popleft()
            path = self._new_path(image)
            while image is None and not self._force and self._is_taken(path):
                path = self._new_path(image)
            return path

    def _is_taken(self, path: Path) -> bool:
        return path.exists() or bool(self._old_sheets_of(path))

    def _old_sheets_of(self, first: Path) -> list[Path]:
        """Return the further sheets of a picture that an earlier command wrote.

        A file with the name of another picture of this object is none of them.
        """
        suffix = self._kind.suffix
        sheets = self._old_sheets.get(_stem(first, suffix), [])
        return [path for path in sheets if _identity(_stem(path, suffix)) not in self._names]

    def _new_path(self, image: str | None) -> Path:
        """Return a path that no other image of this object has."""
        stem = Path(image).stem if image else "image"
        safe = "".join(char if char.isalnum() or char in " ._-()" else "_" for char in stem)
        safe = safe.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip(" .") or "image"
        return self._unique_path(safe)

    def _unique_path(self, safe: str) -> Path:
        name, number = safe, 1
        while _identity(name) in self._names:
            number += 1
            name = f"{safe}-{number}"
        self._names.add(_identity(name))
        return self.folder / f"{name}{self._kind.suffix}"


def _identity(name: str) -> str:
    """Return what is equal for names that some file system, or a person, takes for one."""
    return unicodedata.normalize("NFKC", name).casefold()


def _stem(path: Path, suffix: str) -> str:
    return unicodedata.normalize("NFC", path.name.removesuffix(suffix))


def _further_sheets(folder: Path, suffix: str) -> dict[str, list[Path]]:
    """Return the second and further sheets in a folder, in order, by the stem of the first."""
    sheets: dict[str, list[tuple[int, Path]]] = {}
    try:
        paths = list(folder.iterdir())
    except OSError:  # there is no such folder yet; `make_folder` reports the other errors
        return {}
    for path in paths:
        match = SHEET.fullmatch(_stem(path, suffix)) if path.name.endswith(suffix) else None
        if match:
            sheets.setdefault(match["stem"], []).append((int(match["number"]), path))
    return {stem: [path for _, path in sorted(rows)] for stem, rows in sheets.items()}
