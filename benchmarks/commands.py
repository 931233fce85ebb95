"""The commands `benchmark` and `report`. Other modules are imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.data.command_options import dataset_options
from ..runtime.option_types import MOST_THREADS, Count, FilePath, FiniteFloatRange
from ..runtime.terminal import echo, printable, show

if TYPE_CHECKING:
    from ..runtime.data.layout_types import ReadOptions


def _parse_counts(context: click.Context, option: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        counts = (0,)
    if any(not 1 <= count <= MOST_THREADS for count in counts):
        raise click.BadParameter(
            f"{value!r}: expected whole numbers from 1 to {MOST_THREADS}, separated by commas"
        )
    return counts


@click.command(short_help="Measure accuracy, latency and memory of bundles.")
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=FilePath())
@click.option("--data", type=FilePath(), metavar="D", help="Data set to measure accuracy on.")
@click.option(
    "--out",
    type=FilePath(path_type=Path),
    default=Path("measured"),
    show_default=True,
    metavar="DIR",
    help="Folder of the results. An interrupted measurement continues there.",
)
@click.option("--backend", multiple=True, help="Measure only this backend; may be repeated.")
@click.option(
    "--threads",
    callback=_parse_counts,
    default="",
    metavar="N,N…",
    help="Thread counts.  [default: 1 and the physical cores]",
)
@click.option(
    "--image",
    type=FilePath(),
    help="Image that is timed end to end.  [default: first of D, or a drawn one]",
)
@click.option(
    "--seconds",
    type=FiniteFloatRange(0.01, 3600),
    default=1.0,
    show_default=True,
    help="Timed duration of a round.",
)
@click.option(
    "--rounds",
    type=Count(),
    default=3,
    show_default=True,
    help="Minimum number of rounds.",
)
@click.option(
    "--max-rounds",
    type=Count(),
    default=10,
    show_default=True,
    help="Maximum number of rounds.",
)
@click.option(
    "--width",
    type=FiniteFloatRange(min_open=True),
    default=0.05,
    show_default=True,
    help="Stop once the median's 95 % interval is within ± this share of it.",
)
@click.option("--minutes", type=FiniteFloatRange(), help="Start no round after this time.")
@dataset_options
@click.option(
    "--include-seen",
    is_flag=True,
    help="Also use images the model was trained on; the result says so.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the document instead of a table.")
@click.option("--quiet", is_flag=True, help="Print no progress on stderr.")
def benchmark(
    bundles: tuple[str, ...],
    data: str | None,
    out: Path,
    backend: tuple[str, ...],
    threads: tuple[int, ...],
    image: str | None,
    seconds: float,
    rounds: int,
    max_rounds: int,
    width: float,
    minutes: float | None,
    read_options: ReadOptions,
    include_seen: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure accuracy, latency and memory of bundles.

    Measures every bundle on every installed engine, in interleaved rounds. Each round is a new
    process. Accuracy is measured on images that the model was not trained on; without --data it
    is "not measured". An interrupted measurement continues where it stopped. Writes
    DIR/benchmark.json, which alledge report reads. The exit code is 1 if a configuration failed.

    \b
    Example:
      alledge benchmark bundles/mobilenetv2-int8 --data ALL_IDB1 --out measured
    """
    from .measuring.configurations import BenchmarkOptions
    from .measuring.measurement import measure
    from .reporting.text_tables import terminal

    result = measure(
        bundles,
        out,
        BenchmarkOptions(
            seconds=seconds, min_rounds=rounds, max_rounds=max(rounds, max_rounds), width=width
        ),
        data=data,
        read_options=read_options,
        include_seen=include_seen,
        backends=backend,
        threads=threads,
        image=image,
        minutes=minutes,
        report_progress=lambda line: None if quiet else echo(printable(line), err=True),
    )
    show(result, as_json, terminal)
    if not result["complete"]:
        echo("not complete: the same command continues the measurement", err=True)
    if any(row["status"] == "failed" for row in result["rows"]):
        click.get_current_context().exit(1)


@click.command(short_help="Make one page from the results of many machines.")
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=FilePath())
@click.option(
    "--out",
    type=FilePath(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="The page. The .md, .csv and .svg files are written beside it.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--max-latency-ms",
    type=FiniteFloatRange(min_open=True),
    help="Limit of the 95th percentile, end to end.",
)
@click.option(
    "--max-memory-mib",
    type=FiniteFloatRange(min_open=True),
    help="Limit of the peak memory of the process.",
)
@click.option(
    "--min-sensitivity", type=FiniteFloatRange(0, 1), help="Minimum sensitivity on unseen images."
)
@click.option(
    "--estimate",
    multiple=True,
    metavar="DEVICE",
    help="Add the estimate for this board; may be repeated.",
)
@click.option(
    "--cells",
    type=Count(0, 100_000),
    metavar="N",
    help="Estimate models of cells, for a field with so many cells.",
)
def report(
    results: tuple[str, ...],
    out: Path,
    force: bool,
    max_latency_ms: float | None,
    max_memory_mib: float | None,
    min_sensitivity: float | None,
    estimate: tuple[str, ...],
    cells: int | None,
) -> None:
    """Make one page from the results of many machines.

    RESULT is a benchmark.json, or a folder that holds one. The page needs no network. Results of
    different machines are never averaged. Estimated rows are marked; they cover the model alone, or
    with --cells a field from the file to the answer. Prints the recommended configuration within
    the limits, and the reasons.

    \b
    Example:
      alledge report measured/benchmark.json pi5.json --max-latency-ms 200 --out report.html
    """
    from ..errors import UsageError
    from .reporting.report import report as write_report
    from .reporting.selection_criteria import Limits

    if cells is not None and not estimate:
        raise UsageError("--cells is for estimates", fix=f"--estimate DEVICE --cells {cells}")
    limits = Limits(max_latency_ms, max_memory_mib, min_sensitivity)
    command = [f"alledge report {' '.join(Path(result).as_posix() for result in results)}"]
    command += [f"--max-latency-ms {max_latency_ms:g}"] if max_latency_ms is not None else []
    command += [f"--max-memory-mib {max_memory_mib:g}"] if max_memory_mib is not None else []
    command += [f"--min-sensitivity {min_sensitivity:g}"] if min_sensitivity is not None else []
    command += [f"--estimate {name}" for name in estimate]
    command += [f"--cells {cells}"] if cells is not None else []
    words = " ".join(command)
    advice, files = write_report(results, out, limits, words, estimate, cells=cells, force=force)
    echo(printable(f"{advice.kicker}: {advice.title}"))
    for reason in advice.reasons:
        echo(printable(reason))
    echo(printable("wrote " + ", ".join(path.as_posix() for path in files)), err=True)
