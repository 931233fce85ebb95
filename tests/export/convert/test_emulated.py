"""int8 on an emulated CPU without VNNI, where sums of 8-bit products can saturate."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

EMULATOR = "qemu-x86_64-static"
IMAGES = 6
ALLOWED = 0.02  # largest difference of a score of the same artifact between CPUs
SCRIPT = """
import sys
import numpy as np
from alledge.runtime.backends import load_backend
if sys.argv[2] == "onnx":  # the emulator shows the /proc/cpuinfo of the host, which may have VNNI
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
@pytest.mark.parametrize("format_name", ["tflite", "onnx", "openvino"])
def test_a_cpu_without_vnni_gives_the_same_scores(format_name, int8_bundle, tmp_path):
    out = tmp_path / "scores.npy"
    result = subprocess.run(
        [
            EMULATOR,
            "-cpu",
            "Haswell",
            sys.executable,
            "-c",
            SCRIPT,
            int8_bundle.path / "reference" / "inputs.npz",
            format_name,
            int8_bundle.path / int8_bundle.formats[format_name].file,
            out,
            str(IMAGES),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    with np.load(int8_bundle.path / "reference" / "outputs.npz") as archive:
        expected = archive[format_name][:: 32 // IMAGES]
    assert np.abs(np.load(out) - expected).max() <= ALLOWED
