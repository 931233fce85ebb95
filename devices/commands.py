"""The commands `devices`, `doctor`, `pack` and `keygen`; import click, and the rest when run."""

from __future__ import annotations

import json
from typing import Any

import click


@click.group(short_help="Know boards: list, show, detect, recommend.")
def devices() -> None:
    """Know boards: list, show, detect, recommend.

    What is known of the boards alledge runs on, which one this is, and which model, precision and
    board answer in time.

    \b
    Example:
      alledge devices detect
      alledge devices recommend --max-latency-ms 200 --max-memory-mib 300
    """


def _print(document: Any, as_json: bool, text: str) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


@devices.command("list", short_help="List every board that is known.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_devices(as_json: bool) -> None:
    """List every board that is known.

    \b
    Example:
      alledge devices list
    """
    from .profile_pages import devices_document, list_text

    _print(devices_document(), as_json, list_text())


@devices.command(short_help="Show what is known of one board, with sources.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(name: str, as_json: bool) -> None:
    """Show what is known of one board, with sources.

    \b
    Example:
      alledge devices show raspberry-pi-5
    """
    from .profile_pages import device_document, show_text
    from .profiles import get_profile

    profile = get_profile(name)
    _print(device_document(profile), as_json, show_text(profile))


@devices.command(short_help="Tell which machine this is, and what to use on it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def detect(as_json: bool) -> None:
    """Tell which machine this is, and what to use on it.

    \b
    Example:
      alledge devices detect
    """
    from .profile_pages import detect_document, detect_text

    document = detect_document()
    _print(document, as_json, detect_text(document))


@devices.command(short_help="Tell which model on which board is fast enough.")
@click.option("--device", metavar="NAME", help="Estimate for this board only.")
@click.option("--max-latency-ms", type=float, metavar="MS", help="Of one prediction.")
@click.option("--max-memory-mib", type=float, metavar="MIB", help="Of the whole process.")
@click.option(
    "--results", type=click.Path(), multiple=True, metavar="FILE", help="Of `alledge benchmark`."
)
@click.option("--compare", is_flag=True, help="Show every estimate beside a known figure.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def recommend(
    device: str | None,
    max_latency_ms: float | None,
    max_memory_mib: float | None,
    results: tuple[str, ...],
    compare: bool,
    as_json: bool,
) -> None:
    """Tell which model on which board is fast enough.

    Measured results come first: those of --results, measured/benchmark.json where `alledge
    benchmark` left it, and the calibration machine's. What nobody measured is estimated, and says
    so, with how wrong such estimates have been. Without --max-memory-mib a model may take half of
    a board's memory.

    \b
    Example:
      alledge devices recommend --max-latency-ms 200 --max-memory-mib 300
    """
    from pathlib import Path

    from .estimates import recommend as answers
    from .profiles import get_profile

    if compare:
        click.echo(answers.comparison_text())
        return
    board = get_profile(device) if device else None
    rows = answers.collect_rows([Path(name) for name in results], board)
    document = answers.recommend(rows, max_latency_ms, max_memory_mib)
    _print(document, as_json, answers.recommend_text(document))


@click.command(short_help="Tell what works here, and what to type.")
@click.argument("bundle", metavar="[BUNDLE]", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(bundle: str | None, as_json: bool) -> None:
    """Tell what works here, and what to type.

    Looks at Python, engines, instruction sets, memory, disk, container limits, cache and keys; of a
    BUNDLE at its files, and whether each TFLite runtime knows its operators, before it is copied
    anywhere. The exit code is 1 if something does not work.

    \b
    Example:
      alledge doctor bundles/mobilenetv2-int8
    """
    from pathlib import Path

    from .doctor import FAIL, doctor_text, examine

    document = examine(None if bundle is None else Path(bundle))
    _print(document, as_json, doctor_text(document))
    if document["verdict"] == FAIL:
        click.get_current_context().exit(1)


@click.command(short_help="Write an offline installer for a board.")
@click.option("--device", metavar="NAME", help="Board, as `alledge devices list` names it.")
@click.option("--bundle", type=click.Path(), metavar="B", help="Bundle to carry.")
@click.option("--out", type=click.Path(), metavar="FILE", help="Tar file to write.")
@click.option("--python", metavar="3.11", help="The board's Python.  [default: its usual image's]")
@click.option("--sign", type=click.Path(), metavar="KEY", help="Secret key of `alledge keygen`.")
@click.option(
    "--check", type=click.Path(), metavar="FILE", help="Check a pack, unpacking and running none."
)
@click.option("--json", "as_json", is_flag=True, help="Print pack.json.")
def pack(
    device: str | None,
    bundle: str | None,
    out: str | None,
    python: str | None,
    sign: str | None,
    check: str | None,
    as_json: bool,
) -> None:
    """Write an offline installer for a board.

    The tar file holds the wheels for that board, hashes pinned, alledge's own, the bundle and an
    install script. It needs the network here, and none there. --check FILE checks one that came:
    every hash, and the signature where this machine trusts keys.

    \b
    Example:
      alledge pack --device raspberry-pi-5 --bundle bundles/mobilenetv2-int8 --out pi5.tar
      alledge pack --check pi5.tar
    """
    from pathlib import Path

    from ..errors import UsageError
    from .pack.pack_check import check_pack
    from .pack.packing import write_pack
    from .profiles import get_profile

    if check is not None:
        document = check_pack(Path(check))
        name = document["bundle"]["name"]
        _print(document, as_json, f"{check}: {len(document['files'])} files as packed, {name}")
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
        report=lambda line: click.echo(line, err=True),
    )
    mib = Path(out).stat().st_size / 2**20
    signed = f", signed with {sign}" if sign else ", not signed"
    text = f"{out}  {mib:.1f} MiB, {len(document['files'])} files{signed}\n"
    text += f"on the board, with Python {document['python']}: tar -xf {Path(out).name} && "
    text += f"sh alledge-{device}/install.sh"
    if document["system"] == "windows":
        text = text.replace("&& sh ", "& ").replace("/install.sh", "\\install.cmd")
    _print(document, as_json, text)


@click.command(short_help="Make a pair of keys that sign packs.")
@click.option(
    "--out", default="alledge", show_default=True, metavar="NAME", help="NAME.key and NAME.pub."
)
def keygen(out: str) -> None:
    """Make a pair of keys that sign packs.

    NAME.key is secret and stays at the desk. A device that was given NAME.pub takes nothing that
    is not signed by it.

    \b
    Example:
      alledge keygen --out laboratory
      alledge pack --device raspberry-pi-5 --bundle B --out pi5.tar --sign laboratory.key
    """
    from pathlib import Path

    from .pack.signing_keys import generate_keys

    secret, public = generate_keys(Path(out))
    click.echo(f"{secret}  secret: keep it at the desk, and a copy of it somewhere safe")
    click.echo(f"{public}  for the devices: sh install.sh --trust {public.name}")
