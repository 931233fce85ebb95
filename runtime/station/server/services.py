"""What the endpoints of a server share."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from .... import __version__
from ....errors import HistoryError
from ...previews import PREVIEW_PIXELS, preview_of
from ..history.agreement import AgreementDocument, agreement
from ..history.chain import digest_of
from ..history.entries import Entry
from ..history.queries import EntryQuery

if TYPE_CHECKING:
    from ...classifier import Classifier
    from ..adopting import Adopting
    from ..camera.grabber import CameraGrabber
    from ..history.store import History
    from ..model import StationModel
    from ..watching.folder_scans import FolderDocument
    from ..watching.watcher import Watcher
    from .access import AccessRules
    from .classify_queue import ClassifyQueue
    from .event_feed import EventFeed
    from .uploads import UploadReader

RECENT = 50  # results that say whether the microscope is covered
SMALL_PREVIEW = 600  # pixels; a field model saw no more, and the file itself shows more
LARGEST_FILE = 64 << 20  # bytes of a file that is read again for the page
LEAST_FREE = 500 << 20  # bytes: some thousand results
UNFAMILIAR = ("unfamiliar_microscope", "off_domain")


class CoverageDocument(TypedDict):
    """Whether the microscope is covered, as far as is known."""

    commissioned: bool
    site: str | None  # name and version
    verdict: str | None  # covered, covered after correction, or not covered
    adopted: bool  # whether the site has a layer of its own
    guarded: bool  # whether the bundle has guards
    recent: int  # results that were looked at
    unfamiliar: int  # of these, with a flag of the guards against the microscope or the domain


class StateDocument(TypedDict):
    """The answer of ``/v1/state``."""

    version: str
    bundle: str
    digest: str
    engine: str
    task: str
    labels: list[str]
    positive: list[str]
    threshold: float
    folders: list[FolderDocument]
    camera: bool  # whether ``/v1/camera`` has one
    problems: list[str]
    waiting: int  # files and uploads
    max_bytes: int  # of an upload
    counts: dict[str, int]
    coverage: CoverageDocument
    agreement: AgreementDocument
    last: int


@dataclass
class Services:
    """What the endpoints of a server share.

    Parameters
    ----------
    model : StationModel
    adopting : Adopting
    history : History
        For reading; the writers have others.
    queue : ClassifyQueue
    reader : UploadReader
    feed : EventFeed
    rules : AccessRules
    camera : CameraGrabber or None
    watcher : Watcher or None
    watching : threading.Thread or None
        In which the watcher runs.
    failure : list of str
        Why watching ended.
    """

    model: StationModel
    adopting: Adopting
    history: History
    queue: ClassifyQueue
    reader: UploadReader
    feed: EventFeed
    rules: AccessRules
    watcher: Watcher | None = None
    watching: threading.Thread | None = None
    camera: CameraGrabber | None = None
    failure: list[str] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)

    def problems(self) -> list[str]:
        """Return why the server is not ready; empty if it is."""
        problems = list(self.failure)
        try:
            self.history.last_number()
        except HistoryError as error:
            problems.append(error.one_line)
        free = shutil.disk_usage(self.history.path.parent).free
        if free < LEAST_FREE:
            problems.append(f"the disk of the history has only {free >> 20} MiB left")
        if self.watching is not None and not self.watching.is_alive() and not self.failure:
            problems.append("the folders are not watched")
        if self.model.problem:
            problems.append(self.model.problem)
        if self.watcher is not None:
            problems += [
                f"{name} is not watched: {why}" for name, why in self.watcher.problems.items()
            ]
        return problems

    def state(self) -> StateDocument:
        """Return what the page shows on every screen."""
        bundle, classifier = self.model.bundle, self.model.current.classifier
        waiting = self.queue.waiting + (self.watcher.waiting if self.watcher else 0)
        return {
            "version": __version__,
            "bundle": bundle.name,
            "digest": bundle.digest,
            "engine": classifier.backend.engine,
            "task": bundle.task,
            "labels": list(bundle.labels),
            "positive": list(bundle.positive),
            "threshold": classifier.threshold,
            "folders": [] if self.watcher is None else self.watcher.documents(),
            "camera": self.camera is not None,
            "problems": self.problems(),
            "waiting": waiting,
            "max_bytes": self.reader.limit,
            "counts": dict(self.history.counts()),
            "coverage": self._coverage(classifier),
            "agreement": agreement(self.history),
            "last": self.history.last_number(),
        }

    def _coverage(self, classifier: Classifier) -> CoverageDocument:
        recent = self.history.entries(EntryQuery(unread=False, limit=RECENT))
        site = classifier.site
        flags = [(entry.record or {}).get("flags") or () for entry in recent]
        return {
            "commissioned": site is not None and site.coverage is not None,
            "site": None if site is None else site.label,
            "verdict": None if site is None else site.coverage,
            "adopted": site is not None and site.head is not None,
            "guarded": classifier.guarded,
            "recent": len(recent),
            "unfamiliar": sum(any(flag in UNFAMILIAR for flag in row) for row in flags),
        }

    def picture(self, entry: Entry, kind: str) -> bytes | None:
        """Return a JPEG of an image: the stored one, or a larger one of a file that still exists.

        Parameters
        ----------
        entry : Entry
        kind : {"preview", "thumbnail"}
        """
        if kind == "thumbnail":
            return self.history.picture(entry.number, "thumbnail")
        stored = (entry.body or {}).get("pictures", {}).get("preview")
        if stored is None or max(stored["width"], stored["height"]) < SMALL_PREVIEW:
            larger = _preview_of_file(entry)
            if larger is not None:
                return larger
        return self.history.picture(entry.number, "preview")


def _preview_of_file(entry: Entry) -> bytes | None:
    """Return a preview of the file of an entry; None if it is gone or has another content.

    The history has its path, which no client can set.
    """
    from pathlib import Path

    from ...imaging import load_picture

    if entry.name is None or entry.name.folder is None:
        return None
    path = Path(entry.name.folder, entry.name.name)
    try:
        if path.stat().st_size > LARGEST_FILE:
            return None
        content = path.read_bytes()
        if digest_of(content) != entry.content:
            return None
        picture = load_picture(content, PREVIEW_PIXELS)
    except Exception:  # it is a file that could not be classified either
        return None
    return preview_of(picture, picture.width, picture.height).large.jpeg


def metrics_text(services: Services) -> str:
    """Return the figures of a server in the text format of Prometheus; without names."""
    counts: dict[str, Any] = dict(services.history.counts())
    queue = services.queue
    rows = [
        ("alledge_up_seconds", "gauge", "Time since the start", "",
         f"{time.monotonic() - services.started_s:.3f}"),
        *(
            ("alledge_entries", "gauge", "Rows of the history", f'{{kind="{kind}"}}', counts[kind])
            for kind in ("result", "unread", "verdict", "removal")
        ),
        *(
            ("alledge_results", "gauge", "Results of each status", f'{{status="{status}"}}',
             counts[status])
            for status in ("ok", "review")
        ),
        ("alledge_uploads_classified_total", "counter", "Images classified for clients", "",
         queue.classified),
        ("alledge_uploads_refused_total", "counter", "Requests refused by a full queue", "",
         queue.refused),
        ("alledge_upload_seconds_total", "counter", "Time in which uploads were classified", "",
         f"{queue.seconds:.6f}"),
        ("alledge_uploads_waiting", "gauge", "Uploads that wait or are in work", "",
         queue.waiting),
        ("alledge_files_waiting", "gauge", "Files that wait or are in work", "",
         services.watcher.waiting if services.watcher else 0),
        ("alledge_pages", "gauge", "Pages that listen", "", services.feed.pages),
        ("alledge_ready", "gauge", "Whether the server is ready", "",
         int(not services.problems())),
    ]  # fmt: skip
    lines, described = [], set()
    for name, kind, text, labels, value in rows:
        if name not in described:
            described.add(name)
            lines += [f"# HELP {name} {text}.", f"# TYPE {name} {kind}"]
        lines.append(f"{name}{labels} {value}")
    return "\n".join(lines) + "\n"
