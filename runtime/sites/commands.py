"""The commands `adopt` and `commission`; imports only click until one runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ... import __version__
from ..model_options import backend_option, site_home_option, threads_option
from ..option_types import FilePath
from ..terminal import echo, printable, show

if TYPE_CHECKING:
    from .checked import CheckedRow

bundle_option = click.option(
    "--bundle", type=FilePath(), metavar="B", help="As of `alledge classify`."
)
sign_option = click.option(
    "--sign",
    type=FilePath(),
    metavar="KEY",
    help="Secret key of `alledge keygen`; needed where this device trusts keys.",
)
html_option = click.option("--html", type=FilePath(), metavar="FILE", help="Write a page.")
force_option = click.option("--force", is_flag=True, help="Replace the page if it exists.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command(short_help="Refit the last layer to checked cells of a site.")
@click.option("--site", required=True, metavar="NAME", help="Name of the microscope or the room.")
@click.option(
    "--checked",
    type=FilePath(),
    metavar="FILE",
    help="CSV file with the columns image,x,y,label for cells, or image,label for fields; a column "
    "smear says which images belong together.",
)
@click.option(
    "--corrections",
    is_flag=True,
    help="Take the verdicts of people in the history of the workstation instead of FILE.",
)
@click.option(
    "--images",
    type=FilePath(),
    metavar="DIR",
    help="Folder of the images.  [default: that of FILE]",
)
@bundle_option
@backend_option
@threads_option
@site_home_option
@sign_option
@html_option
@force_option
@click.option("--revert", "to_revert", is_flag=True, help="Go back to the version before.")
@json_option
def adopt(
    site: str,
    checked: str | None,
    corrections: bool,
    images: str | None,
    bundle: str | None,
    backend: str,
    threads: int | None,
    home: str | None,
    sign: str | None,
    html: str | None,
    force: bool,
    to_revert: bool,
    as_json: bool,
) -> None:
    """Refit the last layer to checked cells of a site.

    FILE names 20 or more cells, or images, and what a person says they are, of at least three
    smears of each side. The last layer of the bundle is refitted to them, with its temperature and
    threshold, and tested on smears that it was not fitted to. It is taken into use only if it is
    shown to be better than the shipped one, or equal and better calibrated. Otherwise nothing
    changes. `alledge classify --site NAME` uses it. Features and labels are stored, no image. Needs
    no tensorflow.

    \b
    Example:
      alledge adopt --site room-3 --checked checked.csv --html room-3.html
      alledge adopt --site room-3 --corrections
      alledge adopt --site room-3 --revert
    """
    # before numpy is loaded: the matrices are small, and threads would wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ...errors import UsageError
    from .adoption import adopt_site, adoption_text
    from .adoption import revert as revert_site

    if [checked is not None, corrections, to_revert].count(True) != 1:
        raise UsageError(
            "adopt needs either --checked, --corrections or --revert",
            fix="--checked FILE or --corrections to adopt, --revert to go back",
        )
    if to_revert:
        profile = revert_site(site, home)
        state = "the shipped model" if profile.version == 0 else f"version {profile.version}"
        echo(f"{printable(site)}: {state} is in use")
        return
    from ..outputs import check_outputs

    if html is not None:
        inputs = [name for name in (checked, images) if name is not None]
        check_outputs([Path(html)], inputs=inputs, force=force, option="--html")
    document = adopt_site(
        site,
        _corrections(home) if checked is None else Path(checked),
        bundle=bundle,
        backend=backend,
        threads=threads,
        images=None if images is None else Path(images),
        home=home,
        key=None if sign is None else Path(sign),
    )
    if html is not None:
        from .page import adoption_page

        _write_page(html, adoption_page(document, __version__), force)
    show(document, as_json, adoption_text)


def _write_page(html: str, page: str, force: bool) -> None:
    from ..outputs import output_file

    with output_file(Path(html), force=force, option="--html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _corrections(home: str | None) -> list[CheckedRow]:
    from ..device_home import device_home
    from ..station.corrections import checked_rows

    return checked_rows(device_home(home), lambda text: echo(text, err=True))


@click.command(short_help="Say whether a bundle covers a microscope.")
@click.argument("folder", type=FilePath())
@click.option("--name", required=True, metavar="SITE", help="Name of the microscope or the room.")
@bundle_option
@site_home_option
@sign_option
@html_option
@force_option
@json_option
def commission(
    folder: str,
    name: str,
    bundle: str | None,
    home: str | None,
    sign: str | None,
    html: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Say whether a bundle covers a microscope.

    FOLDER holds ten or more fields of the microscope, without labels. Their light, stain, scale,
    sharpness and noise are measured, and fields and cells are compared with those of training. The
    profile of the site says whether they are covered. If the cells are and the fields only look
    different, `alledge classify --site SITE` raises no `unfamiliar_microscope` for fields like
    these. What the model gets right, only `alledge adopt` shows.

    \b
    Example:
      alledge commission fields/ --name room-3 --html room-3.html
    """
    from ..outputs import check_outputs
    from .commissioning import commission_site, commission_text

    if html is not None:
        check_outputs([Path(html)], inputs=[folder], force=force, option="--html")
    document = commission_site(
        name, folder, bundle=bundle, home=home, key=None if sign is None else Path(sign)
    )
    if html is not None:
        from .page import commission_page

        _write_page(html, commission_page(document, __version__), force)
    show(document, as_json, commission_text)
