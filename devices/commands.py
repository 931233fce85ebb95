"""The commands `devices`, `doctor`, `pack` and `keygen`; each imports its modules when it runs."""

from __future__ import annotations

import click

from ..runtime.model_options import site_home_option
from ..runtime.option_types import Count, FilePath, FiniteFloatRange
from ..runtime.terminal import echo, printable
from ..runtime.terminal import show as show_document

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(short_help="List boards, detect this one, recommend a model.")
def devices() -> None:
    """List boards, detect this one, recommend a model.

    Shows the boards that alledge has profiles of, recognises this machine, and recommends models,
    precisions and boards that meet a limit on latency or memory.

    \b
    Example:
      alledge devices detect
      alledge devices recommend --max-latency-ms 200 --max-memory-mib 300
    """


@devices.command("list", short_help="List all boards.")
@as_json_option
def list_devices(as_json: bool) -> None:
    """List all boards.

    \b
    Example:
      alledge devices list
    """
    from .profile_pages import devices_document, list_text

    show_document(devices_document(), as_json, lambda _: list_text())


@devices.command(short_help="Show the profile of one board, with sources.")
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show the profile of one board, with sources.

    \b
    Example:
      alledge devices show raspberry-pi-5
    """
    from .profile_pages import device_document, show_text
    from .profiles import get_profile

    profile = get_profile(name)
    show_document(device_document(profile), as_json, lambda _: show_text(profile))


@devices.command(short_help="Recognise this machine and choose its engine.")
@as_json_option
def detect(as_json: bool) -> None:
    """Recognise this machine and choose its engine.

    \b
    Example:
      alledge devices detect
    """
    from .profile_pages import detect_document, detect_text

    document = detect_document()
    show_document(document, as_json, detect_text)


@devices.command(short_help="Recommend models and boards that are fast enough.")
@click.option("--device", metavar="NAME", help="Consider this board only.")
@click.option(
    "--max-latency-ms",
    type=FiniteFloatRange(min_open=True),
    metavar="MS",
    help="Limit for one prediction.",
)
@click.option(
    "--max-memory-mib",
    type=FiniteFloatRange(min_open=True),
    metavar="MIB",
    help="Limit for the whole process.",
)
@click.option(
    "--results",
    type=FilePath(),
    multiple=True,
    metavar="FILE",
    help="Result of `alledge benchmark`; may be repeated.",
)
@click.option(
    "--task",
    type=click.Choice(["field", "cell"]),
    default="field",
    show_default=True,
    help="Models of whole fields, or of cells.",
)
@click.option(
    "--cells",
    type=Count(0, 100_000),
    metavar="N",
    help="Cells of the field that a cell model judges.  [default: 20]",
)
@click.option("--compare", is_flag=True, help="Compare the estimates with known figures.")
@as_json_option
def recommend(
    device: str | None,
    max_latency_ms: float | None,
    max_memory_mib: float | None,
    results: tuple[str, ...],
    task: str,
    cells: int | None,
    compare: bool,
    as_json: bool,
) -> None:
    """Recommend models and boards that are fast enough.

    Measured results come first: those of --results, of measured/benchmark.json if it exists, and
    of the calibration machine. Combinations that nobody measured are estimated. Estimates are
    labelled, with the error of such estimates. Without --max-memory-mib, a model may use half of
    a board's memory. With --task cell the latency is that of a whole field: decode, detect, and
    judge --cells cells.

    \b
    Example:
      alledge devices recommend --max-latency-ms 200 --max-memory-mib 300
    """
    from pathlib import Path

    from .estimates import recommend as recommendation
    from .profiles import get_profile

    if compare:
        echo(recommendation.comparison_text())
        return
    board = None if device is None else get_profile(device)
    number = _cells_of_field(task, cells)
    rows = recommendation.collect_rows([Path(name) for name in results], board, number)
    document = recommendation.recommend(rows, max_latency_ms, max_memory_mib, number)
    show_document(document, as_json, recommendation.recommend_text)


def _cells_of_field(task: str, cells: int | None) -> int | None:
    """Return the number of cells of a field; None for models of whole fields."""
    from ..errors import UsageError
    from .estimates.cell_estimate import DEFAULT_CELLS

    if task == "cell":
        return DEFAULT_CELLS if cells is None else cells
    if cells is not None:
        raise UsageError("--cells is for models of cells", fix=f"--task cell --cells {cells}")
    return None


@click.command(short_help="Check this machine, and a bundle on it.")
@click.argument("bundle", metavar="[BUNDLE]", required=False, type=FilePath())
@as_json_option
def doctor(bundle: str | None, as_json: bool) -> None:
    """Check this machine, and a bundle on it.

    Checks Python, engines, instruction sets, memory, disk, container limits, cache, trusted keys
    and the service of the workstation. With BUNDLE, also checks its files, loads it with every
    engine, and compares its operators with those that each TFLite runtime supports. Names a fix
    for every problem. The exit code is 1 if something does not work.

    \b
    Example:
      alledge doctor bundles/mobilenetv2-int8
    """
    from pathlib import Path

    from .doctor import FAIL, doctor_text, examine

    document = examine(None if bundle is None else Path(bundle))
    show_document(document, as_json, doctor_text)
    if document["verdict"] == FAIL:
        click.get_current_context().exit(1)


@click.command(short_help="Write an offline installer for a board.")
@click.option("--device", metavar="NAME", help="Board, as `alledge devices list` names it.")
@click.option("--bundle", type=FilePath(), metavar="B", help="Bundle to include.")
@click.option("--out", type=FilePath(), metavar="FILE", help="Tar file to write.")
@click.option("--force", is_flag=True, help="Replace the tar file if it exists.")
@click.option(
    "--python", metavar="3.11", help="The board's Python.  [default: that of its usual system]"
)
@click.option("--sign", type=FilePath(), metavar="KEY", help="Secret key of `alledge keygen`.")
@click.option("--site", metavar="NAME", help="Site profile to include, with what it adopted.")
@site_home_option
@click.option("--check", type=FilePath(), metavar="FILE", help="Check a pack without unpacking it.")
@click.option("--json", "as_json", is_flag=True, help="Print pack.json.")
def pack(
    device: str | None,
    bundle: str | None,
    out: str | None,
    force: bool,
    python: str | None,
    sign: str | None,
    site: str | None,
    home: str | None,
    check: str | None,
    as_json: bool,
) -> None:
    """Write an offline installer for a board.

    The tar file contains the wheels for that board with their hashes, alledge itself, the bundle
    and an install script; with --site also the profile of a microscope. Packing needs the network;
    installing does not. --check FILE checks all hashes of a pack, and its signature if this
    machine has trusted keys.

    \b
    Example:
      alledge pack --device raspberry-pi-5 --bundle bundles/mobilenetv2-int8 --out pi5.tar
      alledge pack --check pi5.tar
    """
    from pathlib import Path

    from ..errors import UsageError
    from ..runtime.sites.profile import open_site
    from .pack.pack_check import check_pack
    from .pack.packing import write_pack
    from .profiles import get_profile

    if check is not None:
        document = check_pack(Path(check))
        show_document(
            document,
            as_json,
            lambda document: (
                f"{printable(check)}: {len(document['files'])} files as packed, "
                f"{document['bundle']['name']}"
            ),
        )
        return
    if device is None or bundle is None or out is None:
        raise UsageError(
            "a pack needs --device, --bundle and --out",
            fix="alledge pack --device raspberry-pi-5 --bundle BUNDLE --out pi5.tar",
        )
    document = write_pack(
        get_profile(device),
        Path(bundle),
        Path(out),
        python=python,
        key=None if sign is None else Path(sign),
        site=None if site is None else open_site(site, home),
        force=force,
        report=lambda line: echo(printable(line), err=True),
    )
    mib = Path(out).stat().st_size / 2**20
    signed = f"signed with {sign}" if sign else "not signed"
    unpack, folder = f"tar -xf {Path(out).name}", f"alledge-{device}"
    if document["system"] == "windows":
        install = f"{unpack} & {folder}\\install.cmd"
    else:
        install = f"{unpack} && sh {folder}/install.sh"
    lines = [
        f"{out}  {mib:.1f} MiB, {len(document['files'])} files, {signed}",
        f"on the board, with Python {document['python']}: {install}",
    ]
    show_document(document, as_json, lambda _: "\n".join(map(printable, lines)))


@click.command(short_help="Make a pair of keys that sign packs.")
@click.option(
    "--out", default="alledge", show_default=True, metavar="NAME", help="NAME.key and NAME.pub."
)
def keygen(out: str) -> None:
    """Make a pair of keys that sign packs.

    NAME.key is secret and stays on your computer. A device on which NAME.pub is installed accepts
    only packs and bundles that are signed with NAME.key.

    \b
    Example:
      alledge keygen --out laboratory
      alledge pack --device raspberry-pi-5 --bundle B --out pi5.tar --sign laboratory.key
    """
    from pathlib import Path

    from .pack.signing_keys import generate_keys

    secret, public = generate_keys(Path(out))
    echo(f"{printable(str(secret))}  secret: keep it on this computer, and a copy in a safe place")
    name = printable(public.name)
    echo(f"{printable(str(public))}  for the devices: sh install.sh --trust {name}")
