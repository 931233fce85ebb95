"""Names of a base's initial weights: ImageNet, none, or a file. Imports no keras."""

from __future__ import annotations

from pathlib import Path

from ...errors import UsageError

IMAGENET, NONE = "imagenet", "none"
SUFFIXES = (".weights.h5", ".h5")


def weights_file(weights: str | Path) -> Path | None:
    """Return the file to read weights from, or None for Keras' own weights and random ones.

    Parameters
    ----------
    weights : {"imagenet", "none"} or path

    Returns
    -------
    Path or None

    Raises
    ------
    UsageError
        If there is no such file, or its name does not end in one of `SUFFIXES`.
    """
    if weights in (IMAGENET, NONE):
        return None
    path = Path(weights)
    if not path.is_file():
        raise UsageError(
            f"there is no file of weights {str(weights)!r}",
            allowed=f"{IMAGENET}, {NONE}, FILE",
            fix=f"name a {SUFFIXES[0]} of the base, or --weights {IMAGENET}",
        )
    if not path.name.endswith(SUFFIXES):
        raise UsageError(
            f"{path} is not a file of Keras weights by its name", allowed=", ".join(SUFFIXES)
        )
    return path
