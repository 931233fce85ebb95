"""The full demo: trains MobileNetV2 from its initial weights, without the built-in bundle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ...runtime.terminal import echo
from .steps import MODEL, NEW_SEED, SEED, Step, draw_smears, run_step

IMAGES, NEW_IMAGES, CLASSIFIED = 280, 100, 12
# Random weights need about 150 steps before the network separates these smears; ImageNet weights
# need far fewer.
RANDOM_WEIGHTS = ("--weights", "none", "--epochs", "12", "--lr", "2e-3", "--batch-size", "16")
IMAGENET_WEIGHTS = ("--weights", "imagenet", "--epochs", "4")
FETCH_TIMEOUT_S = 90  # to import tensorflow and download 9 MB


def run_full_demo(
    out: Path, *, weights: str | None = None, images: int = IMAGES, epochs: int | None = None
) -> Path:
    """Run every step, and return the page.

    Parameters
    ----------
    out : Path
        A folder of `prepare_folder`.
    weights : {"imagenet", "none"}, optional
        Initial weights; those of ImageNet if Keras can load them.
    images : int
        Number of smears to train on.
    epochs : int, optional

    Raises
    ------
    RunError
        If a command fails.
    """
    draw_smears(out / "smears", images, SEED)
    draw_smears(out / "new-smears", NEW_IMAGES, NEW_SEED)
    training = _training_arguments(weights)
    if epochs is not None:
        training = (*training, "--epochs", str(epochs))
    steps = _steps(out, training)
    outputs = {step.arguments[0]: run_step(step) for step in steps}
    from .full_page import write_page

    return write_page(out, outputs, [step.command for step in steps])


def _steps(out: Path, training: tuple[str, ...]) -> list[Step]:
    smears, new, run = str(out / "smears"), out / "new-smears", out / "run"
    bundle = out / "bundles" / f"{MODEL}-int8"
    images = [str(path) for path in sorted((new / "im").glob("*.jpg"))[:CLASSIFIED]]
    train = ["train", "--model", MODEL, "--data", smears, *training]
    train += ["--folds", "1", "--out", str(run)]
    train += ["--resume"] if run.is_dir() else []
    evaluate = ["evaluate", str(bundle), "--data", str(new), "--json"]
    classify = ["classify", *images, "--bundle", str(bundle), "--json"]
    export = ["export", "--model", MODEL, "--run", str(run), "--int8", "--out", str(bundle)]
    return [
        Step("Train with one fifth held out, then refit on all", tuple(train), run / "run.json"),
        Step(
            "Quantize to int8 and convert to TFLite, ONNX and OpenVINO",
            tuple(export),
            bundle / "bundle.json",
        ),
        Step("Verify the bundle, without tensorflow", ("verify", str(bundle), "--json")),
        Step(f"Measure it on {NEW_IMAGES} new smears", tuple(evaluate)),
        Step("Classify new smears, as a device does", tuple(classify)),
    ]


def _training_arguments(weights: str | None) -> tuple[str, ...]:
    """Return options of ``train``. By default with ImageNet weights, if Keras can load them."""
    if weights is None:
        weights = "imagenet" if _can_load_imagenet() else "none"
        random = "random weights, because Keras cannot load those of ImageNet"
        message = "ImageNet weights" if weights == "imagenet" else random
        echo(f"\n▸ Train with {message}", err=True)
    return IMAGENET_WEIGHTS if weights == "imagenet" else RANDOM_WEIGHTS


def _can_load_imagenet() -> bool:
    """Return whether Keras has the ImageNet weights or can download them, by trying it."""
    code = f"from alledge.train.networks.network import build; build({MODEL!r}, weights='imagenet')"
    command = (sys.executable, "-c", code)
    try:
        completed = subprocess.run(command, capture_output=True, timeout=FETCH_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return completed.returncode == 0
