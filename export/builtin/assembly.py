"""Puts an exported bundle of cells into the package, with its licence and further figures."""

from __future__ import annotations

import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

from ...errors import ExportError
from ...runtime.bundle.builtin import BUILTIN_NAME, LICENCE, builtin_folder
from ...runtime.bundle.bundle import Bundle
from ...runtime.bundle.record_file import RECORD, parse_record
from ...runtime.bundle.references import PARITY
from ...runtime.bundle.validation import CELL, FORMATS, format_files
from ...runtime.json_documents import read_json
from ..bundle.model_card import model_card
from ..bundle.writer import new_bundle, write_document, write_record
from ..types import Json

MAX_BYTES = 8_000_000  # of the whole bundle, compressed as a wheel compresses it
OPTIONAL = "openvino"  # the format that is left out if the others alone are small enough
CARD = "MODEL_CARD.md"
DERIVED = ("checksum", "files", "sizes")  # keys of a record that follow from the files
LICENCE_NOTE = (
    "## Licence\n\nThe file LICENSE says under which conditions the model may be used, and what to "
    "cite: it was trained on ALL-IDB1, which is free for research. The bundle holds no image of a "
    "data set; its references are generated smears."
)


@dataclass(frozen=True)
class BuiltinSize:
    """What was put into the package.

    Parameters
    ----------
    digest : str
        ``sha256:…`` of the new ``bundle.json``.
    formats : tuple of str
    installed_bytes, wheel_bytes : int
        Of all files together, as they are and compressed.
    """

    digest: str
    formats: tuple[str, ...]
    installed_bytes: int
    wheel_bytes: int


def assemble_builtin(
    exported: Path,
    out: Path | None = None,
    *,
    figures: Path | None = None,
    max_bytes: int = MAX_BYTES,
) -> BuiltinSize:
    """Write the built-in bundle; the same arguments give the same bytes.

    Parameters
    ----------
    exported : Path
        A bundle of cells, as ``alledge export`` wrote it.
    out : Path, optional
        The folder that is written or replaced; that of the package by default.
    figures : Path, optional
        A Markdown file whose text is added to the model card: what was measured on other
        microscopes after the export.
    max_bytes : int
        Most bytes in a wheel. OpenVINO is left out if the bundle is too large with it.

    Returns
    -------
    BuiltinSize

    Raises
    ------
    BundleError
        If `exported` is not a whole bundle.
    ExportError
        If it judges whole fields, or is too large without OpenVINO.
    """
    bundle = Bundle.open(exported)
    bundle.check()
    if bundle.task != CELL:
        raise ExportError(f"{exported} judges whole fields", allowed="a bundle of cells")
    out = builtin_folder() if out is None else out
    with new_bundle(out, force=True) as folder:
        shutil.copytree(exported, folder, dirs_exist_ok=True)
        shutil.copyfile(LICENCE, folder / LICENCE.name)
        parity = read_json(folder / PARITY, error=ExportError)
        record = {key: value for key, value in bundle.record.items() if key not in DERIVED}
        record["name"] = BUILTIN_NAME
        _write_texts(folder, record, parity, figures)
        if _wheel_bytes(folder) > max_bytes and OPTIONAL in record["formats"]:
            _leave_out(OPTIONAL, folder, record, parity)
            _write_texts(folder, record, parity, figures)
        if (size := _wheel_bytes(folder)) > max_bytes:
            raise ExportError(
                f"the built-in bundle has {size / 1e6:.1f} MB, compressed",
                allowed=f"{max_bytes / 1e6:.1f} MB",
                fix="export with --int8, --format tflite,onnx",
            )
        parse_record(folder / RECORD, (folder / RECORD).read_bytes())  # as a device will
    return BuiltinSize(
        digest=Bundle.open(out).digest,
        formats=tuple(name for name in FORMATS if name in record["formats"]),
        installed_bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        wheel_bytes=_wheel_bytes(out),
    )


def _write_texts(folder: Path, record: Json, parity: Json, figures: Path | None) -> None:
    """Write the record, ``parity.json`` and the model card for the formats of the record."""
    (folder / RECORD).unlink(missing_ok=True)  # its hashes are those of all other files
    write_document(folder / PARITY, parity)
    more = [] if figures is None else [figures.read_text(encoding="utf-8").strip()]
    card = "\n\n".join([model_card(record, parity).strip(), *more, LICENCE_NOTE]) + "\n"
    (folder / CARD).write_bytes(card.encode("utf-8"))
    write_record(folder, record)


def _leave_out(name: str, folder: Path, record: Json, parity: Json) -> None:
    for file in format_files(name, record["formats"].pop(name)["file"]):
        (folder / file).unlink()
    del parity["formats"][name]


def _wheel_bytes(folder: Path) -> int:
    """Return the size of all files of a folder, compressed one by one as in a wheel."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return sum(len(zlib.compress(path.read_bytes(), 6)) for path in files)
