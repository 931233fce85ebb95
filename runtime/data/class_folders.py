"""Finds the images of a data set with a folder for each class, with or without a given split."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from .folder_scan import FolderScan, named, scan_folder
from .label_reading import (
    NEGATIVE,
    POSITIVE,
    UNCLEAR,
    label_meaning,
    words_of,
)
from .label_spelling import label_key, one_spelling
from .label_words import AUXILIARY_WORDS, STRUCTURE_WORDS
from .layout_types import (
    CLASS_FOLDERS_FIX,
    ImageFile,
    LayoutFiles,
    note_unused,
    part_of_path,
    split_part,
)

DEPTH = 2  # folders between the root and the classes, at most
ORIGINAL_WORDS = frozenset({"original", "originals", "raw"})
SEGMENTED_WORDS = frozenset({"segmented", "segmentation", "segmentations", "masked"})
# Beside images in a class, these folders hold something else than more images of the class.
LABEL_FOLDERS = frozenset({"label", "labels", "ground truth", "ground truths"})


def find_class_folders(scan: FolderScan) -> LayoutFiles | None:
    """Find a folder for each class.

    The classes may lie in the root, up to `DEPTH` folders below it, or in folders of a given split
    (``train/healthy``, ``test/healthy``). Of ``Original/`` and ``Segmented/`` the first is used.

    Raises
    ------
    DataError
        If a folder is no class, a class has no image, or there is only one class.
    """
    one_class: list[tuple[Path, list[Path]]] = []
    for parent in _parents(scan):
        originals = _original_folder(scan, parent)
        if originals is not None:
            files = _class_files(scan, originals[0])
            if files is None:
                continue
            shown = originals[1].relative_to(scan.root).as_posix()
            note = (
                f"{originals[0].relative_to(scan.root).as_posix()}/ is used; {shown}/ shows the "
                f"same cells and is left out ({len(scan.images_under(originals[1]))} images)"
            )
            return LayoutFiles(files, notes=[note, *_several_spellings(scan, files)])
        classes = _folders_with_images(scan, parent)
        if len(classes) > 1:
            files = _class_files(scan, parent)
            if files is not None:
                notes = [
                    *_several_spellings(scan, files),
                    *note_unused(scan, files, "in no class folder"),
                    *_empty(scan, parent),
                ]
                return LayoutFiles(files, notes=notes)
        elif classes:
            one_class.append((parent, classes))
    for parent, classes in reversed(one_class):  # the inner one is more specific
        _check_folders(scan, parent, classes)
        raise DataError(
            f"{parent} has only one class, {classes[0].name}",
            allowed="a folder for each of two classes or more",
            fix=CLASS_FOLDERS_FIX,
        )
    return None


def smear_images(folder: Path) -> list[Path]:
    """Return the images of a folder in any layout, in the order of their paths.

    Raises
    ------
    DataError
        If it cannot be listed, or holds folders of masks, thumbnails or the like.
    """
    scan = scan_folder(folder)
    refuse_auxiliary_folders(scan)
    return list(scan.images)


def refuse_auxiliary_folders(scan: FolderScan) -> None:
    """Refuse masks, thumbnails and the like at any depth: they are no images of a class.

    Raises
    ------
    DataError
    """
    for folder in scan.folders:
        if is_auxiliary(folder.name) and scan.images_under(folder):
            raise _no_class(scan, folder)


def is_auxiliary(name: str) -> bool:
    """Return whether a folder of this name holds masks, thumbnails, annotations or the like."""
    words = words_of(name)
    joined = " ".join(word for word in words if not word.isdecimal())
    return bool(AUXILIARY_WORDS & set(words)) or joined in LABEL_FOLDERS


def _parents(scan: FolderScan) -> list[Path]:
    """Return the folders that may hold the classes, the root first."""
    depth = len(scan.root.parts)
    inner = [path for path in scan.folders if len(path.parts) - depth <= DEPTH]
    return [scan.root, *sorted(inner, key=lambda path: (len(path.parts), path))]


def _folders_with_images(scan: FolderScan, parent: Path) -> list[Path]:
    return [path for path in scan.subfolders(parent) if scan.images_under(path)]


def _original_folder(scan: FolderScan, parent: Path) -> tuple[Path, Path] | None:
    """Return the folders of original and of segmented images, if a folder consists of them."""
    folders = _folders_with_images(scan, parent)
    original = [path for path in folders if ORIGINAL_WORDS & set(words_of(path.name))]
    segmented = [path for path in folders if SEGMENTED_WORDS & set(words_of(path.name))]
    if len(folders) == 2 and len(original) == len(segmented) == 1 and original != segmented:
        return original[0], segmented[0]
    return None


def _class_files(scan: FolderScan, parent: Path) -> list[ImageFile] | None:
    """Return the images of the classes in a folder, or in its parts of a given split."""
    folders = _folders_with_images(scan, parent)
    parts = [path for path in folders if split_part(path.name)]
    if len(parts) > 1 or (parts and len(folders) > 1):
        if others := [path for path in folders if path not in parts]:
            raise _beside_parts(scan, parts, others)
        classes_of = {part: _folders_with_images(scan, part) for part in parts}
        _refuse_part_without_classes(scan, classes_of)
        classes = [path for paths in classes_of.values() for path in paths]
    elif parts:
        return None
    else:
        classes = folders
    for part in parts or [parent]:
        _check_folders(scan, part, [path for path in classes if path.parent == part])
    spelling, _ = one_spelling(path.name for path in classes)
    return [
        ImageFile(
            image,
            spelling[folder.name],
            image.relative_to(scan.root).as_posix(),
            part_of_path(image, scan.root),
        )
        for folder in sorted(classes, key=lambda path: (path.name, path))
        for image in scan.images_under(folder)
    ]


def _check_folders(scan: FolderScan, parent: Path, classes: list[Path]) -> None:
    """Refuse folders that are no classes, several data sets, and classes without an image."""
    for folder in classes:
        for inner in (folder, *(path for path in scan.folders if folder in path.parents)):
            if is_auxiliary(inner.name) and scan.images_under(inner):
                raise _no_class(scan, inner)
        if not _may_be_class(folder.name):
            raise _no_class(scan, folder)
    _refuse_several_levels(scan, parent, classes)
    empty = [path for path in scan.subfolders(parent) if not scan.images_under(path)]
    if empty := [path for path in empty if _may_be_class(path.name)]:
        raise DataError(
            f"{parent} has no image of the class {', '.join(path.name for path in empty)}",
            fix=f"put its images into {empty[0]}, or remove the folder if it is no class",
        )


def _may_be_class(name: str) -> bool:
    words = [word for word in words_of(name) if not word.isdecimal()]
    return not is_auxiliary(name) and (not words or not set(words) <= STRUCTURE_WORDS)


def _refuse_several_levels(scan: FolderScan, parent: Path, classes: list[Path]) -> None:
    """Refuse folders that have classes inside and whose own names say nothing about a disease."""
    sides = {
        folder: {label_meaning(inner.name).meaning for inner in _folders_with_images(scan, folder)}
        - {UNCLEAR}
        for folder in classes
        if label_meaning(folder.name).meaning == UNCLEAR
    }
    nested = [folder for folder in sides if sides[folder]]
    if {POSITIVE, NEGATIVE} <= set().union(*sides.values()):
        raise DataError(
            f"{parent} holds several folders with classes inside: "
            f"{', '.join(path.name for path in nested)}",
            fix=f"name one of them, {nested[0]}, or put the images of a class into one folder",
        )


def _refuse_part_without_classes(scan: FolderScan, classes_of: dict[Path, list[Path]]) -> None:
    for part, classes in classes_of.items():
        loose = [path for path in scan.images_under(part) if path.parent == part]
        if not classes or loose:
            raise DataError(
                f"{part} has {len(loose)} images in no class folder: {named(loose, scan.root)}",
                allowed=f"a folder for each class: {part}/healthy, {part}/blast",
                fix="put them into class folders; without labels, move the folder out of the data "
                "set",
            )


def _no_class(scan: FolderScan, folder: Path) -> DataError:
    count = len(scan.images_under(folder))
    return DataError(
        f"the folder {folder} is no class by its name; it has {count} images",
        allowed="folders of classes, or train/, validation/ and test/ with the classes inside",
        fix=f"move {folder.name} out of {scan.root}, or rename it if it is a class",
    )


def _beside_parts(scan: FolderScan, parts: list[Path], others: list[Path]) -> DataError:
    names = ", ".join(f"{path.name}/" for path in parts)
    classes = ", ".join(f"{path.name}/" for path in others)
    return DataError(
        f"{parts[0].parent} has folders of a split, {names}, beside {classes}",
        allowed="either folders of classes, or train/, validation/ and test/ with the classes "
        "inside",
        fix=f"move {names} out of {scan.root}, or put the classes into each of them",
    )


def _several_spellings(scan: FolderScan, files: list[ImageFile]) -> list[str]:
    """Return a note about each class whose folders are spelled differently."""
    labels = {label_key(file.label) for file in files}
    parents = {folder for file in files for folder in file.path.relative_to(scan.root).parts[:-1]}
    return one_spelling(name for name in parents if label_key(name) in labels)[1]


def _empty(scan: FolderScan, parent: Path) -> list[str]:
    """Return a note about the folders without images that are no classes."""
    empty = [path for path in scan.subfolders(parent) if not scan.images_under(path)]
    return [f"{named(empty, scan.root)}: no images, no class"] if empty else []
