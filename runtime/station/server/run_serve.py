"""``alledge serve``: loads the bundle, opens the history, watches folders and serves the page."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....errors import AlledgeError, MissingPackageError, UsageError
from ...machine import usable_cores
from ...terminal import echo
from ...watchdog import FreezeTimer
from ..camera.session import camera_settings, grabbing
from ..history.store import History
from ..home import station_home
from ..mqtt.broker import parse_broker
from ..mqtt.publisher import publishing
from ..options import StationOptions
from ..watching.run_watch import check_folders, load_model, new_watcher, notice
from ..watching.watcher import Watcher
from .access_options import check_access

if TYPE_CHECKING:
    from ..model import StationModel
    from .services import Services

SHUTDOWN_S = 3  # for answers that are under way
SWITCH_S = 0.0005
RETRY_S = 15.0  # after an error of the watching: a full disk, an engine that failed


@dataclass(frozen=True)
class ServerOptions:
    """The options of ``alledge serve`` alone; the names and meanings are those of the command."""

    host: str
    port: int
    token: str | None
    names: tuple[str, ...]
    max_mib: int
    max_megapixels: float


def serve_station(options: StationOptions, server: ServerOptions) -> None:
    """Serve the page and the REST interface until a signal comes.

    Parameters
    ----------
    options : StationOptions
    server : ServerOptions

    Raises
    ------
    UsageError
        If the address is not allowed without a token, cannot be used, or a folder is no folder;
        or as `parse_broker` and `camera_settings`.
    MissingPackageError
        If Starlette, uvicorn or python-multipart is not installed.
    HistoryError
        As `History`.
    """
    check_access(server.host, server.token)
    check_packages()
    broker = None if options.mqtt is None else parse_broker(options.mqtt, options.mqtt_ca)
    place = station_home(options.home)
    check_folders(options.folders, place)
    camera = camera_settings(options, place)
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        listener = enter(contextlib.closing(listen(server.host, server.port)))
        history, reading = enter(History(place)), enter(History(place))
        timer = enter(FreezeTimer(options.timeout_s))
        model = enter(load_model(timer, options, place))
        enter(publishing(broker, model.bundle, place, notice))
        services = enter(_services(options, server, model, history, reading))
        services.camera = enter(grabbing(camera, notice))
        if options.folders or camera is not None:
            services.watcher = new_watcher(
                options, camera, model, history, place, lambda number, path: None
            )
            enter(_watching(services))
        _run(server, services, listener)


def check_packages() -> None:
    """Raise MissingPackageError if a package of the extra is not installed."""
    import importlib.util

    for module, package in (
        ("starlette", "starlette"),
        ("uvicorn", "uvicorn"),
        ("python_multipart", "python-multipart"),
    ):
        if importlib.util.find_spec(module) is None:
            raise MissingPackageError(package, "station", "serving the page")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises
    ------
    UsageError
        If the address cannot be used.
    """
    try:
        row = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(row[4][:2], family=row[0], backlog=512)
    except OSError as error:
        raise UsageError(
            f"{host} port {port} cannot be used: {error.strerror or error}",
            fix="--port ANOTHER, or --port 0 for a free one",
        ) from None


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address of the page, as a browser takes it."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}/"


@contextlib.contextmanager
def _services(
    options: StationOptions,
    server: ServerOptions,
    model: StationModel,
    history: History,
    reading: History,
) -> Iterator[Services]:
    from ..adopting import Adopting
    from .access import access_rules
    from .classify_queue import ClassifyQueue
    from .event_feed import EventFeed
    from .services import Services
    from .uploads import UploadReader

    workers = usable_cores() if options.threads is None else options.threads
    queue = ClassifyQueue(model, history, workers, server.max_megapixels)
    adopting = Adopting(model, reading, reading.path.parent, options.threads)
    try:
        yield Services(
            model, adopting, reading, queue, UploadReader(server.max_mib), EventFeed(reading),
            access_rules(server.host, server.token, server.names),
        )  # fmt: skip
    finally:
        queue.close()


@contextlib.contextmanager
def _watching(services: Services) -> Iterator[None]:
    watcher = services.watcher
    assert watcher is not None
    services.watching = _watch(watcher, services.failure)
    try:
        yield
    finally:
        watcher.stop()
        services.watching.join()


def _watch(watcher: Watcher, failure: list[str]) -> threading.Thread:
    """Watch in a thread; after an error, which the page shows, try again."""

    def run() -> None:
        last = ""
        while not watcher.is_stopped:
            failure.clear()
            try:
                watcher.run()
            except Exception as error:  # the page must show it, whatever it is
                said = error.one_line if isinstance(error, AlledgeError) else repr(error)
                if said != last:
                    notice(f"error: the folders are not watched: {said}; trying again")
                failure[:] = [last := said]
                watcher.wait(RETRY_S)

    thread = threading.Thread(target=run, name="alledge-watch", daemon=True)
    thread.start()
    return thread


def _run(options: ServerOptions, services: Services, listener: socket.socket) -> None:
    import uvicorn

    from .application import application
    from .protocol import BACKLOG, LimitedProtocol, StationServer

    address = address_of(listener, options.host)
    config = uvicorn.Config(
        application(services), http=LimitedProtocol, ws="none", lifespan="on", log_config=None,
        access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=15,
        timeout_graceful_shutdown=SHUTDOWN_S, backlog=BACKLOG, log_level="error",
    )  # fmt: skip
    server = StationServer(config, services.feed.end_streams)
    echo(address)
    if not services.rules.is_local:
        notice(
            "anybody who knows the token can read the history here; the connection is not "
            "encrypted: use it in a trusted network, or behind a proxy with TLS"
        )
    # The threads that classify give the event loop its turn sooner than after the usual 5 ms.
    sys.setswitchinterval(SWITCH_S)
    server.run(sockets=[listener])
