"""Finds the images of data sets whose file names hold the label: ALL-IDB1, ALL-IDB2, C-NMC."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ...errors import DataError
from .folder_scan import FolderScan, named
from .layout_types import (
    BLAST,
    HEALTHY,
    ImageFile,
    LayoutFiles,
    fixed_reading,
    note_unused,
    part_of_path,
)

ALL_IDB1, ALL_IDB2, C_NMC = "all-idb1", "all-idb2", "c-nmc"
SINGLE_CELL_LAYOUTS = (ALL_IDB2, C_NMC)  # each image shows one cell
IDB_FOLDERS = {ALL_IDB1: "im", ALL_IDB2: "img"}
_CNMC = re.compile(r"UID_(H?\d+)_(\d+)_(\d+)_(all|hem)", re.IGNORECASE)
_IDB = re.compile(r"Im(\d+)_([01])", re.IGNORECASE)
OTHER_NAME = "their names are not of this layout"


def find_idb(scan: FolderScan, layout: str) -> LayoutFiles | None:
    """Find ALL-IDB1 or ALL-IDB2, saved in any image format, in the root or below it.

    Raises
    ------
    DataError
        If there are several sets, or an image is there twice, in two formats.
    """
    files = [
        ImageFile(path, BLAST if match[2] == "1" else HEALTHY, path.stem)
        for path in scan.images
        if path.parent.name.lower() == IDB_FOLDERS[layout] and (match := _IDB.fullmatch(path.stem))
    ]
    if not files:
        return None
    _refuse_twice(scan, files)
    _refuse_several_sets(scan)
    notes = note_unused(scan, files, OTHER_NAME)
    return LayoutFiles(files, fixed_reading(layout), notes=notes)


def _refuse_several_sets(scan: FolderScan) -> None:
    """Refuse a folder with two sets of ALL-IDB: all images of ALL-IDB2 are crops of ALL-IDB1."""
    sets = sorted(
        {
            path.parent.parent
            for path in scan.images
            if path.parent.name.lower() in IDB_FOLDERS.values() and _IDB.fullmatch(path.stem)
        }
    )
    if len(sets) > 1:
        raise DataError(
            f"{scan.root} holds several sets of this layout: {', '.join(map(str, sets))}",
            fix=f"name one of them: {sets[0]}",
        )


def find_cnmc(scan: FolderScan) -> LayoutFiles | None:
    """Find C-NMC, saved in any image format, with its folders of folds or without them.

    Raises
    ------
    DataError
        If a folder ``all`` or ``hem`` contradicts a file name, or an image is there twice.
    """
    files, contradictions = [], []
    for path in scan.images:
        if match := _CNMC.fullmatch(path.stem):
            label = match[4].lower()
            files.append(
                ImageFile(
                    path,
                    BLAST if label == "all" else HEALTHY,
                    match[1].upper(),
                    part_of_path(path, scan.root),
                )
            )
            if path.parent.name.lower() in {"all", "hem"} - {label}:
                contradictions.append(path)
    if not files:
        return None
    if contradictions:
        raise DataError(
            f"the folder contradicts the name of {len(contradictions)} images of C-NMC: "
            f"{named(contradictions, scan.root)}",
            fix="move them into the folder that their names say, all or hem",
        )
    _refuse_twice(scan, files)
    notes = note_unused(scan, files, OTHER_NAME)
    return LayoutFiles(files, fixed_reading(C_NMC), subjects=True, notes=notes)


def _refuse_twice(scan: FolderScan, files: Sequence[ImageFile]) -> None:
    """Refuse an image that is there in two formats, or in two folders."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        key = file.path.stem.lower()
        paths[f"{file.path.parent}/{key}" if file.group == file.path.stem else key].append(
            file.path
        )
    if twice := [same for same in paths.values() if len(same) > 1]:
        raise DataError(
            f"{len(twice)} images are there more than once, the first as "
            f"{' and '.join(path.relative_to(scan.root).as_posix() for path in twice[0][:2])}",
            fix="keep one format of each image",
        )
