"""Writes the files that a command leaves for its user; standard library only.

A command never writes over a file that the user did not allow it to replace:

- An output that exists is an error before anything is computed. ``--force`` replaces regular files.
- A file that the command reads, a link, a folder and a device are never replaced.
- An output of several files replaces an earlier one with more files as a whole.
- A file appears under its name when it is complete. Of two processes with the same output, the
  second one fails.

`replace_file` of `files` is for the records inside a folder of alledge (a run, a study, a
measurement). `check_folder` refuses a folder that holds something else.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import AlledgeError, UsageError
from .files import flush_file, flush_folder
from .interrupts import on_end
from .json_documents import read_json

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_numbers = itertools.count()


def check_outputs(
    paths: Iterable[Path],
    *,
    inputs: Collection[str | Path] = (),
    force: bool = False,
    option: str = "--out",
    can_force: bool = True,
) -> None:
    """Check that a command may write its files, before it computes anything.

    Parameters
    ----------
    paths : iterable of Path
        Every file that the command will write.
    inputs : collection of str or Path
        Files and folders that the command reads. An output that is one of them, or a file inside
        one, is refused even with `force`.
    force : bool
        Allow regular files that exist.
    option : str
        The option that names the output; errors say it.
    can_force : bool
        Whether the command has the option ``--force``.

    Raises
    ------
    UsageError
        If a file exists and `force` is False, is an input, a folder, a link or a device; if two
        outputs have the same name; if a folder cannot be written.
    """
    other = f"{option} ANOTHER-NAME"
    existing: list[Path] = []
    names: set[tuple[str, str]] = set()
    folders: set[Path] = set()
    read: _Inputs | None = None
    for path in paths:
        name = _same_name(path)
        if name in names:
            raise UsageError(f"two outputs would have the name {path}", fix=other)
        names.add(name)
        status = _status(path, other)
        if status is None:
            folders.add(_existing_parent(path))
            continue
        read = read or _Inputs(inputs)
        if read.hold(path):
            raise UsageError(
                f"{path} is an input of this command, which it never replaces", fix=other
            )
        _check_regular(path, status.st_mode, other)
        existing.append(path)
        folders.add(path.parent)
    if existing and not force:
        raise _exists(existing, option, can_force)
    for folder in sorted(folders):
        _check_writable(folder, option)


@contextmanager
def output_file(
    path: Path, *, force: bool = False, option: str = "--out", mode: int = 0o666
) -> Iterator[Path]:
    """Give a temporary path to write to, and publish it under `path` if nothing failed.

    Parameters
    ----------
    path : Path
        Its folder exists.
    force : bool
        Replace an existing file. Otherwise one that appeared meanwhile stays, and is an error.
    option : str
        The option that names the output; errors say it.
    mode : int
        Permissions of the file, of which the process's umask is taken away.

    Yields
    ------
    Path
        An empty file in the same folder.

    Raises
    ------
    UsageError
        If the file exists and `force` is False.
    AlledgeError
        If the file cannot be written, for example because the disk is full.

    Examples
    --------
    >>> with output_file(Path("report.html")) as temporary:  # doctest: +SKIP
    ...     temporary.write_text("…", encoding="utf-8")
    """
    temporary: Path | None = None

    def remove() -> None:
        if temporary is not None:
            temporary.unlink(missing_ok=True)

    with on_end(remove):
        try:
            temporary = _new_temporary(path.parent, mode)
            yield temporary
            flush_file(temporary)
            if force:
                temporary.replace(path)
            else:
                _publish(temporary, path)
            flush_folder(path.parent)
        except FileExistsError:
            raise _exists([path], option, can_force=False) from None
        except OSError as error:
            raise AlledgeError(
                f"{path} cannot be written: {error.strerror or error}",
                fix=f"{option} on a disk with free space, in a folder that can be written",
            ) from None
        finally:
            with suppress(OSError):
                remove()


def write_outputs(texts: Mapping[Path, str], *, force: bool = False, option: str = "--out") -> None:
    """Write several files that belong together, all of them or none.

    Parameters
    ----------
    texts : mapping of Path to str
        The content of each file. Characters that UTF-8 does not have are escaped.
    force, option
        As `output_file`. With `force`, files that were replaced before a failure stay replaced.

    Raises
    ------
    AlledgeError
        As `output_file`.
    """
    written: list[Path] = []
    try:
        for path, text in texts.items():
            make_folder(path.parent, option)
            with output_file(path, force=force, option=option) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
            written.append(path)
    except BaseException:
        for path in written if not force else ():
            path.unlink(missing_ok=True)
        raise


def remove_outputs(paths: Iterable[Path], *, option: str = "--out") -> None:
    """Remove files of an earlier output that the new one, which may replace it, does not have.

    Parameters
    ----------
    paths : iterable of Path
    option : str
        The option that names the output; errors say it.

    Raises
    ------
    UsageError
        If one is a folder, a link or a device.
    AlledgeError
        If one cannot be removed.
    """
    other = f"{option} ANOTHER-NAME"
    for path in paths:
        status = _status(path, other)
        if status is None:
            continue
        _check_regular(path, status.st_mode, other)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise AlledgeError(f"{path} cannot be removed: {error.strerror}", fix=other) from None


def check_folder(folder: Path, *, option: str = "--out", fix: str | None = None) -> None:
    """Check that a folder is new or empty, and can be written.

    Parameters
    ----------
    folder : Path
    option : str
        The option that names the folder; errors say it.
    fix : str, optional
        What to type if the folder is not empty.

    Raises
    ------
    UsageError
        If a file has its name, it is not empty, or it cannot be written.
    """
    other = f"{option} ANOTHER-FOLDER"
    status = _status(folder, other)
    if status is None:
        _check_writable(_existing_parent(folder), option)
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} exists already, and is not a folder", fix=other)
    try:
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}", fix=other) from None
    if not is_empty:
        raise UsageError(f"{folder} exists already, and is not empty", fix=fix or other)
    _check_writable(folder, option)


def make_folder(folder: Path, option: str = "--out") -> None:
    """Create the folder of a command's files, if it does not exist, and check it can be written.

    Parameters
    ----------
    folder : Path
    option : str
        The option that names the folder; errors say it.

    Raises
    ------
    UsageError
        If a file has its name, or it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a file is in its place" if is_file else getattr(error, "strerror", None) or error
        raise UsageError(
            f"the folder {folder} cannot be created: {reason}", fix=f"{option} ANOTHER-FOLDER"
        ) from None
    _check_writable(folder, option)


