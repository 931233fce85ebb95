"""Minimal scripts that run an artifact without alledge: the reference for latency and cold start.

They are what a user would write in ten lines. They check no hash and have no guards. They are text
because they run in processes of their own. `classify_script` decodes an image as alledge does
(reduced JPEG scale, then bilinear) and prints the scores; `timing_script` times the engine alone.
"""

from __future__ import annotations

# Each text uses `model` and `threads`, and defines `predict`.
ENGINES = {
    "tflite": """
try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:
    from tflite_runtime.interpreter import Interpreter
engine = Interpreter(model_path=model, num_threads=threads)
engine.allocate_tensors()
inputs, outputs = engine.get_input_details(), engine.get_output_details()
def predict(pixels):
    engine.set_tensor(inputs[0]["index"], pixels)
    engine.invoke()
    return engine.get_tensor(outputs[0]["index"])
""",
    "onnx": """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
engine = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = engine.get_inputs()[0].name
def predict(pixels):
    return engine.run(None, {name: pixels})[0]
""",
    "openvino": """
import openvino
config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
engine = openvino.Core().compile_model(model, "CPU", config)
def predict(pixels):
    return engine([pixels])[0]
""",
}

READ_IMAGE = """
import sys
import numpy as np
from PIL import Image
model, path, threads = sys.argv[1], sys.argv[2], %d
image = Image.open(path)
image.draft(None, (448, 448))
pixels = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))[None]
"""

# The search for cells is alledge's own: what a whole process adds to it is measured.
READ_CELLS = """
import sys
import numpy as np
from PIL import Image
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.crops import crop_cells
from alledge.runtime.cells.detection import detect_cells
model, path, threads = sys.argv[1], sys.argv[2], %d
image = Image.open(path)
factor = next(factor for factor in (8, 4, 2, 1) if min(image.size) >= 800 * factor or factor == 1)
size = [-(-side // factor) for side in image.size]
image.draft(None, size)
pixels = image.convert("RGB")
pixels = np.asarray(pixels if factor == 1 else pixels.resize(size, Image.Resampling.BILINEAR))
cells = crop_cells(pixels, detect_cells(pixels), CropSettings())
"""

READ_PIXELS = """
import sys, time
import numpy as np
model, pixels, seconds, threads = sys.argv[1], np.load(sys.argv[2]), float(sys.argv[3]), %d
"""

TIMING_LOOP = """
for _ in range(10):
    predict(pixels)
samples, ends = [], time.perf_counter() + seconds
while len(samples) < 7 or time.perf_counter() < ends:
    started = time.perf_counter()
    predict(pixels)
    samples.append((time.perf_counter() - started) * 1000)
print(sorted(samples)[len(samples) // 2])
"""

KERAS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
model = keras.models.load_model(sys.argv[1])
for path in sys.argv[2:]:
    image = keras.utils.load_img(path, target_size=(224, 224))
    print(model.predict(np.asarray(image, dtype="float32")[None], verbose=0))
"""


def classify_script(backend: str, threads: int) -> str:
    """Return a script that prints the scores of an image. Arguments: artifact, image."""
    return READ_IMAGE % threads + ENGINES[backend] + "print(predict(pixels))\n"


def cells_script(backend: str, threads: int) -> str:
    """Return a script that prints the scores of the cells of a field. Arguments: artifact, image.

    It has the default settings of a cell bundle.
    """
    return (
        READ_CELLS % threads + ENGINES[backend] + "for cell in cells: print(predict(cell[None]))\n"
    )


def timing_script(backend: str, threads: int) -> str:
    """Return a script that prints the median latency in milliseconds.

    Arguments: artifact, ``.npy`` file with a batch, seconds.
    """
    return READ_PIXELS % threads + ENGINES[backend] + TIMING_LOOP
