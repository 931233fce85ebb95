"""Trains, exports and puts into the package the built-in bundle; ``make builtin`` runs it.

``python -m alledge.export.builtin --all-idb1 ALL_IDB1 --pbc PBC`` continues after an interruption.
The training and the export are the commands that a user types, with the default recipe of cells.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import click

from ...errors import AlledgeError, ExportError
from ...runtime.bundle.builtin import BUILTIN_NAME
from ...runtime.bundle.record_file import RECORD
from ...runtime.option_types import FilePath
from ...runtime.terminal import echo
from ...train.command_options import seed_option
from .assembly import assemble_builtin

MODEL = "mobilenetv2"
ROOT = Path(__file__).resolve().parents[2]
OVERLAPS, CELLS = ROOT / "docs" / "all-idb1-overlaps.csv", ROOT / "docs" / "all-idb1-cells.csv"


@click.command()
@click.option("--all-idb1", type=FilePath(path_type=Path), help="The folder of ALL-IDB1.")
@click.option(
    "--pbc",
    type=FilePath(path_type=Path),
    help="A folder per kind of cell: the cells of PBC that may be trained on.",
)
@click.option("--weights", default="imagenet", help="As of `alledge train`.")
@seed_option
@click.option(
    "--work",
    default="build/builtin",
    show_default=True,
    type=FilePath(path_type=Path),
    help="Folder of the run and of the exported bundle.",
)
@click.option(
    "--figures",
    type=FilePath(path_type=Path),
    metavar="FILE.md",
    help="Text for the model card: figures of other microscopes, measured after the export.",
)
@click.option("--exported", type=FilePath(path_type=Path), help="Put this bundle into the package.")
def builtin(
    all_idb1: Path | None,
    pbc: Path | None,
    weights: str,
    seed: int,
    work: Path,
    figures: Path | None,
    exported: Path | None,
) -> None:
    """Train the built-in bundle, export it and put it into the package."""
    if exported is None:
        if all_idb1 is None or pbc is None:
            raise click.UsageError("name the data: --all-idb1 DIR --pbc DIR, or --exported BUNDLE")
        exported = _make(all_idb1, pbc, weights, seed, work)
    size = assemble_builtin(exported, figures=figures)
    echo(
        f"{size.digest}\n{', '.join(size.formats)}; {size.installed_bytes / 1e6:.1f} MB installed, "
        f"{size.wheel_bytes / 1e6:.1f} MB in a wheel"
    )


def _make(all_idb1: Path, pbc: Path, weights: str, seed: int, work: Path) -> Path:
    """Train and export, and return the exported bundle; steps that are done are left out."""
    run, bundle = work / "run", work / BUILTIN_NAME
    if not (run / "run.json").is_file():
        data = ("--data", str(all_idb1), "--data", str(pbc))
        truth = ("--groups", str(OVERLAPS), "--cells", str(CELLS))
        start = ("--weights", weights, "--seed", str(seed), "--out", str(run))
        resume = ("--resume",) if run.is_dir() else ()
        _run("train", "--task", "cell", "--model", MODEL, *data, *truth, *start, *resume)
    if not (bundle / RECORD).is_file():
        _run("export", "--run", str(run), "--int8", "--out", str(bundle))
    return bundle


def _run(*arguments: str) -> None:
    echo(f"$ {shlex.join(('alledge', *arguments))}", err=True)
    code = subprocess.run((sys.executable, "-m", "alledge", *arguments), check=False).returncode
    if code:
        raise ExportError(
            f"alledge {arguments[0]} ended with exit code {code}",
            fix="see the message above, then run the same command again",
        )


if __name__ == "__main__":
    try:
        builtin()
    except AlledgeError as error:
        echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
