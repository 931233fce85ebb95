"""The command ``demo``: runs the other commands on generated smears, from training to answers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click

from ...errors import UsageError
from ...runtime.files import write_json
from ...runtime.json_documents import read_json
from ...runtime.option_types import Count, FilePath
from ...runtime.outputs import check_folder, is_own_document, make_folder
from ...runtime.terminal import echo, printable

MARK, SCHEMA = "demo.json", "alledge/demo"  # marks the folder of a demo
QUICK, FULL = "quick", "full"
PAGE = "summary.html"
# What the demos write; `--force` deletes it.
FOLDERS = ("smears", "new-smears", "run", "overlays-builtin", "overlays")
BUNDLES = ("mobilenetv2-int8", "mobilenetv2-cell-int8")

CLOSING = """
Done in {minutes:.1f} minutes. The page: {page}

Your own photographs, with the model that alledge contains:
  alledge classify FOLDER --overlay overlays

Your own data (fields with the places of their cells, or a folder for each kind of cell):
  alledge train --task cell --model mobilenetv2 --weights builtin --data DATA
  alledge export --task cell --model mobilenetv2 --int8
  alledge classify field.jpg --bundle bundles/mobilenetv2-cell-int8"""


@click.command(short_help="Run every step on generated smears, in minutes.")
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=FilePath(path_type=Path, file_okay=False),
    help="Folder of all results.",
)
@click.option("--full", is_flag=True, help="Train all of a network, for whole fields.")
@click.option(
    "--weights",
    type=click.Choice(["imagenet", "none"]),
    help="Of --full.  [default: imagenet if Keras can load them]",
)
@click.option("--force", is_flag=True, help="Delete the results of an earlier demo first.")
@click.option("--images", type=Count(24), hidden=True)
@click.option("--epochs", type=Count(), hidden=True)
def demo(
    out: Path, full: bool, weights: str | None, force: bool, images: int | None, epochs: int | None
) -> None:
    """Run every step on generated smears, in minutes.

    Draws blood smears, classifies them with the bundle that alledge contains, fits a new last
    layer to the smears, quantizes the result to int8, verifies it, classifies again, and writes one
    page with pictures. With --full, a whole network is trained instead, which takes about ten times
    as long. After an interruption, the same command continues.

    \b
    Example:
      alledge demo --out demo
    """
    started = time.monotonic()
    if not full and (weights or epochs):
        raise UsageError("--weights is an option of the full demo", fix="--full, or leave it out")
    prepare_folder(out, force=force, kind=FULL if full else QUICK)
    sizes = {} if images is None else {"images": images}
    if full:
        from .full_demo import run_full_demo

        page = run_full_demo(out, weights=weights, epochs=epochs, **sizes)
    else:
        from .quick_demo import run_quick_demo

        page = run_quick_demo(out, **sizes)
    minutes = (time.monotonic() - started) / 60
    echo(CLOSING.format(minutes=minutes, page=printable(str(page))))


def prepare_folder(out: Path, *, force: bool = False, kind: str = QUICK) -> None:
    """Create the folder of a demo, or check that a demo created it.

    Parameters
    ----------
    out : Path
    force : bool
        Delete the results of an earlier demo. Other files in the folder stay.
    kind : {"quick", "full"}

    Raises
    ------
    UsageError
        If the folder holds files but no ``demo.json``, another kind of demo, or cannot be written.
        Nothing is deleted.
    """
    mark = {"schema": SCHEMA, "schema_version": 1, "kind": kind}
    if not is_own_document(out / MARK, SCHEMA):
        check_folder(out, fix="--out A-NEW-FOLDER; only the folder of a demo is used again")
        make_folder(out)
        write_json(out / MARK, mark)
        return
    make_folder(out)
    if not force:
        earlier = read_json(out / MARK, error=UsageError).get("kind")
        if earlier != kind:
            raise UsageError(
                f"{out} holds the results of a {earlier} demo, not of a {kind} one",
                fix="--force to delete them, or --out A-NEW-FOLDER",
            )
        return
    bundles = [out / "bundles" / name for name in BUNDLES]
    for folder in (*(out / name for name in FOLDERS), *bundles):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (out / PAGE, *(path.with_name(f"{path.name}.log.json") for path in bundles)):
        file.unlink(missing_ok=True)
    write_json(out / MARK, mark)
