"""The commands of the measuring room; imports click, and the rest when a command runs."""

from __future__ import annotations

import json
from pathlib import Path

import click


def _counts(context: click.Context, option: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        counts = (0,)
    if any(count < 1 for count in counts):
        raise click.BadParameter(f"{value!r}: whole numbers from 1 on, with commas between")
    return counts


@click.command(short_help="Measure accuracy, latency and memory of bundles.")
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=click.Path())
@click.option("--data", type=click.Path(), metavar="D", help="Images to measure accuracy on.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("measured"),
    show_default=True,
    metavar="DIR",
    help="Folder of the results; a second start goes on there.",
)
@click.option("--backend", multiple=True, help="Only this one; may be given again.")
@click.option(
    "--threads",
    callback=_counts,
    default="",
    metavar="N,N…",
    help="Thread counts.  [default: 1 and the physical cores]",
)
@click.option(
    "--image", type=click.Path(), help="Timed end to end.  [default: first of D, or drawn]"
)
@click.option(
    "--seconds", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Of a round."
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="At least so many."
)
@click.option(
    "--max-rounds", type=click.IntRange(1), default=10, show_default=True, help="At most so many."
)
@click.option(
    "--width",
    type=click.FloatRange(0, min_open=True),
    default=0.05,
    show_default=True,
    help="Enough once the median's 95 % interval is within ± this share.",
)
@click.option("--minutes", type=click.FloatRange(0), help="Stop after so long; to be gone on with.")
@click.option("--layout", metavar="NAME", help="Of the data set, where looking finds another.")
@click.option("--include-seen", is_flag=True, help="Count images the model was trained on; marked.")
@click.option("--json", "as_json", is_flag=True, help="Print the document instead of a table.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
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
    layout: str | None,
    include_seen: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure accuracy, latency and memory of bundles.

    Every bundle on every engine that is installed, in rounds that take turns, each in a process
    of its own. Accuracy is measured on images that the model was not trained on; without --data
    it is "not measured". Killed, it goes on where it stopped. Writes DIR/benchmark.json, which
    alledge report reads. The exit code is 1 if a configuration failed.

    \b
    Example:
      alledge benchmark bundles/mobilenetv2-int8 --data ALL_IDB1 --out measured
    """
    from .measuring.configurations import Settings
    from .measuring.measurement import measure
    from .reporting.text_tables import terminal

    settings = Settings(seconds, rounds, max(rounds, max_rounds), width)
    made = measure(
        bundles,
        out,
        settings,
        data=data,
        layout=layout,
        include_seen=include_seen,
        backends=backend,
        threads=threads,
        image=image,
        minutes=minutes,
        watch=lambda line: None if quiet else click.echo(line, err=True),
    )
    click.echo(json.dumps(made, indent=2) if as_json else terminal(made))
    if not made["complete"]:
        click.echo("not complete: the same command goes on", err=True)
    if any(row["status"] == "failed" for row in made["rows"]):
        click.get_current_context().exit(1)


@click.command(short_help="Make one page from the results of many machines.")
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="The page; .md, .csv and .svg are written beside it.",
)
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(0, min_open=True),
    help="From the file to the answer, 95th percentile.",
)
@click.option(
    "--max-memory-mib", type=click.FloatRange(0, min_open=True), help="Of the process, at its most."
)
@click.option("--min-sensitivity", type=click.FloatRange(0, 1), help="On unseen images.")
@click.option(
    "--estimate",
    multiple=True,
    metavar="DEVICE",
    help="Add what is estimated of this board; may be given again.",
)
def report(
    results: tuple[str, ...],
    out: Path,
    max_latency_ms: float | None,
    max_memory_mib: float | None,
    min_sensitivity: float | None,
    estimate: tuple[str, ...],
) -> None:
    """Make one page from the results of many machines.

    RESULT is a benchmark.json, or a folder that has one. The page needs no network: it can be
    carried on a stick. Unlike machines are never averaged; measured and estimated rows are told
    apart; estimates are of the model alone. Prints what to take under the limits, and why.

    \b
    Example:
      alledge report measured/benchmark.json pi5.json --max-latency-ms 200 --out report.html
    """
    from .reporting.report import report as write
    from .reporting.selection_criteria import Limits

    limits = Limits(max_latency_ms, max_memory_mib, min_sensitivity)
    given = [f"alledge report {' '.join(Path(result).as_posix() for result in results)}"]
    given += [f"--max-latency-ms {max_latency_ms:g}"] if max_latency_ms is not None else []
    given += [f"--max-memory-mib {max_memory_mib:g}"] if max_memory_mib is not None else []
    given += [f"--min-sensitivity {min_sensitivity:g}"] if min_sensitivity is not None else []
    given += [f"--estimate {name}" for name in estimate]
    advice, files = write(results, out, limits, " ".join(given), estimate)
    click.echo(f"{advice.kicker}: {advice.title}")
    for reason in advice.reasons:
        click.echo(reason)
    click.echo("wrote " + ", ".join(path.as_posix() for path in files), err=True)
