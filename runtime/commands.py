"""The commands `classify` and `verify`; imports only click until a command runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from .model_options import (
    backend_option,
    site_home_option,
    site_option,
    taken_as_option,
    threads_option,
    timeout_option,
)
from .option_types import FilePath
from .terminal import echo, show

if TYPE_CHECKING:
    from .cells.types import TakenAs


@click.command(short_help="Classify images of blood smears.")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=FilePath(),
    metavar="B",
    help="Bundle to use; several answer together.  [default: see below]",
)
@backend_option
@threads_option
@click.option(
    "--mode",
    type=click.Choice(["latency", "throughput"]),
    help="latency: all threads for one image; throughput: one image for each thread.  "
    "[default: throughput for several images]",
)
@click.option(
    "--overlay",
    type=FilePath(),
    metavar="DIR",
    help="Write a picture of each image, DIR/NAME.overlay.jpg: its cells, or of a model of whole "
    "fields the regions its label rests on, which takes 197 or 394 predictions.",
)
@click.option(
    "--cells",
    "gallery",
    type=FilePath(),
    metavar="DIR",
    help="Of a cell bundle: write the cells of each field, sorted, DIR/NAME.cells.jpg.",
)
@taken_as_option
@click.option(
    "--smear",
    is_flag=True,
    help="All images are fields of one smear: print one more record, with the counts together.",
)
@click.option(
    "--cells-csv",
    type=FilePath(),
    metavar="FILE",
    help="Write a row for every cell: place, label, probability and flags.",
)
@site_option
@site_home_option
@click.option("--force", is_flag=True, help="Replace pictures and files that exist.")
@click.option("--recursive", is_flag=True, help="Read the folders inside a folder too.")
@timeout_option
@click.option("--json", "style", flag_value="json", help="Print one JSON object per line.")
@click.option("--csv", "style", flag_value="csv", help="Print CSV.")
def classify(
    images: tuple[str, ...],
    bundles: tuple[str, ...],
    backend: str,
    threads: int | None,
    mode: str | None,
    overlay: str | None,
    taken_as: TakenAs,
    smear: bool,
    cells_csv: str | None,
    gallery: str | None,
    site: str | None,
    home: str | None,
    force: bool,
    recursive: bool,
    timeout_s: float,
    style: str | None,
) -> None:
    """Classify images of blood smears.

    IMAGE is a file, a folder or a glob. Of a folder, all image files are classified; their content
    decides, not their names. A picture in a folder that cannot be read here (another format, an
    empty or half-transferred file) is an error; the other files are counted by kind on standard
    error. Without --bundle, the bundle is $ALLEDGE_BUNDLE, else the one installed on this device,
    else the only one under bundles/, else the one that alledge contains (--bundle builtin). An
    image that cannot be read gives an error record; the others are classified, and the exit code
    is 1.

    A bundle of whole fields judges each image at once. A cell bundle finds the leucocytes of each
    field, judges them one by one, and counts the blasts. Several bundles of the same labels and
    settings give the mean of their calibrated probabilities.

    \b
    Example:
      alledge classify field.jpg
      alledge classify slides/ --bundle bundles/mobilenetv2-int8
      alledge classify smear-12/ --bundle bundles/mobilenetv2-cell-int8 --smear
      alledge classify -- "-odd name.jpg"
    """
    from functools import partial

    from .backends import choose_backend
    from .bundle.finding import builtin_notice, open_bundle
    from .device_home import SITE_VARIABLE

    opened = open_bundle(bundles[0] if bundles else None)
    if not bundles and (line := builtin_notice(opened)):
        echo(line, err=True)
    profile = None
    if site or os.environ.get(SITE_VARIABLE):
        from .sites.profile import site_in_use

        profile = site_in_use(site, home)
        backend = backend if profile is None else profile.check_use(opened, backend)
    chosen = choose_backend(list(opened.formats), backend)
    if opened.is_large(files := opened.formats[chosen].files):
        opened.begin_check(files)  # while numpy and Pillow are imported
    from .batch import classify_to

    failed = classify_to(
        echo,
        images,
        bundle=opened,
        backend=chosen,
        threads=threads,
        mode=mode,
        overlay=overlay,
        taken_as=taken_as,
        smear=smear,
        cells_csv=cells_csv,
        gallery=gallery,
        site=profile,
        others=bundles[1:],
        force=force,
        recursive=recursive,
        style=style or "text",
        timeout_s=timeout_s,
        notice=partial(echo, err=True),
    )
    if failed:
        click.get_current_context().exit(1)


@click.command(short_help="Check that a bundle computes the same scores here.")
@click.argument("bundle", metavar="BUNDLE", type=FilePath())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(bundle: str, as_json: bool) -> None:
    """Check that a bundle computes the same scores here.

    First the SHA-256 of every file is checked. Then labels, probabilities, indeterminate band and
    guards are replayed on the stored scores of the reference images, and each installed backend
    classifies these images. The scores are compared with those of the same artifact on the
    machine that exported it, and with those of the float model. The exit code is 1 if anything
    fails. Needs no tensorflow.

    Hashes and checksums show damage and edits. Only a signature, on a device that trusts its key,
    shows who made the bundle.

    \b
    Example:
      alledge verify bundles/mobilenetv2-int8
    """
    from .bundle.verify import verify_bundle, verify_text

    document = verify_bundle(bundle)
    show(document, as_json, verify_text)
    if document["verdict"] == "fail":
        click.get_current_context().exit(1)
