"""Loads tensorflow and keras without their start messages. Other modules import both from here."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import MissingPackageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"  # a user's keras.json may name another backend


@contextmanager
def _silence_stderr() -> Iterator[None]:
    """Discard what C++ code writes to stderr while it is loaded. No log level suppresses it."""
    try:
        original = os.dup(2)
    except OSError:  # the process has no stderr
        yield
        return
    with tempfile.TemporaryFile() as discarded:
        try:
            if sys.stderr:
                sys.stderr.flush()
            os.dup2(discarded.fileno(), 2)
            yield
        finally:
            os.dup2(original, 2)
            os.close(original)


try:
    with _silence_stderr():
        import tensorflow as tf

        import keras  # isort: skip
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "keras"):
        raise
    raise MissingPackageError(error.name, "train-cpu", "training") from None

__all__ = ["keras", "tf"]