def is_own_document(path: Path, schema: str) -> bool:
    """Return whether a file is a JSON document of alledge.

    Parameters
    ----------
    path : Path
    schema : str
        Value of its key ``schema``, for example ``"alledge/export-log"``.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a link is the user's
            return False
        document = read_json(path, error=UsageError, file_names=True)
    except (OSError, UsageError):
        return False
    return isinstance(document, dict) and document.get("schema") == schema


class _Inputs:
    """The files and folders that a command reads."""

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self._files: set[tuple[int, int]] = set()
        self._folders: list[Path] = []
        for path in paths:
            with suppress(OSError, ValueError):
                status = Path(path).stat()
                self._files.add((status.st_dev, status.st_ino))
                if stat.S_ISDIR(status.st_mode):
                    self._folders.append(Path(path).resolve())

    def hold(self, path: Path) -> bool:
        """Return whether an existing file is an input, also by another name or link."""
        try:
            status = path.stat()
        except OSError:  # a link to nothing
            return False
        if (status.st_dev, status.st_ino) in self._files:
            return True
        real = path.resolve()
        return any(real.is_relative_to(folder) for folder in self._folders)


def _same_name(path: Path) -> tuple[str, str]:
    """Return what is equal for names that some file system takes for one."""
    name = unicodedata.normalize("NFC", path.name).casefold()
    return os.path.realpath(path.parent), name


def _status(path: Path, other: str) -> os.stat_result | None:
    """Return the status of a path, not of what it links to; None if there is nothing."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UsageError(f"{path} cannot be written: its folder is a file", fix=other) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be written: {reason}", fix=other) from None


def _check_regular(path: Path, mode: int, other: str) -> None:
    """Raise UsageError unless the mode is that of a regular file."""
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder, not a file", fix=other)
    if stat.S_ISLNK(mode):
        raise UsageError(f"{path} is a link, which is never replaced", fix=other)
    raise UsageError(f"{path} is a device or a pipe, not a file", fix=other)


def _exists(paths: list[Path], option: str, can_force: bool) -> UsageError:
    """Return the error that names the files that exist."""
    more = f", and so do {len(paths) - 1} more of the files to write" if len(paths) > 1 else ""
    if len(paths) == 2:
        more = f", and so does {paths[1]}"
    fix = f"{option} ANOTHER-NAME"
    return UsageError(
        f"{paths[0]} exists already{more}",
        fix=f"--force to replace, or {fix}" if can_force else fix,
    )


def _existing_parent(path: Path) -> Path:
    """Return the nearest folder above a path that exists."""
    for parent in path.parents:
        if os.path.lexists(parent):
            return parent
    return Path()


def _check_writable(folder: Path, option: str) -> None:
    """Raise UsageError unless a file can be created in a folder; permissions do not tell."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        reason = "it is a file" if not folder.is_dir() else error.strerror
        raise UsageError(
            f"the folder {folder} cannot be written: {reason}",
            fix=f"{option} in a folder that can be written",
        ) from None


def _new_temporary(folder: Path, mode: int) -> Path:
    """Create an empty file under a name that no other process or thread uses."""
    while True:
        path = folder / f".alledge-{os.getpid()}-{next(_numbers)}.part"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        except FileExistsError:  # a killed process with the same number left it
            continue
        return path


def _publish(temporary: Path, path: Path) -> None:
    """Give a file its name; raise FileExistsError if something has it."""
    if os.name == "nt":
        temporary.rename(path)  # Windows does not replace
        return
    try:
        os.link(temporary, path)  # unlike a renaming, it does not replace
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        temporary.replace(path)
