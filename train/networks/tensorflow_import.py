"""Loads tensorflow and keras, without their banners; whoever needs them takes them from here."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import MissingPackageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"  # a user's keras.json may say another


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what C++ writes at loading (which no log level stops) out of stderr."""
    try:
        kept = os.dup(2)
    except OSError:  # a process without stderr has nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as hidden:
        try:
            if sys.stderr:
                sys.stderr.flush()
            os.dup2(hidden.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


try:
    with _silent():
        import tensorflow as tf

        import keras  # isort: skip
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "keras"):
        raise
    raise MissingPackageError(error.name, "train-cpu", "training") from None

__all__ = ["keras", "tf"]
