"""The command ``archive``; imports only click until a command runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..model_options import (
    backend_option,
    site_home_option,
    site_option,
    taken_as_option,
    threads_option,
    timeout_option,
)
from ..option_types import MOST_THREADS, Count, FilePath, FiniteFloatRange
from ..terminal import echo, printable, show
from .packages import require_packages

if TYPE_CHECKING:
    from ..cells.types import TakenAs

RUN = "run"
NEEDED = ("pyarrow", "fsspec")
FORMS = "SOURCE... --out RESULTS | diff OLD NEW | report RESULTS"


class ArchiveGroup(click.Group):
    """A group whose first argument is a SOURCE unless it is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = [RUN, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=ArchiveGroup,
    short_help="Classify an archive into Parquet, and report.",
    options_metavar="",
    subcommand_metavar=FORMS,
    no_args_is_help=True,
)
def archive() -> None:
    """Classify an archive into Parquet, and report.

    A SOURCE that is no command is classified: `alledge archive fields/ --out results` is
    `alledge archive run fields/ --out results`. A folder named run, diff or report is ./run.

    \b
    Example:
      alledge archive /share/fields --out results
      alledge archive diff results/model=1c… results/model=3f…
      alledge archive report results
    """


@archive.command(RUN, short_help="Classify what is not in the results yet.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--out",
    required=True,
    type=FilePath(),
    metavar="RESULTS",
    help="Folder or URL of the results. What is in it is not classified again.",
)
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=FilePath(),
    metavar="B",
    help="Bundle to use; several answer together.  [default: as alledge classify]",
)
@backend_option
@threads_option
@taken_as_option
@site_option
@site_home_option
@timeout_option
@click.option(
    "--retry-errors", is_flag=True, help="Classify again what is an error in the results."
)
@click.option(
    "--part-rows",
    type=Count(1),
    default=4096,
    show_default=True,
    metavar="N",
    help="Fields of one Parquet file; a part is written after a minute at the latest.",
)
@click.option(
    "--ray",
    metavar="local|auto|ADDRESS",
    help="Use Ray: on this machine, on the cluster of this machine, or at HOST:PORT.",
)
@click.option(
    "--worker-cpus",
    type=Count(1, MOST_THREADS),
    default=1,
    show_default=True,
    metavar="N",
    help="CPUs and threads of each Ray worker.",
)
@click.option(
    "--worker-gpus",
    type=FiniteFloatRange(0, 64),
    default=0.0,
    show_default=True,
    metavar="X",
    help="GPUs of each Ray worker, or a part of one.",
)
def run(taken_as: TakenAs, **options: Any) -> None:
    """Classify what is not in the results yet.

    SOURCE is a folder with all its folders, a glob, an image, a manifest, or a URL: s3://, gs://,
    az://, file://. A manifest is a CSV or Parquet file with the column path, and if they are known
    site, microscope and taken. RESULTS is a Parquet data set, one row a field. A field that cannot
    be read is a row with the reason, and not a failure.

    The same command goes on after any interruption. Another bundle, backend or site profile begins
    a new partition beside the old.

    \b
    Example:
      alledge archive /share/fields --out results
      alledge archive manifest.csv --out results --bundle bundles/mobilenetv2-cell-int8
      alledge archive s3://fields/2024 --out s3://results/2024 --ray auto --worker-cpus 4
    """
    require_packages(NEEDED, "alledge archive")
    if options["ray"] is not None:
        require_packages(["ray"], "--ray")
    from .options import ArchiveOptions
    from .run_archive import run_archive

    summary = run_archive(
        ArchiveOptions(taken_as=taken_as, **options), notice=partial(echo, err=True)
    )
    echo(summary.text())


@archive.command(short_help="Say what another bundle changes.")
@click.argument("old", metavar="OLD", type=FilePath())
@click.argument("new", metavar="NEW", type=FilePath())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say what another bundle changes: labels and rates, by site and month.

    OLD and NEW are partitions, RESULTS/model=…, or folders of results with one partition. The
    fields that both have, in the same state of the file, are compared.

    \b
    Example:
      alledge archive diff results/model=1c… results/model=3f…
    """
    require_packages((*NEEDED, "duckdb"), "alledge archive diff")
    from .reporting.difference import compare_results, difference_text

    show(compare_results(old, new), as_json, difference_text)


@archive.command(short_help="Write one page about results.")
@click.argument("results", metavar="RESULTS", type=FilePath())
@click.option(
    "--out",
    default="archive.html",
    show_default=True,
    type=FilePath(path_type=Path),
    metavar="FILE",
    help="The page.",
)
@click.option("--force", is_flag=True, help="Replace a page that exists.")
def report(results: str, out: Path, force: bool) -> None:
    """Write one page about results: counts, rates, drift, and what to look at first.

    RESULTS is a folder of results or one partition of it; of several partitions, the one that was
    begun last. The page needs no other file, and no image is in it.

    \b
    Example:
      alledge archive report results --out report.html
    """
    require_packages((*NEEDED, "duckdb"), "alledge archive report")
    from ..outputs import check_outputs
    from .reporting.report import write_report

    check_outputs([out], force=force)
    write_report(results, out, force=force)
    echo(printable(str(out)))
