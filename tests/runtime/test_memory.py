"""Ten thousand images need no more memory than a hundred."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

IMAGES, WARM, ALLOWED = 10_000, 100, 1.05

CODE = """
import itertools, sys
from pathlib import Path
import psutil
from alledge.runtime.classifier import Classifier
bundle, backend, folder, total, warm = sys.argv[1:]
files = itertools.islice(itertools.cycle(sorted(Path(folder).iterdir())), int(total))
me = psutil.Process()
with Classifier.load(bundle, backend, threads=2, mode="throughput") as classifier:
    for number, result in enumerate(classifier.classify(files), 1):
        assert result.status != "error", result.error
        if number in (int(warm), int(total)):
            print(me.memory_info().rss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tflite", "onnx", "openvino"])
def test_ten_thousand_images_take_no_more_memory_than_a_hundred(
    bundle: Path, tmp_path: Path, make_picture: Callable[..., Image.Image], backend: str
) -> None:
    sizes = [(2592, 1944), (640, 480), (1712, 1368), (800, 600), (1226, 652)]
    for number, (width, height) in enumerate(sizes * 4):
        make_picture(width // 3, height // 3, seed=number).save(tmp_path / f"{number}.jpg")
    done = subprocess.run(
        [sys.executable, "-c", CODE, bundle, backend, tmp_path, str(IMAGES), str(WARM)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    early, late = map(int, done.stdout.split())
    assert late <= ALLOWED * early
