"""Folders and object stores behind one interface, that of ``pyarrow.fs``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from ...errors import AlledgeError, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")

# What pyarrow opens itself, with its name for the scheme. fsspec opens every other one.
OWN_SCHEMES = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "abfs", "abfs": "abfs", "abfss": "abfss"}
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # one letter is a drive of Windows
# Between two attempts to read or write a store that does not answer, in seconds.
PAUSES_S = (0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30)
REFUSED = re.compile(
    r"access.?denied|forbidden|\b403\b|\b401\b|unauthori|invalid.?access.?key|signature|credential",
    re.IGNORECASE,
)
CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
    "AWS_ENDPOINT_URL for another server",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
    "abfs": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or sign in: az login",
}
FIX = "check the address, the network and the credentials; the same command then goes on"


class StoreError(AlledgeError):
    """A store refuses or does not answer; what is stored already stays."""


class RefusedError(StoreError):
    """A store refuses the credentials."""


@dataclass(frozen=True)
class Place:
    """A folder or a file in a store.

    Parameters
    ----------
    system : pyarrow.fs.FileSystem
    path : str
        Inside the file system.
    prefix : str
        What a path gets before it to be a URL; empty for local files.
    """

    system: FileSystem
    path: str
    prefix: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine's file system."""
        return not self.prefix

    @property
    def name(self) -> str:
        """The path or URL, as messages and results name it; it holds no credentials."""
        return self.name_of(self.path)

    def name_of(self, path: str) -> str:
        """Return the path or URL of a path in the same store."""
        return self.prefix + path

    def child(self, *names: str) -> Place:
        """Return a file or folder below this one."""
        return Place(self.system, "/".join((self.path.rstrip("/"), *names)), self.prefix)


def is_url(name: str) -> bool:
    """Return whether a name is a URL and not a path."""
    return bool(URL.match(name))


def open_place(name: str) -> Place:
    """Return the place that a path or URL names; nothing is read.

    Parameters
    ----------
    name : str
        A path, or a URL: ``file://``, ``s3://``, ``gs://``, ``az://``, or a scheme that fsspec
        knows.

    Returns
    -------
    Place

    Raises
    ------
    UsageError
        If nothing that is installed opens the scheme, or the URL holds a password.
    """
    from pyarrow import fs

    if not is_url(name):
        return Place(fs.LocalFileSystem(), os.path.abspath(name))  # noqa: PTH100 - links stay
    parts = urlsplit(name)
    if parts.password is not None:
        raise UsageError(
            f"the URL {parts.scheme}://…@{parts.hostname} holds a password, which results and "
            "messages would show",
            fix=_credentials_fix(parts.scheme),
        )
    if parts.scheme == "file":
        return open_place(_local_path(unquote(parts.path)))
    path = f"{parts.netloc}{parts.path}".rstrip("/")
    try:
        if parts.scheme == "s3":
            return Place(_s3(), path, "s3://")
        if own := OWN_SCHEMES.get(parts.scheme):
            system, path = fs.FileSystem.from_uri(f"{own}://{parts.netloc}{parts.path}")
            return Place(system, path.rstrip("/"), f"{parts.scheme}://")
        return _of_fsspec(name, parts.scheme)
    except (ValueError, ImportError, NotImplementedError, OSError) as error:
        raise UsageError(
            f"nothing here opens {parts.scheme}://: {plain_reason(error)}",
            allowed=f"a path, file://, {', '.join(f'{key}://' for key in OWN_SCHEMES)}, or a "
            "scheme whose fsspec package is installed",
        ) from None


def read_content(place: Place, path: str, *, patience: bool = True) -> bytes:
    """Return the content of a file of a store; wait for a store that does not answer.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    RefusedError
        If the store refuses.
    StoreError
        If the store does not answer for about four minutes.
    """

    def read() -> bytes:
        with place.system.open_input_stream(path) as stream:
            content: bytes = stream.read()
            return content

    return with_patience(read, place, PAUSES_S if patience else ())


def with_patience(
    action: Callable[[], T], place: Place, pauses_s: tuple[float, ...] = PAUSES_S
) -> T:
    """Return what an action returns; repeat it while its store does not answer.

    Parameters
    ----------
    action : callable
        May be repeated.
    place : Place
        Local files are tried once.
    pauses_s : tuple of float
        Seconds between two attempts.

    Raises
    ------
    FileNotFoundError
        If the action says so.
    StoreError
        If the store refuses, or still does not answer at the end.
    """
    for pause_s in (*pauses_s, None):
        try:
            return action()
        except FileNotFoundError:
            raise
        except OSError as error:
            if place.is_local or pause_s is None or is_refusal(error):
                raise store_error(error, place) from None
            time.sleep(pause_s)
    raise AssertionError("unreachable")


def is_refusal(error: Exception) -> bool:
    """Return whether a store says that this user may not do that."""
    return isinstance(error, PermissionError) or bool(REFUSED.search(str(error)))


def store_error(error: Exception, place: Place) -> StoreError:
    """Return the error that says which store failed, why, and what to do; without secrets."""
    if place.is_local:
        return StoreError(f"{place.name} cannot be read: {plain_reason(error)}", fix=FIX)
    scheme = place.prefix.removesuffix("://")
    where = place.prefix + place.path.partition("/")[0]
    if is_refusal(error):
        return RefusedError(
            f"{where} refuses these credentials: {plain_reason(error)}",
            fix=_credentials_fix(scheme),
        )
    return StoreError(f"{where} does not answer: {plain_reason(error)}", fix=FIX)


def plain_reason(error: Exception) -> str:
    """Return the reason of an error on one line, without keys and tokens."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = re.sub(
        r"(?i)((?:key|token|secret|signature|password|credential)\w*[=:]\s*)\S+", r"\1…", text
    )
    return " ".join(text.split())[:300]


def _credentials_fix(scheme: str) -> str:
    return CREDENTIALS.get(OWN_SCHEMES.get(scheme, ""), "give the credentials of this store")


def _s3() -> FileSystem:
    """Return the S3 file system with the settings of the standard variables.

    pyarrow reads the variables of credentials and region itself, but of a URL only the endpoint.
    """
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    return fs.S3FileSystem(
        endpoint_override=host or None,
        scheme=scheme or "https",
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
        connect_timeout=5,
        request_timeout=30,
    )


def _of_fsspec(name: str, scheme: str) -> Place:
    import fsspec
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    system, path = fsspec.url_to_fs(name)
    return Place(PyFileSystem(FSSpecHandler(system)), path.rstrip("/"), f"{scheme}://")


def _local_path(path: str) -> str:
    """Return the path of a ``file://`` URL; ``/C:/x`` is a path of Windows."""
    return path.lstrip("/") if re.match(r"/[A-Za-z]:", path) else str(Path(path))
