"""The quick demo: the built-in bundle, and a last layer that is fitted on its frozen base."""

from __future__ import annotations

from pathlib import Path

from ...runtime.bundle.builtin import BUILTIN_NAME
from ..networks.base_weights import weights_file
from .steps import MODEL, NEW_SEED, SEED, Step, draw_smears, run_step

IMAGES, NEW_IMAGES = 32, 12
BUNDLE = f"{MODEL}-cell-int8"
BUILTIN_OVERLAYS, OVERLAYS = "overlays-builtin", "overlays"


def run_quick_demo(out: Path, *, images: int = IMAGES) -> Path:
    """Run every step, and return the page.

    Parameters
    ----------
    out : Path
        A folder of `prepare_folder`.
    images : int
        Number of smears that the last layer is fitted to.

    Raises
    ------
    UsageError
        If this installation has no built-in bundle.
    RunError
        If a command fails.
    """
    weights_file(BUILTIN_NAME)  # raises the error before anything is drawn
    draw_smears(out / "smears", images, SEED)
    draw_smears(out / "new-smears", NEW_IMAGES, NEW_SEED)
    steps = _steps(out)
    outputs = {name: run_step(step) for name, step in steps.items()}
    from .quick_page import write_page

    return write_page(out, outputs, [step.command for step in steps.values()])


def _steps(out: Path) -> dict[str, Step]:
    """Return the steps, by the names under which the page has their outputs."""
    run, bundle, new = out / "run", out / "bundles" / BUNDLE, str(out / "new-smears" / "im")
    train = ["train", "--task", "cell", "--model", MODEL, "--weights", BUILTIN_NAME]
    train += ["--epochs", "0", "--folds", "2", "--data", str(out / "smears"), "--out", str(run)]
    train += ["--resume"] if run.is_dir() else []
    export = ["export", "--run", str(run), "--int8", "--format", "tflite", "--out", str(bundle)]

    def classify(name: str, overlays: str) -> tuple[str, ...]:
        options = ("--bundle", name, "--overlay", str(out / overlays), "--force", "--json")
        return ("classify", new, *options)

    return {
        "builtin": Step(
            "Classify new smears with the bundle that alledge contains",
            classify(BUILTIN_NAME, BUILTIN_OVERLAYS),
        ),
        "train": Step(
            "Fit a new last layer to other smears; the base stays as it is",
            tuple(train),
            run / "run.json",
        ),
        "export": Step(
            "Quantize to int8, and compare with the float model",
            tuple(export),
            bundle / "bundle.json",
        ),
        "verify": Step("Verify the bundle, without tensorflow", ("verify", str(bundle), "--json")),
        "classify": Step(
            "Classify the same new smears with the new bundle", classify(str(bundle), OVERLAYS)
        ),
    }
