"""The command ``demo``: runs all other commands on generated smears, from training to answers."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from ...errors import RunError
from ...runtime.files import write_json
from ...runtime.option_types import Count, FilePath
from ...runtime.outputs import check_folder, is_own_document, make_folder
from ...runtime.terminal import echo, printable

MODEL = "mobilenetv2"
IMAGES, NEW_IMAGES, CLASSIFIED = 280, 100, 12
SEED, NEW_SEED = 0, 1
# Random weights need about 150 steps before the network separates these smears; ImageNet weights
# need far fewer.
RANDOM_WEIGHTS = ("--weights", "none", "--epochs", "12", "--lr", "2e-3", "--batch-size", "16")
IMAGENET_WEIGHTS = ("--weights", "imagenet", "--epochs", "4")
MARK, SCHEMA = "demo.json", "alledge/demo"  # marks the folder of a demo
PAGE = "summary.html"
FETCH_TIMEOUT_S = 90  # to import tensorflow and download 9 MB

CLOSING = """
Done in {minutes:.1f} minutes. The page: {page}

With your own data (a folder per class, ALL-IDB1, ALL-IDB2 or C-NMC):
  alledge train --model {model} --data DATA
  alledge export --model {model} --int8
  alledge verify bundles/{model}-int8
  alledge classify slide.jpg"""


@dataclass(frozen=True)
class Step:
    """One command of the demo.

    Parameters
    ----------
    title : str
    arguments : tuple of str
        Of ``alledge``.
    last_file : Path, optional
        File that the command writes last. The step is skipped if it exists.
    """

    title: str
    arguments: tuple[str, ...]
    last_file: Path | None = None

    @property
    def command(self) -> str:
        """The command as a user types it."""
        return shlex.join(("alledge", *self.arguments))


@click.command(short_help="Run everything on generated smears, in minutes.")
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=FilePath(path_type=Path, file_okay=False),
    help="Folder of all results.",
)
@click.option(
    "--weights",
    type=click.Choice(["imagenet", "none"]),
    help="[default: imagenet if Keras can load them]",
)
@click.option("--force", is_flag=True, help="Delete the results of an earlier demo first.")
@click.option("--images", default=IMAGES, show_default=True, type=Count(24), hidden=True)
@click.option("--epochs", type=Count(), hidden=True)
def demo(out: Path, weights: str | None, force: bool, images: int, epochs: int | None) -> None:
    """Run everything on generated smears, in minutes.

    Draws blood smears, trains MobileNetV2 on them, quantizes it to int8, verifies the three
    formats, classifies new smears, and writes one page about it. After an interruption, the same
    command continues.

    \b
    Example:
      alledge demo --out demo
    """
    started = time.monotonic()
    prepare_folder(out, force=force)
    _draw_smears(out / "smears", images, SEED)
    _draw_smears(out / "new-smears", NEW_IMAGES, NEW_SEED)
    training = _training_arguments(weights)
    if epochs is not None:
        training = (*training, "--epochs", str(epochs))
    steps = _steps(out, training)
    outputs = {step.arguments[0]: _run(step) for step in steps}
    from .summary_page import write_page

    page = write_page(out, outputs, [step.command for step in steps])
    minutes = (time.monotonic() - started) / 60
    echo(CLOSING.format(minutes=minutes, page=printable(str(page)), model=MODEL))


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


def _run(step: Step) -> str:
    """Run a step and return its output; return an empty text if its last file exists."""
    echo(f"\n▸ {step.title}", err=True)
    if step.last_file is not None and step.last_file.is_file():
        echo(f"  {printable(str(step.last_file.parent))} exists already", err=True)
        return ""
    shown = step.command if len(step.command) < 300 else step.command[:150] + " …"
    echo(f"  $ {printable(shown)}", err=True)
    command = (sys.executable, "-m", "alledge", *step.arguments)
    completed = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    output = completed.stdout
    if completed.returncode:
        if output.strip():
            echo(output.strip(), err=True)
        raise RunError(
            f"the demo stopped: {step.arguments[0]} ended with exit code {completed.returncode}",
            fix=f"see the message above, then run the demo again, or only this step: {shown}",
        )
    if step.last_file is not None:
        echo(output.rstrip(), err=True)
    return output


def _draw_smears(folder: Path, images: int, seed: int) -> None:
    from ..phantom.smears import generate

    if folder.is_dir():
        return
    echo(f"\n▸ Draw {images} blood smears into {printable(str(folder))}", err=True)
    with click.progressbar(length=images, file=sys.stderr) as bar:
        generate(folder, images=images, seed=seed, progress=lambda done, total: bar.update(1))


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


def prepare_folder(out: Path, *, force: bool = False) -> None:
    """Create the folder of a demo, or check that a demo created it.

    Parameters
    ----------
    out : Path
    force : bool
        Delete the results of an earlier demo. Other files in the folder stay.

    Raises
    ------
    UsageError
        If the folder holds files but no ``demo.json``, or cannot be written. Nothing is deleted.
    """
    if not is_own_document(out / MARK, SCHEMA):
        check_folder(out, fix="--out A-NEW-FOLDER; only the folder of a demo is used again")
        make_folder(out)
        write_json(out / MARK, {"schema": SCHEMA, "schema_version": 1})
        return
    make_folder(out)
    if not force:
        return
    bundle = out / "bundles" / f"{MODEL}-int8"
    for folder in (out / "smears", out / "new-smears", out / "run", bundle):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (out / PAGE, bundle.with_name(f"{bundle.name}.log.json")):
        file.unlink(missing_ok=True)
