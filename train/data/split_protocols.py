"""The paper's holdout split, the split by cameras, and the split that a data set comes with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError
from ...runtime.data.layout_types import TEST, TRAIN, VALIDATION
from .examples import NAMED_AT_MOST, Examples
from .group_folds import group_folds
from .split_types import ALWAYS_TRAINED, CAMERA, GIVEN, HOLDOUT_PARTS, PAPER, Fold, Indices, Split

# suggested by errors, as options of the two commands
OTHER_SPLITS = "train --split grouped, study --splits paper,grouped"


def paper_split(examples: Examples, seed: int) -> Split:
    """Return the paper's 80/20 holdout, stratified by label, which ignores groups.

    On ALL-IDB1 it tests 12 healthy images and 10 with blasts.

    Parameters
    ----------
    examples : Examples
    seed : int

    Raises
    ------
    DataError
        If a class has fewer than two images.
    """
    rng = np.random.default_rng(seed)
    test_fold = np.full(len(examples.truth), ALWAYS_TRAINED, dtype=np.int64)
    for index, label in enumerate(examples.dataset.labels):
        images = np.flatnonzero(examples.truth == index)
        if len(images) < 2:
            raise DataError(
                f"the class {label!r} has {len(images)} image: one cannot be trained on and tested",
                fix="add images of that class",
            )
        count = max(1, round(len(images) / HOLDOUT_PARTS))
        test_fold[rng.permutation(images)[:count]] = 1
    fold = Fold(1, np.flatnonzero(test_fold != 1), np.flatnonzero(test_fold == 1))
    trained_groups = {examples.groups[i] for i in fold.train}
    leaked = sum(examples.groups[i] in trained_groups for i in fold.test)
    note = (
        f"this split leaks: {leaked} of the {len(fold.test)} test images show the same as a "
        "training image"
        if leaked
        else "no test image is known to show the same as a training image"
    )
    return Split(PAPER, (fold,), test_fold, examples.groups, (f"the paper's one holdout; {note}",))


def camera_split(examples: Examples, folds: int, seed: int) -> Split:
    """Return the split that leaves out the positive images of one camera after the other.

    For each camera with positive images, its positive images are tested and the positive images
    of the other cameras are trained on. The healthy images go through grouped folds. The tested
    positive images are distributed over these folds, so that each gets one score. A healthy image
    is tested once per camera. Of cells, those of positive fields count as positive images here, so
    that one network tests all cells of a field.

    Parameters
    ----------
    examples : Examples
    folds : int
        Number of folds of the healthy images, >= 2.
    seed : int

    Raises
    ------
    UsageError
        If `folds` is less than two.
    DataError
        If fewer than two cameras have positive images, or there are fewer groups than folds.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds cannot be made of the healthy images", allowed="2 or more")
    positive = examples.from_positive_images
    cameras, groups = np.asarray(examples.cameras), np.asarray(examples.groups)
    tested_cameras = sorted(set(cameras[positive].tolist()))
    if len(tested_cameras) < 2:
        raise DataError(
            f"the positive images come from one camera ({', '.join(tested_cameras)}): "
            "none can be left out",
            fix=f"{OTHER_SPLITS}; or keep the EXIF of the cameras in the files",
        )
    healthy = np.flatnonzero(~positive)
    healthy_groups = len(set(groups[healthy].tolist()))
    if healthy_groups < folds:
        raise DataError(
            f"the healthy images make {healthy_groups} groups, fewer than the {folds} folds need",
            fix=f"--folds {healthy_groups}" if healthy_groups > 1 else "add healthy images",
        )
    camera_folds: list[Fold] = []
    parts = group_folds(examples.truth[healthy], groups[healthy].tolist(), folds, seed)
    for camera in tested_cameras:
        tested = np.flatnonzero(positive & (cameras == camera))
        trained = np.flatnonzero(positive & (cameras != camera))
        tested_parts = _deal_groups(groups[tested], folds, seed)
        for part in range(folds):
            test = np.sort(np.concatenate([healthy[parts == part], tested[tested_parts == part]]))
            train = np.sort(np.concatenate([healthy[parts != part], trained]))
            train = train[~np.isin(groups[train], groups[test])]
            _refuse_missing_class(examples, train, camera)
            camera_folds.append(Fold(len(camera_folds) + 1, train, test, camera))
    test_fold = np.zeros(len(positive), dtype=np.int64)
    for fold in reversed(camera_folds):  # the first fold that tests an image is written last
        test_fold[fold.test] = fold.number
    note = _specificity_note(cameras, positive, tested_cameras)
    return Split(CAMERA, tuple(camera_folds), test_fold, examples.groups, (note,))


