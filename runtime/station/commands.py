"""The commands `watch` and `serve`; imports only click until a command runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..model_options import backend_option, threads_option, timeout_option
from ..option_types import Count, FilePath, FiniteFloatRange
from .history.commands import home_option

F = TypeVar("F", bound=Callable[..., Any])


def station_options(command: F) -> F:
    """Add the options that say how images are classified and folders are watched."""
    for option in reversed(
        (
            click.option(
                "--bundle", type=FilePath(), metavar="B",
                help="Bundle to use.  [default: as alledge classify]",
            ),
            backend_option,
            threads_option,
            click.option(
                "--site", metavar="NAME",
                help="Profile of this microscope, from `alledge commission` or `alledge adopt`.  "
                "[default: $ALLEDGE_SITE, else the one chosen on the page, else none]",
            ),
            home_option,
            click.option(
                "--recursive", is_flag=True, help="Watch the folders inside a folder too."
            ),
            click.option(
                "--settle", "settle_s", type=FiniteFloatRange(most=3600.0), default=2.0,
                show_default=True, metavar="SECONDS",
                help="Read a file when its size and time have been still for so long.",
            ),
            click.option(
                "--interval", "interval_s", type=FiniteFloatRange(most=3600.0, min_open=True),
                default=1.0, show_default=True, metavar="SECONDS",
                help="Time between two looks at the folders.",
            ),
            timeout_option,
            click.option(
                "--camera", metavar="CAMERA",
                help="Take pictures with a camera: its number, a device such as /dev/video0, pi, "
                "or a recording.",
            ),
            click.option(
                "--grab", default="focus", show_default=True, metavar="focus|key|SECONDS",
                help="Take a picture of each field when it is in focus, at the Enter key, or "
                "every so many seconds.",
            ),
            click.option(
                "--camera-folder", type=FilePath(), metavar="DIR",
                help="Where the pictures of the camera are kept.  [default: camera, in the folder "
                "of the workstation]",
            ),
            click.option(
                "--mqtt", envvar="ALLEDGE_MQTT", metavar="URL",
                help="Publish each result to this MQTT broker: mqtt://HOST[:PORT][/TOPIC], or "
                "mqtts:// for TLS. User and password: in the URL, or ALLEDGE_MQTT_USER and "
                "ALLEDGE_MQTT_PASSWORD.",
            ),
            click.option(
                "--mqtt-ca", type=FilePath(), metavar="FILE",
                help="Certificates that prove the broker, in PEM.  [default: the system's]",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(short_help="Classify what a camera saves into folders.")
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=FilePath())
@station_options
@click.option("--once", is_flag=True, help="Work off the files that are there, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def watch(once: bool, as_json: bool, **options: Any) -> None:
    """Classify what a camera saves into folders.

    Each image is classified once: when it is whole, whatever its name is, also after a restart
    and with a network disk that comes and goes. A second image under the same name is a second
    result. Each result is in the history before it is printed. Files that cannot be read are
    recorded with the reason. With --once, the exit code is 1 if there are any. With --camera, no
    camera software is needed.

    \b
    Example:
      alledge watch "D:/Camera/Pictures"
      alledge watch /mnt/camera --recursive --once --json
      alledge watch --camera 0 --mqtt mqtt://lab-server
    """
    from .options import StationOptions
    from .watching.run_watch import watch_folders

    failures = watch_folders(StationOptions(**options), once=once, as_json=as_json)
    if failures:
        click.get_current_context().exit(1)


@click.command(short_help="Serve the local page and a REST interface.")
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=FilePath())
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="H",
    help="Address to listen on. One that other machines reach needs a token.",
)
@click.option(
    "--port",
    type=Count(0, 65535),
    default=8750,
    show_default=True,
    metavar="N",
    help="Port; 0 takes a free one.",
)
@click.option(
    "--token",
    envvar="ALLEDGE_TOKEN",
    metavar="T",
    help="Secret that every request needs; other users of this machine see an option, but not "
    "the variable ALLEDGE_TOKEN.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Further name by which browsers call this machine; may be repeated.",
)
@station_options
@click.option(
    "--max-mib",
    type=Count(1, 1024),
    default=64,
    show_default=True,
    metavar="MIB",
    help="Largest image file that is accepted.",
)
@click.option(
    "--max-megapixels",
    type=FiniteFloatRange(most=200.0, min_open=True),
    default=100.0,
    show_default=True,
    metavar="N",
    help="Largest image that is accepted.",
)
def serve(
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    max_mib: int,
    max_megapixels: float,
    **options: Any,
) -> None:
    """Serve the local page and a REST interface, and watch folders.

    The first line on standard output is the address of the page. It needs no network, and only
    this machine can open it, unless --host names another address. The page takes pictures that
    are dropped on it, shows what the watched folders bring, and records the verdicts of people.

    \b
    Example:
      alledge serve "D:/Camera/Pictures"
      alledge serve --port 0 --bundle bundles/mobilenetv2-cell-int8
    """
    # before numpy is loaded: an adoption has small matrices, and threads would wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .options import StationOptions
    from .server.run_serve import ServerOptions, serve_station

    serve_station(
        StationOptions(**options),
        ServerOptions(host, port, token, names, max_mib, max_megapixels),
    )
