"""The bare engines: what anybody would write in ten lines; every figure is a ratio to these.

The scripts decode as the image path does (reduced JPEG scale, then bilinear), check no hash, guard
nothing, and print the scores. They are text, run in a process of their own.
"""

from __future__ import annotations

DECODE = """
import sys
import numpy as np
from PIL import Image
model, path = sys.argv[1:3]
image = Image.open(path)
image.draft(None, (448, 448))
pixels = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))[None]
"""

TFLITE = """
try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:
    from tflite_runtime.interpreter import Interpreter
engine = Interpreter(model_path=model, num_threads=%THREADS%)
engine.allocate_tensors()
engine.set_tensor(engine.get_input_details()[0]["index"], pixels)
engine.invoke()
print(engine.get_tensor(engine.get_output_details()[0]["index"]))
"""

ONNX = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = %THREADS%
engine = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
print(engine.run(None, {engine.get_inputs()[0].name: pixels})[0])
"""

OPENVINO = """
import openvino
config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "%THREADS%"}
engine = openvino.Core().compile_model(model, "CPU", config)
print(engine([pixels])[0])
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

_ENGINES = {"tflite": TFLITE, "onnx": ONNX, "openvino": OPENVINO}


def script(backend: str, threads: int) -> str:
    """Return the ten-line script of a backend: its arguments are the artifact and an image."""
    return DECODE + _ENGINES[backend].replace("%THREADS%", str(threads))
