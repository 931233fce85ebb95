"""Reads the network of a run from its ``model.keras``; loads keras late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import RunError
from ...runtime.regular_files import open_regular_file

FIX = "train again, or copy the run again: its network is damaged"


def load_network(path: Path) -> Any:
    """Return a trained network, uncompiled.

    Parameters
    ----------
    path : Path
        A ``model.keras``. Code in it is not run.

    Returns
    -------
    keras.Model

    Raises
    ------
    RunError
        If the file is missing, is no regular file, or Keras cannot read it.
    """
    return _read(path, lambda keras: keras.saving.load_model(path, compile=False, safe_mode=True))


def load_weights(network: Any, path: Path) -> None:
    """Give a network the weights of a saved network of the same architecture.

    Parameters
    ----------
    network : keras.Model
    path : Path
        A ``model.keras``.

    Raises
    ------
    RunError
        As `load_network`, or if the weights do not fit.
    """
    _read(path, lambda keras: network.load_weights(path))


def _read(path: Path, read: Callable[[Any], Any]) -> Any:
    """Return what a function reads from a file with the module keras."""
    open_regular_file(path, error=RunError, fix=FIX).close()
    from .tensorflow_import import keras

    try:
        return read(keras)
    except MemoryError:
        raise
    except Exception as error:  # Keras raises whatever its reader of zip, JSON or HDF5 raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunError(f"{path} cannot be read: {reason}", fix=FIX) from None
