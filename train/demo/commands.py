"""``alledge demo``: the whole way on generated smears, by the commands a user would type."""

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

MODEL = "mobilenetv2"
IMAGES, NEW_IMAGES, SHOWN = 280, 100, 12
SEED, NEW_SEED = 0, 1
# Random weights need some 150 steps before they tell these smears apart; ImageNet's far fewer.
SCRATCH = ("--weights", "none", "--epochs", "12", "--lr", "2e-3", "--batch-size", "16")
IMAGENET = ("--weights", "imagenet", "--epochs", "4")
FETCH_TIMEOUT_S = 90  # loading tensorflow, then 9 MB


@dataclass(frozen=True)
class Step:
    """One command of the demo: what it is for, its arguments, what it leaves."""

    title: str
    arguments: tuple[str, ...]
    product: Path | None = None

    @property
    def command(self) -> str:
        """What a user would type."""
        return shlex.join(("alledge", *self.arguments))


@click.command(short_help="Go the whole way on generated smears, in minutes.")
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that everything goes into.",
)
@click.option(
    "--weights", type=click.Choice(["imagenet", "none"]), help="[default: what is to be had]"
)
@click.option("--force", is_flag=True, help="Begin anew where the folder holds a demo already.")
@click.option("--images", default=IMAGES, show_default=True, type=click.IntRange(24), hidden=True)
@click.option("--epochs", type=click.IntRange(1), hidden=True)
def demo(out: Path, weights: str | None, force: bool, images: int, epochs: int | None) -> None:
    """Go the whole way on generated smears, in minutes.

    Draws blood smears, trains MobileNetV2 on them, quantizes it to int8, verifies the three
    formats, classifies smears it has not seen, and writes one page about it. A demo that was
    interrupted goes on where it stopped.

    \b
    Example:
      alledge demo --out demo
    """
    started = time.monotonic()
    if force and out.exists():
        _clear(out)
    out.mkdir(parents=True, exist_ok=True)
    _draw(out / "smears", images, SEED)
    _draw(out / "new-smears", NEW_IMAGES, NEW_SEED)
    training = _training(weights)
    if epochs is not None:
        training = (*training, "--epochs", str(epochs))
    answers = {}
    steps = _steps(out, training)
    for step in steps:
        answers[step.arguments[0]] = _run(step)
    from .summary_page import write_page

    page = write_page(out, answers, [step.command for step in steps])
    minutes = (time.monotonic() - started) / 60
    click.echo(_ending(page, minutes))


def _steps(out: Path, training: tuple[str, ...]) -> list[Step]:
    smears, new, run = out / "smears", out / "new-smears", out / "run"
    resume = ("--resume",) if run.is_dir() else ()
    bundle = out / "bundles" / f"{MODEL}-int8"
    shown = [str(path) for path in sorted((new / "im").glob("*.jpg"))[:SHOWN]]
    return [
        Step(
            "Train, one fifth held out, then refit on all",
            (
                *("train", "--model", MODEL, "--data", str(smears), *training),
                *("--folds", "1", "--out", str(run), *resume),
            ),
            run / "run.json",
        ),
        Step(
            "Quantize to int8 and convert to TFLite, ONNX and OpenVINO",
            ("export", "--model", MODEL, "--run", str(run), "--int8", "--out", str(bundle)),
            bundle / "bundle.json",
        ),
        Step("Verify the bundle, without tensorflow", ("verify", str(bundle), "--json")),
        Step(
            f"Measure it on {NEW_IMAGES} smears it has never seen",
            ("evaluate", str(bundle), "--data", str(new), "--json"),
        ),
        Step(
            "Classify, as a device would",
            ("classify", *shown, "--bundle", str(bundle), "--json"),
        ),
    ]


def _run(step: Step) -> str:
    """Run a step unless its product is there; return what it printed."""
    click.echo(f"\n▸ {step.title}", err=True)
    if step.product is not None and step.product.is_file():
        click.echo(f"  {step.product.parent} is there already", err=True)
        return ""
    shown = step.command if len(step.command) < 300 else step.command[:150] + " …"
    click.echo(f"  $ {shown}", err=True)
    command = (sys.executable, "-m", "alledge", *step.arguments)
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if done.returncode:
        raise RunError(
            f"the demo stopped: {step.arguments[0]} ended with exit code {done.returncode}"
            + (f"\n{done.stdout.strip()}" if done.stdout.strip() else ""),
            fix=f"see the message above, then run it again, or by itself: {shown}",
        )
    if step.product is not None:
        click.echo(done.stdout.rstrip(), err=True)
    return done.stdout


def _draw(folder: Path, images: int, seed: int) -> None:
    from ..phantom.smears import generate

    if folder.is_dir():
        return
    click.echo(f"\n▸ Draw {images} blood smears into {folder}", err=True)
    with click.progressbar(length=images, file=sys.stderr) as bar:
        generate(folder, images=images, seed=seed, progress=lambda done, total: bar.update(1))


def _training(weights: str | None) -> tuple[str, ...]:
    """Return the options of the training, with ImageNet's weights where they can be had."""
    if weights is None:
        weights = "imagenet" if _imagenet_in_reach() else "none"
        reason = "ImageNet weights" if weights == "imagenet" else "no ImageNet weights to be had:"
        more = "" if weights == "imagenet" else " training from scratch"
        click.echo(f"\n{reason}{more}", err=True)
    return IMAGENET if weights == "imagenet" else SCRATCH


def _imagenet_in_reach() -> bool:
    """Return whether Keras has the weights or can fetch them, by letting it try."""
    attempt = (
        f"from alledge.train.networks.network import build; build({MODEL!r}, weights='imagenet')"
    )
    try:
        done = subprocess.run(
            (sys.executable, "-c", attempt), capture_output=True, timeout=FETCH_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _clear(out: Path) -> None:
    """Remove what a demo leaves, and nothing else that may lie in the folder."""
    for name in ("smears", "new-smears", "run", "bundles"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "summary.html").unlink(missing_ok=True)


def _ending(page: Path, minutes: float) -> str:
    return f"""
Done in {minutes:.1f} minutes. The page: {page}

With your own data (a folder per class, ALL-IDB1, ALL-IDB2 or C-NMC):
  alledge train --model {MODEL} --data DATA
  alledge export --model {MODEL} --int8
  alledge verify bundles/{MODEL}-int8
  alledge classify slide.jpg"""
