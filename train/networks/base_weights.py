"""Names of a base's initial weights: ImageNet, none, built-in, or a file. Imports no keras."""

from __future__ import annotations

from pathlib import Path

from ...errors import UsageError
from ...runtime.bundle.builtin import BUILTIN_NAME, builtin_folder

IMAGENET, NONE, BUILTIN = "imagenet", "none", BUILTIN_NAME
ARTIFACT_SUFFIX = ".tflite"
SUFFIXES = (".weights.h5", ".h5", ARTIFACT_SUFFIX)


def weights_file(weights: str | Path) -> Path | None:
    """Return the file to read weights from, or None for Keras' own weights and random ones.

    Parameters
    ----------
    weights : {"imagenet", "none", "builtin"} or path
        ``"builtin"`` is the TFLite artifact of the bundle that alledge contains.

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
    is_builtin = weights == BUILTIN and not Path(weights).exists()
    path = builtin_folder() / f"model{ARTIFACT_SUFFIX}" if is_builtin else Path(weights)
    if not path.is_file():
        raise UsageError(
            f"there is no file of weights {str(weights)!r}",
            allowed=f"{IMAGENET}, {NONE}, {BUILTIN} where alledge contains a bundle, FILE",
            fix=f"name a {SUFFIXES[0]} of the base, or --weights {IMAGENET}",
        )
    if not path.name.endswith(SUFFIXES):
        raise UsageError(
            f"{path} is not a file of weights by its name", allowed=", ".join(SUFFIXES)
        )
    return path
