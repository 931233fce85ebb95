"""The steps of a demo: drawn smears, and commands that run as a user would type them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from ...errors import RunError
from ...runtime.terminal import echo, printable

MODEL = "mobilenetv2"
SEED, NEW_SEED = 0, 1


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


def run_step(step: Step) -> str:
    """Run a step and return its output; return an empty text if its last file exists.

    Raises
    ------
    RunError
        If the command fails.
    """
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


def draw_smears(folder: Path, images: int, seed: int) -> None:
    """Draw a data set of smears, unless its folder exists.

    Parameters
    ----------
    folder : Path
    images : int
        >= 4.
    seed : int
        Other seeds give other smears.
    """
    from ..phantom.smears import generate

    if folder.is_dir():
        return
    echo(f"\n▸ Draw {images} blood smears into {printable(str(folder))}", err=True)
    with click.progressbar(length=images, file=sys.stderr) as bar:
        generate(folder, images=images, seed=seed, progress=lambda done, total: bar.update(1))
