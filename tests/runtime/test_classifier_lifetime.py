"""A classifier that nobody closes: freed with its last reference, and left alone by a fork."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import UsageError
from alledge.runtime.backends import BACKENDS, load_backend
from alledge.runtime.classifier import MODES, Classifier, Mode
from alledge.runtime.machine import max_threads, validate_threads
from support.bundles import FILES

RGB = np.zeros((224, 224, 3), np.uint8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_classifier_is_freed_with_its_last_reference(
    bundle: Path, backend: str, mode: Mode
) -> None:
    """Without the garbage collector, which knows nothing of the memory of an engine."""
    gc.collect()
    gc.disable()
    try:
        classifier = Classifier.load(bundle, backend, 2, mode, timeout_s=None)
        assert classifier.classify(RGB).label
        references = weakref.ref(classifier), weakref.ref(classifier.backend)
        del classifier
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()


def test_the_threads_of_a_classifier_that_nobody_closed_end(bundle: Path) -> None:
    before = set(threading.enumerate())
    classifier = Classifier.load(bundle, "tflite", 1)
    classifier.classify(RGB)
    threads = set(threading.enumerate()) - before
    del classifier
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


# The engine and the garbage collector of a child find no threads of the parent.
FORK = """
import gc, os, sys
import numpy as np
from alledge.errors import BackendError
from alledge.runtime.classifier import Classifier
rgb = np.zeros((224, 224, 3), np.uint8)
classifier = Classifier.load(sys.argv[1], sys.argv[2], 2)
classifier.classify(rgb)
child = os.fork()
if not child:
    code = 1
    try:
        classifier.classify(rgb)
    except BackendError as error:
        code = 0 if "forked" in str(error) else 2
    classifier.close()
    del classifier
    gc.collect()
    os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert classifier.classify(rgb).label
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fork_neither_frees_nor_uses_the_engine_of_its_parent(bundle: Path, backend: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(bundle), backend],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("threads", [0, -1, 10**5, 2**31, 10**30, True, 1.0, "2", float("nan")])
def test_a_number_of_threads_that_cannot_be_is_refused(bundle: Path, threads: int) -> None:
    for mode in MODES:
        with pytest.raises(UsageError, match="thread"):
            Classifier.load(bundle, "onnx", threads, mode)
    with pytest.raises(UsageError, match="thread"):
        load_backend("tflite", bundle / FILES["tflite"][0], threads)


def test_four_threads_for_each_logical_core_are_allowed() -> None:
    assert max_threads() == 4 * (os.cpu_count() or 1)
    assert validate_threads(np.int64(max_threads())) == max_threads()
    with pytest.raises(UsageError, match=f"{max_threads() + 1} threads"):
        validate_threads(max_threads() + 1)
