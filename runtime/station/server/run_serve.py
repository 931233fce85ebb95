"""``alledge serve``: loads the bundle, opens the history, watches folders and serves the page."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import AlledgeError, MissingPackageError, UsageError
from ...machine import usable_cores
from ...sites.profile import site_in_use
from ...terminal import echo, printable
from ...watchdog import FreezeTimer
from ..history.store import History
from ..home import station_home
from ..recording import Recorder
from ..watching.run_watch import check_folders, load_classifier
from ..watching.watcher import Watcher
from .access_options import check_access

if TYPE_CHECKING:
    from ...classifier import Classifier
    from .services import Services

SHUTDOWN_S = 3  # for answers that are under way
RETRY_S = 15.0  # after an error of the watching: a full disk, an engine that failed
notice = partial(echo, err=True)


@dataclass(frozen=True)
class ServeOptions:
    """The options of ``alledge serve``; the names and meanings are those of the command."""

    folders: tuple[str, ...]
    host: str
    port: int
    token: str | None
    names: tuple[str, ...]
    home: str | None
    bundle: str | None
    backend: str
    threads: int | None
    site: str | None
    timeout_s: float
    settle_s: float
    interval_s: float
    recursive: bool
    max_mib: int
    max_megapixels: float


def serve_station(options: ServeOptions) -> None:
    """Serve the page and the REST interface until a signal comes.

    Parameters
    ----------
    options : ServeOptions

    Raises
    ------
    UsageError
        If the address is not allowed without a token, cannot be used, or a folder is no folder.
    MissingPackageError
        If Starlette, uvicorn or python-multipart is not installed.
    HistoryError
        As `History`.
    """
    check_access(options.host, options.token)
    check_packages()
    place = station_home(options.home)
    check_folders(options.folders, place)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(listen(options.host, options.port)))
        history = stack.enter_context(History(place))
        reading = stack.enter_context(History(place))
        timer = stack.enter_context(FreezeTimer(options.timeout_s))
        classifier = stack.enter_context(
            load_classifier(
                timer,
                options.bundle,
                options.backend,
                options.threads,
                options.timeout_s,
                site_in_use(options.site, place),
            )
        )
        services = stack.enter_context(_services(options, classifier, history, reading, place))
        _run(options, services, listener)


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
    options: ServeOptions, classifier: Classifier, history: History, reading: History, home: Path
) -> Iterator[Services]:
    from .access import access_rules
    from .classify_queue import ClassifyQueue
    from .event_feed import EventFeed
    from .services import Services
    from .uploads import UploadReader

    recorder = Recorder(classifier)
    workers = usable_cores() if options.threads is None else options.threads
    queue = ClassifyQueue(classifier, recorder, history, workers, options.max_megapixels)
    services = Services(
        classifier, reading, queue, UploadReader(options.max_mib), EventFeed(reading),
        access_rules(options.host, options.token, options.names), folders=options.folders,
    )  # fmt: skip
    if options.folders:
        services.watcher = Watcher(
            options.folders, classifier, recorder, history, home, settle_s=options.settle_s,
            interval_s=options.interval_s, recursive=options.recursive,
            announce=lambda number, path: None, notice=lambda text: notice(printable(text)),
        )  # fmt: skip
        services.watching = _watch(services.watcher, services.failure)
    try:
        yield services
    finally:
        if services.watcher is not None and services.watching is not None:
            services.watcher.stop()
            services.watching.join()
        queue.close()


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
                    notice(printable(f"error: the folders are not watched: {said}; trying again"))
                failure[:] = [last := said]
                watcher.wait(RETRY_S)

    thread = threading.Thread(target=run, name="alledge-watch", daemon=True)
    thread.start()
    return thread


def _run(options: ServeOptions, services: Services, listener: socket.socket) -> None:
    import uvicorn

    from .application import application
    from .protocol import LimitedProtocol, StationServer

    address = address_of(listener, options.host)
    config = uvicorn.Config(
        application(services), http=LimitedProtocol, ws="none", lifespan="on", log_config=None,
        access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=15,
        timeout_graceful_shutdown=SHUTDOWN_S, log_level="error",
    )  # fmt: skip
    server = StationServer(config, services.feed.end_streams)
    echo(address)
    if not services.rules.is_local:
        notice(
            "anybody who knows the token can read the history here; the connection is not "
            "encrypted: use it in a trusted network, or behind a proxy with TLS"
        )
    server.run(sockets=[listener])
