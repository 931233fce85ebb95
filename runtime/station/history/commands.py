"""The commands ``alledge history …``; each imports its modules when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...option_types import Count, FilePath
from ...terminal import echo, show
from .times import TimeOption

if TYPE_CHECKING:
    from .entries import Scope
    from .export import ExportStyle
    from .store import History

home_option = click.option(
    "--home",
    type=FilePath(),
    metavar="DIR",
    help="Folder of the workstation.  [default: $ALLEDGE_HOME, else the user data folder]",
)
since_option = click.option(
    "--since", type=TimeOption(), metavar="TIME", help="From this time on: 2026-01-31, 30d."
)
until_option = click.option(
    "--until", type=TimeOption(), metavar="TIME", help="Before this time: 2026-01-31, 30d."
)
names_option = click.option(
    "--names",
    is_flag=True,
    help="Include the names of the image files, which may hold names of patients.",
)


@click.group(short_help="List, show, export and verify past results.")
def history() -> None:
    """List, show, export and verify past results.

    `alledge watch` and `alledge serve` write each result into the history of the workstation
    before they show it. Verdicts of people stand beside the machine's, and replace nothing.

    \b
    Example:
      alledge history list --since 7d
      alledge history export --csv --out results.csv
    """


def _open(home: str | None) -> History:
    from ..home import station_home
    from .store import History

    return History(station_home(home), must_exist=True)


@history.command("list", short_help="List results, newest first.")
@home_option
@since_option
@until_option
@click.option(
    "--status",
    type=click.Choice(["ok", "review", "error", "foreign"]),
    help="Only results of this status.",
)
@click.option("--search", metavar="TEXT", help="Only images whose name has this text.")
@click.option(
    "--limit", type=Count(), default=50, show_default=True, metavar="N", help="Number of rows."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_entries(
    home: str | None,
    since: str | None,
    until: str | None,
    status: str | None,
    search: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List results, newest first.

    \b
    Example:
      alledge history list --since 7d --status review
    """
    import json

    from .documents import entry_document, entry_line
    from .queries import EntryQuery

    query = EntryQuery(since=since, until=until, status=status, search=search, limit=limit)
    with _open(home) as opened:
        for entry in opened.entries(query):
            echo(json.dumps(entry_document(entry)) if as_json else entry_line(entry))


@history.command("show", short_help="Show everything about one result.")
@click.argument("number", type=Count(1, 2**31 - 1))
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show_entry(number: int, home: str | None, as_json: bool) -> None:
    """Show everything about one result.

    \b
    Example:
      alledge history show 12
    """
    from ....errors import UsageError
    from .documents import entry_document, entry_text

    with _open(home) as opened:
        entry = opened.entry(number)
        if entry is None:
            raise UsageError(
                f"the history has no entry {number}", allowed=f"1 to {opened.last_number()}"
            )
    show(entry_document(entry), as_json, lambda _: entry_text(entry))


@history.command(short_help="Export results as CSV, JSON lines or HTML.")
@home_option
@since_option
@until_option
@click.option("--csv", "style", flag_value="csv", help="CSV for a spreadsheet.")
@click.option("--jsonl", "style", flag_value="jsonl", help="One JSON object per line.")
@click.option("--html", "style", flag_value="html", help="One page; needs the extra report.")
@click.option(
    "--decimal",
    type=click.Choice(["comma", "point"]),
    default="comma",
    show_default=True,
    help="Of CSV. comma: 22,5 and semicolons, for a German or French Excel; point: 22.5 and "
    "commas, for an English one.",
)
@names_option
@click.option("--out", type=FilePath(), metavar="FILE", help="File to write.  [default: print]")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def export(
    home: str | None,
    since: str | None,
    until: str | None,
    style: ExportStyle | None,
    decimal: str,
    names: bool,
    out: str | None,
    force: bool,
) -> None:
    """Export results as CSV, JSON lines or HTML, without the names of the images.

    \b
    Example:
      alledge history export --csv --since 2026-01-01 --out january.csv
    """
    from pathlib import Path

    from ....errors import UsageError
    from ...outputs import check_outputs, make_folder, output_file
    from ...terminal import use_utf8
    from .export import export_parts, write_parts
    from .queries import EntryQuery

    if style is None:
        raise UsageError("no format is named", allowed=["--csv", "--jsonl", "--html"])
    if out is not None:
        check_outputs([Path(out)], force=force)
    query = EntryQuery(since=since, until=until, limit=None)
    with _open(home) as opened:
        parts = export_parts(opened, style, query, decimal=decimal, names=names)
        if out is None:
            use_utf8()
            for part in parts:
                echo(part.removesuffix("\n"))
            return
        make_folder(Path(out).parent)
        with output_file(Path(out), force=force) as temporary:
            write_parts(temporary, parts)


@history.command(short_help="Check that nobody has changed the history.")
@home_option
@click.option(
    "--expect",
    metavar="LINK",
    help="A link that an earlier `verify` printed: it must still be in the chain.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(home: str | None, expect: str | None, as_json: bool) -> None:
    """Check that nobody has changed the history.

    Every row has a digest of itself and of the row before. The check finds each row, name and
    picture that was changed, removed or inserted. Whoever computes all links anew is found only
    with --expect. The exit code is 1 if something is found.

    \b
    Example:
      alledge history verify --expect 5f0e3c
    """
    from .verification import verification_text, verify_history

    with _open(home) as opened:
        document = verify_history(opened, expect)
    show(document, as_json, verification_text)
    if document["verdict"] == "fail":
        click.get_current_context().exit(1)


@history.command(short_help="Remove the content of old entries.")
@home_option
@click.option(
    "--before",
    type=TimeOption(),
    required=True,
    metavar="TIME",
    help="Remove what is older: 2026-01-31, or 365d for a year.",
)
@click.option(
    "--only",
    "scope",
    type=click.Choice(["pictures", "names"]),
    help="Remove only the pictures, or only the names of files.  [default: everything]",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(home: str | None, before: str, scope: Scope | None, yes: bool) -> None:
    """Remove the content of old entries; what is removed cannot be restored.

    Number, time and digests of each row stay, so that the chain can still be verified, and an
    image that still lies in a watched folder is not classified again. A row that says what was
    removed is added.

    \b
    Example:
      alledge history remove --before 365d --only names
    """
    what = f"the {scope}" if scope else "the content"
    with _open(home) as opened:
        if not yes:
            click.confirm(f"Remove {what} of all entries before {before}?", abort=True, err=True)
        removal = opened.remove(before, scope or "all")
    count = removal.entries
    echo(f"removed {what} of {count} {'entry' if count == 1 else 'entries'}")
    if not removal.is_overwritten:
        echo(
            "another program reads the history: the database keeps the removed content in its "
            "log until that ends; remove again then",
            err=True,
        )
