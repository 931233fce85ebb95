"""Classifies uploads in threads, with a queue that ends: the event loop computes nothing."""

from __future__ import annotations

import io
import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from ....errors import ImageError
from ...imaging import load_picture, read_header
from ..history.chain import digest_of
from ..history.entries import Entry, FileName
from .uploads import Upload

if TYPE_CHECKING:
    from ...previews import Preview
    from ...records import Result
    from ..history.store import History
    from ..model import LoadedModel, StationModel

MOST_WAITING = 16  # uploads beside those in work
FIRST_GUESS_S = 1.0  # of the time of an image, before one was classified


class QueueFullError(Exception):
    """Too many images wait.

    Parameters
    ----------
    retry_after_s : int
        Seconds after which there will be a place, as far as is known.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class ClassifyQueue:
    """Classifies images that were sent, and writes each result before it is answered.

    Parameters
    ----------
    model : StationModel
        With previews, in throughput mode.
    history : History
    workers : int
        Number of images in work at once.
    max_megapixels : float
        A larger image is refused from its header.
    """

    def __init__(
        self,
        model: StationModel,
        history: History,
        workers: int,
        max_megapixels: float,
    ) -> None:
        self._model, self._history = model, history
        self._max_megapixels = max_megapixels
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="alledge-upload")
        self._lock = threading.Lock()
        self._unfinished = 0
        self._mean_s = FIRST_GUESS_S
        self.classified = 0
        self.refused = 0
        self.seconds = 0.0

    @property
    def waiting(self) -> int:
        """Number of images that wait or are in work."""
        return self._unfinished

    def check_place(self) -> None:
        """Check that the queue has a place, before a body is read.

        Raises
        ------
        QueueFullError
            If it has none.
        """
        with self._lock:
            if self._unfinished >= self._workers + MOST_WAITING:
                self.refused += 1
                waits = math.ceil(self._mean_s * self._unfinished / self._workers)
                raise QueueFullError(max(1, waits))

    def submit(self, upload: Upload) -> Future[Entry]:
        """Classify an upload in a thread.

        Parameters
        ----------
        upload : Upload

        Returns
        -------
        Future of Entry
            The row of the history: a new one, or the one of the same content.

        Raises
        ------
        QueueFullError
            If too many wait.
        """
        self.check_place()
        with self._lock:
            self._unfinished += 1
        future = self._threads.submit(self._work, upload)
        future.add_done_callback(self._done)
        return future

    def close(self) -> None:
        """Drop what waits, and wait for what is in work."""
        self._threads.shutdown(cancel_futures=True)

    def _done(self, _: Future[Entry]) -> None:
        with self._lock:
            self._unfinished -= 1

    def _work(self, upload: Upload) -> Entry:
        started = time.perf_counter()
        content, history = digest_of(upload.content), self._history
        with self._model.use() as model:
            recorder = model.recorder
            number = history.find_result(content, recorder.bundle, recorder.site)
            if number is None:
                number = self._classify(upload, content, model)
                self._count(time.perf_counter() - started)
        entry = history.entry(number)
        assert entry is not None
        return entry

    def _count(self, seconds: float) -> None:
        with self._lock:
            self.classified += 1
            self.seconds += seconds
            self._mean_s += 0.2 * (seconds - self._mean_s)

    def _classify(self, upload: Upload, content: str, model: LoadedModel) -> int:
        name = None if upload.name is None else FileName(upload.name)
        recorder = model.recorder
        reason = self._too_many_pixels(upload.content)
        if reason is None:
            result = model.classifier.classify(upload.content)
            reason = result.error
            if reason is None:
                result = replace(result, preview=self._preview(upload.content, result))
                size = len(upload.content)
                new = recorder.result(result, content, size, source="upload", name=name)
                return self._history.add(new)[0]
        return self._history.add(
            recorder.unread(reason, source="upload", content=content, name=name)
        )[0]

    def _too_many_pixels(self, content: bytes) -> str | None:
        try:
            header = read_header(io.BytesIO(content))
        except ImageError:
            return None  # the classifier says why
        megapixels = header.width * header.height / 1e6
        if megapixels <= self._max_megapixels:
            return None
        return f"it has {megapixels:.0f} megapixels; allowed: {self._max_megapixels:g}"

    def _preview(self, content: bytes, result: Result) -> Preview | None:
        """Return a large preview: nobody else has the file of an upload."""
        if result.preview is None or result.task == "cell":
            return result.preview
        from ...previews import PREVIEW_PIXELS, preview_of

        picture = load_picture(content, PREVIEW_PIXELS)
        return preview_of(picture, result.preview.width, result.preview.height)
