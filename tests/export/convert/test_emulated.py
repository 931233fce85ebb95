"""int8 under emulation of an older CPU: without VNNI the sums of 8-bit products can saturate."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

EMULATOR = "qemu-x86_64-static"
IMAGES = 6
ALLOWED = 0.02  # between CPUs, the same artifact (issue: the same scores within 0.02)
SCRIPT = """
import sys
import numpy as np
from alledge.runtime.backends import load_backend
if sys.argv[2] == "onnx":  # the emulator passes the desk's /proc/cpuinfo on, which has VNNI
    from alledge.runtime.backends import onnx
    onnx.has_vnni = lambda: False
images = np.load(sys.argv[1])["inputs"][:: 32 // int(sys.argv[5])]
backend = load_backend(sys.argv[2], sys.argv[3], threads=1)
np.save(sys.argv[4], np.concatenate([backend.predict(image[None]) for image in images]))
"""


@pytest.mark.skipif(
    shutil.which(EMULATOR) is None or sys.platform != "linux",
    reason=f"{EMULATOR} is not installed (apt-get install qemu-user-static)",
)
@pytest.mark.parametrize("form", ["tflite", "onnx", "openvino"])
def test_a_cpu_without_vnni_gives_the_same_scores(form, int8_bundle, tmp_path):
    out = tmp_path / "scores.npy"
    done = subprocess.run(
        [
            *(EMULATOR, "-cpu", "Haswell", sys.executable, "-c", SCRIPT),
            str(int8_bundle.path / "reference" / "inputs.npz"),
            *(form, str(int8_bundle.path / int8_bundle.formats[form].file), str(out), str(IMAGES)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(int8_bundle.path / "reference" / "outputs.npz") as archive:
        here = archive[form][:: 32 // IMAGES]
    assert np.abs(np.load(out) - here).max() <= ALLOWED
