"""Two protocols with a question of their own: the paper's holdout, and leaving one camera out."""

from __future__ import annotations

import numpy as np

from ...errors import DataError, UsageError
from .examples import Examples
from .splits import ALWAYS_TRAINED, CAMERA, HOLDOUT_PARTS, PAPER, Fold, Indices, Split, group_folds

INSTEAD = "train --split grouped, study --splits paper,grouped"  # as the two commands take it


def paper_split(examples: Examples, folds: int, seed: int) -> Split:
    """Return the paper's 80/20, stratified by label and blind to groups; 12/10 on ALL-IDB1.

    Raises
    ------
    DataError
        If a class has fewer than two images.
    """
    random = np.random.default_rng(seed)
    of = np.full(len(examples.truth), ALWAYS_TRAINED, dtype=np.int64)
    for index, label in enumerate(examples.dataset.labels):
        images = np.flatnonzero(examples.truth == index)
        if len(images) < 2:
            raise DataError(
                f"the class {label!r} has {len(images)} image: one cannot be trained on and tested",
                fix="add images of that class",
            )
        held = max(1, round(len(images) / HOLDOUT_PARTS))
        of[random.permutation(images)[:held]] = 1
    fold = Fold(1, np.flatnonzero(of != 1), np.flatnonzero(of == 1))
    both = {examples.groups[i] for i in fold.train} & {examples.groups[i] for i in fold.test}
    leaked = [i for i in fold.test if examples.groups[i] in both]
    note = (
        f"this split leaks: {len(leaked)} of the {len(fold.test)} test images show what an image "
        "trained on shows"
        if leaked
        else "no test image is known to show what an image trained on shows"
    )
    return Split(PAPER, (fold,), of, examples.groups, (f"the paper's one holdout; {note}",))


def camera_split(examples: Examples, folds: int, seed: int) -> Split:
    """Return the protocol that leaves out the positive images of one camera after the other.

    For every camera with positive images: those are tested, the other cameras' trained on, and
    the healthy images go through grouped folds. The tested positives are dealt to the folds too,
    so that each gets one score. A healthy image is tested once a direction.

    Raises
    ------
    UsageError
        If fewer than two folds are wanted.
    DataError
        If fewer than two cameras have positive images, or there are fewer groups than folds.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds cannot be made of the healthy images", allowed="2 or more")
    labels = examples.dataset.labels
    positive = np.array([label in examples.dataset.positive for label in labels])[examples.truth]
    cameras, groups = np.asarray(examples.cameras), np.asarray(examples.groups)
    taking = sorted(set(cameras[positive].tolist()))
    if len(taking) < 2:
        raise DataError(
            f"the positive images come from one camera ({', '.join(taking)}): none can be left out",
            fix=f"{INSTEAD}; or keep the EXIF of the cameras in the files",
        )
    healthy = np.flatnonzero(~positive)
    count = len(set(groups[healthy].tolist()))
    if count < folds:
        raise DataError(
            f"the healthy images make {count} groups, fewer than the {folds} folds need",
            fix=f"--folds {count}" if count > 1 else "add healthy images",
        )
    made: list[Fold] = []
    parts = group_folds(examples.truth[healthy], groups[healthy].tolist(), folds, seed)
    for camera in taking:
        tested = np.flatnonzero(positive & (cameras == camera))
        trained = np.flatnonzero(positive & (cameras != camera))
        dealt = _deal(groups[tested], folds, seed)
        for part in range(folds):
            test = np.sort(np.concatenate([healthy[parts == part], tested[dealt == part]]))
            train = np.sort(np.concatenate([healthy[parts != part], trained]))
            train = train[~np.isin(groups[train], groups[test])]
            _refuse_missing(examples, train, camera)
            made.append(Fold(len(made) + 1, train, test, camera))
    of = np.zeros(len(positive), dtype=np.int64)
    for fold in reversed(made):
        of[fold.test] = fold.number
    return Split(CAMERA, tuple(made), of, examples.groups, (_whose(cameras, positive, taking),))


def _deal(groups: np.ndarray, parts: int, seed: int) -> Indices:
    """Return a part for each image: whole groups go round, in an order the seed decides."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    at = {name: index % parts for index, name in enumerate(names.tolist())}
    return np.array([at[group] for group in groups.tolist()], dtype=np.int64)


def _refuse_missing(examples: Examples, train: Indices, camera: str) -> None:
    labels = examples.dataset.labels
    missing = [labels[i] for i in range(len(labels)) if i not in examples.truth[train]]
    if missing:
        raise DataError(
            f"nothing of the class {', '.join(missing)} is left to train on "
            f"when the positive images of {camera} are left out",
            fix=INSTEAD,
        )


def _whose(cameras: np.ndarray, positive: np.ndarray, taking: list[str]) -> str:
    healthy = sorted(set(cameras[~positive].tolist()))
    without = [camera for camera in taking if camera not in healthy]
    text = f"specificity is only ever that of {', '.join(healthy)}"
    return text + (f": {', '.join(without)} took no healthy image" if without else "")
