"""Reads the image of a request: size, time and memory are limited while reading."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import anyio
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

MIB = 1 << 20
FIELD = "image"
OVERHEAD = 64 << 10  # of the headers of a multipart body
MOST_UPLOADS = 64  # that are read at once
MEMORY_MIB = 256  # of all bodies that are read at once
BODY_TIMEOUT_S, IDLE_TIMEOUT_S = 60.0, 10.0


class UploadError(Exception):
    """A request that is refused.

    Parameters
    ----------
    status : int
        Of HTTP.
    what, fix : str
    """

    def __init__(self, status: int, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.fix = status, what, fix


@dataclass(frozen=True)
class Upload:
    """An image that was sent.

    Parameters
    ----------
    content : bytes
        Of the image file.
    name : str or None
        The client's name of the file, without its folders. Nothing is opened by it.
    """

    content: bytes
    name: str | None


class UploadReader:
    """Reads uploads; all of one server share its limits.

    Parameters
    ----------
    limit_mib : int
        Largest image file.
    """

    def __init__(self, limit_mib: int) -> None:
        self.limit = limit_mib * MIB
        self._uploads = 0
        self._memory = 0

    async def read(self, request: Request) -> Upload:
        """Return the image of a request: its raw body, or its multipart field ``image``.

        Parameters
        ----------
        request : starlette.requests.Request

        Raises
        ------
        UploadError
            400: the body is no multipart form, or empty. 408: it comes too slowly. 413: it is too
            large. 415: it is a form of another kind. 429: too much is being sent at once.
        ClientDisconnect
            If the client goes away.

        Notes
        -----
        The image counts as memory until `release`.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            raise UploadError(415, "a form has no image", f"multipart field {FIELD}, or raw body")
        self._check_length(request.headers.get("content-length"))
        if self._uploads >= MOST_UPLOADS:
            raise UploadError(429, f"{MOST_UPLOADS} uploads are being read already", "try later")
        self._uploads += 1
        held = [0]
        try:
            with anyio.fail_after(BODY_TIMEOUT_S):
                if kind == "multipart/form-data":
                    upload = await self._read_form(request, held)
                else:
                    upload = await self._read_raw(request, held)
            self._memory += len(upload.content)
            return upload
        except TimeoutError:
            raise UploadError(408, "the body comes too slowly", "send it again") from None
        finally:
            self._uploads -= 1
            self._memory -= held[0]

    def release(self, upload: Upload) -> None:
        """Say that an image is no longer in memory."""
        self._memory -= len(upload.content)

    async def _read_raw(self, request: Request, held: list[int]) -> Upload:
        content = bytearray()
        async for chunk in self._chunks(request, self.limit, held):
            content += chunk
        if not content:
            raise UploadError(400, "the body is empty", f"send an image, or the field {FIELD}")
        return Upload(bytes(content), None)

    async def _read_form(self, request: Request, held: list[int]) -> Upload:
        chunks = self._chunks(request, self.limit + OVERHEAD, held)
        parser = MultiPartParser(request.headers, chunks, max_files=1, max_fields=8)
        parser.spool_max_size = self.limit + OVERHEAD  # in memory: its size is limited already
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise UploadError(400, f"the form is damaged: {error.message}") from None
        image = form.get(FIELD)
        if not isinstance(image, UploadFile):
            raise UploadError(400, f"the form has no file {FIELD}", f"multipart field {FIELD}")
        content = await image.read()
        await image.close()
        if len(content) > self.limit:
            raise self._too_large()
        if not content:
            raise UploadError(400, f"the file {FIELD} is empty")
        return Upload(content, base_name(image.filename or ""))

    async def _chunks(
        self, request: Request, limit: int, held: list[int]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body, and count it while it comes: a header may lie, or be missing."""
        size, more = 0, True
        while more:
            with anyio.fail_after(IDLE_TIMEOUT_S):
                message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect()
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(chunk)
            if size > limit:
                raise self._too_large()
            self._memory += len(chunk)
            held[0] += len(chunk)
            if self._memory > MEMORY_MIB * MIB:
                raise UploadError(429, f"{MEMORY_MIB} MiB are being sent at once", "try later")
            if chunk:
                yield chunk

    def _check_length(self, header: str | None) -> None:
        is_number = header is not None and header.isascii() and header.isdigit()
        if is_number and int(header or "") > self.limit + OVERHEAD:
            raise self._too_large()

    def _too_large(self) -> UploadError:
        return UploadError(
            413, f"the image has more than {self.limit // MIB} MiB", "--max-mib of alledge serve"
        )


def base_name(name: str) -> str | None:
    """Return the last part of a client's file name, of Windows and POSIX; None if it is empty.

    Examples
    --------
    >>> [base_name(name) for name in ("C:\\\\\\\\a\\\\\\\\b.jpg", "../../etc/passwd", "/")]
    ['b.jpg', 'passwd', None]
    """
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    return last[:255] if last not in ("", ".", "..") else None