def _deal_groups(groups: NDArray[np.str_], parts: int, seed: int) -> Indices:
    """Return a part for each image: the groups are shuffled and dealt to the parts in turn."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    part_of_group = {name: index % parts for index, name in enumerate(names.tolist())}
    return np.array([part_of_group[group] for group in groups.tolist()], dtype=np.int64)


def _refuse_missing_class(examples: Examples, train: Indices, camera: str) -> None:
    if missing := examples.missing_labels(train):
        raise DataError(
            f"no image of the class {', '.join(missing)} is left to train on "
            f"when the positive images of {camera} are left out",
            fix=OTHER_SPLITS,
        )


def _specificity_note(
    cameras: NDArray[np.str_], positive: NDArray[np.bool_], tested_cameras: list[str]
) -> str:
    """Return a note: the cameras that took healthy images, and those that took none."""
    healthy = sorted(set(cameras[~positive].tolist()))
    without = [camera for camera in tested_cameras if camera not in healthy]
    text = f"specificity is measured on images of {', '.join(healthy)} only"
    return text + (f": {', '.join(without)} took no healthy image" if without else "")


def given_split(examples: Examples) -> Split:
    """Return the split that the folders of the data set name: train, validation and test.

    Without a folder ``test``, the validation images are tested. With it, they choose the best
    epoch.

    Parameters
    ----------
    examples : Examples

    Raises
    ------
    DataError
        If the folders name no split, an image is in no part, a part lacks a class, or a tested
        image shows the same as a training image.
    """
    parts = np.array([sample.part for sample in examples.dataset.samples])
    if not examples.dataset.has_given_split:
        raise DataError(
            f"{examples.dataset.root} comes with no split",
            allowed="train/ and test/, or train/ and validation/, with the classes inside",
            fix="--split grouped",
        )
    tested = TEST if (parts == TEST).any() else VALIDATION
    test, trained = np.flatnonzero(parts == tested), np.flatnonzero(parts != tested)
    if not (parts == TRAIN).any() or (parts == "").any():
        raise DataError(
            f"{examples.dataset.root} has {int((parts == TRAIN).sum())} images for training and "
            f"{int((parts == '').sum())} in no part of the split",
            fix="--split grouped",
        )
    for name, images in (("to train on", np.flatnonzero(parts == TRAIN)), ("to test", test)):
        if missing := examples.missing_labels(images):
            raise DataError(
                f"the split of the data set has no image of the class {', '.join(missing)} {name}",
                fix="--split grouped",
            )
    _refuse_leak(examples, trained, test)
    validation, notes = _given_validation(examples, parts == VALIDATION, trained)
    test_fold = np.where(parts == tested, 1, ALWAYS_TRAINED).astype(np.int64)
    fold = Fold(1, trained, test, validation=validation)
    return Split(GIVEN, (fold,), test_fold, examples.groups, notes)


def _refuse_leak(examples: Examples, trained: Indices, test: Indices) -> None:
    """Refuse a tested image that shows the same as a training image, and name the pairs."""
    first = {examples.groups[index]: index for index in reversed(trained.tolist())}
    pairs = [(first[group], i) for i in test.tolist() if (group := examples.groups[i]) in first]
    if pairs:
        shown = "; ".join(
            f"{examples.names[a]} and {examples.names[b]}" for a, b in pairs[:NAMED_AT_MOST]
        )
        more = f"; and {len(pairs) - NAMED_AT_MOST} more" if len(pairs) > NAMED_AT_MOST else ""
        raise DataError(
            f"the split of the data set leaks: {len(pairs)} tested images show the same pixels, "
            f"field or subject as a training image: {shown}{more}",
            fix="move both into one part, or --split grouped, which keeps them together",
        )


def _given_validation(
    examples: Examples, is_validation: NDArray[np.bool_], trained: Indices
) -> tuple[Indices | None, tuple[str, ...]]:
    """Return the images that choose the best epoch, None if they cannot, and notes."""
    note = "the split that the data set comes with"
    validation = np.flatnonzero(is_validation & np.isin(np.arange(len(is_validation)), trained))
    if not len(validation):
        return None, (note,)
    fitted = {examples.groups[i] for i in trained.tolist() if not is_validation[i]}
    if any(examples.groups[index] in fitted for index in validation.tolist()):
        shared = "validation images show the same as training images: they are trained on"
        return None, (note, shared)
    return validation, (note,)
