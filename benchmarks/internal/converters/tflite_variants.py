"""Compares ways to quantize for TFLite, out of fold.

python -m alledge.benchmarks.internal.converters.tflite_variants RUN

The network of each fold is converted in each way and judges the images that test the fold, and
their mirror images: a largest difference is decided by one picture, and four times as many pictures
say more. The ways differ in where the ranges come from and in which layers stay in float. The
biases are corrected alike.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ....export.convert import tflite
from ....export.convert.bias_correction import correct_tflite, read_biases, read_logits
from ....export.convert.conversion import Conversion
from ....export.convert.jobs import JobRunner
from ....export.convert.quantization_recipes import ladder
from ....export.convert.step_cache import StepCache
from ....export.convert.tflite_ranges import with_ranges
from ....export.gate.out_of_fold import log_odds
from ....export.source_run import read_run_images
from ....export.types import Floats, Images, Scores
from ....runtime.backends import load_backend
from ....runtime.metrics.metrics import positive_score
from ....runtime.tflite_graph import parse_operators
from ....train.runs.run_folder import Run, load_run

PRECISION = "int8"


def calibrated(float_graph: bytes, images: Images) -> bytes:
    """Return a float graph with the ranges that TFLite's own calibrator measures."""
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    return bytes(Calibrator(float_graph).calibrate(lambda: ([image[None]] for image in images)))


# Where the ranges come from, on how many images, and whether both ends stay in float.
Ranges = Callable[[bytes, Images], bytes]
WAYS: dict[str, tuple[Ranges, int, bool]] = {
    "TFLite's calibrator, 32 images": (calibrated, 32, False),
    "each tensor's own range, 32 images": (with_ranges, 32, False),
    "each tensor's own range, 64 images": (with_ranges, 64, False),
    "… both ends of the graph in float (in use)": (with_ranges, 64, True),
}
ONNX = "ONNX"


def converted(way: str, float_graph: bytes, biases: Path, calibration: Images) -> bytes:
    """Return an int8 model that was converted in one of the ways."""
    from tensorflow.lite.python.convert import mlir_quantize

    measure, count, ends_in_float = WAYS[way]
    corrected, _ = correct_tflite(float_graph, read_biases(biases))
    graph = measure(corrected, calibration[:count])
    in_float = tflite.in_float(graph) if ends_in_float else last_layer(graph)
    content = bytes(mlir_quantize(graph, denylisted_nodes=in_float))
    return tflite.refitted(content, read_logits(biases), calibration)


def last_layer(graph: bytes) -> list[str]:
    """Return the tensors from the last dense layer on."""
    operators = parse_operators(graph)
    start = max(place for place, row in enumerate(operators) if row.name == tflite.DENSE)
    return [tensor.name for row in operators[start:] for tensor in row.outputs]


def mirrored(images: Images) -> Images:
    """Return images and their three mirror images, (4 N, S, S, 3)."""
    both = np.concatenate([images, images[:, ::-1]])
    return np.concatenate([both, both[:, :, ::-1]])


def fold_probabilities(
    run: Run, fold: int, jobs: JobRunner, folder: Path
) -> Iterator[tuple[str, Floats]]:
    """Yield the blast probabilities of a fold: of float32, ONNX and each way, with its name."""
    images, recipe = read_run_images(run), ladder("tflite", PRECISION)[0]
    calibration = images.calibration_images(fold).images
    pictures = mirrored(images.images[images.tested_images(fold)])
    model, title = run.fold_model_path(fold), f"fold {fold}"
    conversion = Conversion(jobs, model, folder, title, calibration)
    float_graph, biases = conversion.float_tflite(), conversion.corrected_biases()
    onnx, _ = conversion.artifact("onnx", PRECISION, recipe, folder / "onnx")
    for name, kind, artifact in (("", "tflite", float_graph), (ONNX, "onnx", onnx)):
        yield name, blast(run, predict(kind, artifact, pictures))
    for way in WAYS:
        artifact = folder / "way.tflite"
        artifact.write_bytes(converted(way, float_graph.read_bytes(), biases, calibration))
        yield way, blast(run, predict("tflite", artifact, pictures))


def predict(kind: str, artifact: Path, images: Images) -> Scores:
    """Return the scores of an artifact, (N, C)."""
    backend = load_backend(kind, artifact)
    try:
        return np.concatenate([backend.predict(image[None]) for image in images])
    finally:
        backend.close()


def blast(run: Run, scores: Scores) -> Floats:
    """Return the probability of any positive label, (N,)."""
    return positive_score(scores.astype(np.float64), list(run.labels), list(run.positive))


def main() -> None:
    """Print a Markdown table with a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = load_run(parser.parse_args().run)
    rows: dict[str, list[Floats]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory() as folder,
        JobRunner(Path(folder), cache=StepCache()) as jobs,
    ):
        for fold in run.fold_numbers:
            own = Path(folder) / f"fold{fold}"
            for name, p in fold_probabilities(run, fold, jobs, own):
                rows[name].append(p)
    pooled = {name: np.concatenate(parts) for name, parts in rows.items()}
    before = pooled.pop("")
    titles = ("", "median change of the log-odds", "max Δp", "mean Δp", "max difference to ONNX")
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name, p in pooled.items():
        moved, odds = np.abs(p - before), np.median(np.abs(log_odds(p) - log_odds(before)))
        apart = np.abs(p - pooled[ONNX]).max()
        print(
            f"| {name} | {odds:.2f} | {moved.max():.2f} | {moved.mean():.4f} | {apart:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
