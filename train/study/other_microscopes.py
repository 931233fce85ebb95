"""Reads what was measured on other microscopes, for the first table of a study of cells."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from ...runtime.json_documents import read_json
from ...runtime.json_schema import check_document
from ...runtime.metrics.metrics import Json

ADOPTION, LABORATORIES = "adoption-trials", "healthy-cells"
COMMANDS = {
    ADOPTION: "python -m alledge.benchmarks.internal.adoption.trials RUN --features FILE.npz "
    "--json FILE.json",
    LABORATORIES: "python -m alledge.benchmarks.internal.healthy_cells BUNDLE --folders NAME DIR "
    "--json FILE.json",
}
OPTIONS = {ADOPTION: "--adoption", LABORATORIES: "--laboratories"}


def other_microscopes(adoption: Path | None, laboratories: Path | None) -> dict[str, Json]:
    """Return the documents of other microscopes, by the kind of their schema.

    Parameters
    ----------
    adoption : Path, optional
        Figures of a refitted last layer, schema ``adoption-trials``.
    laboratories : Path, optional
        Healthy cells of other laboratories, schema ``healthy-cells``.

    Raises
    ------
    DataError
        If a file cannot be read or is no such document.
    """
    documents: dict[str, Json] = {}
    for kind, path in ((ADOPTION, adoption), (LABORATORIES, laboratories)):
        if path is not None:
            fix = f"{OPTIONS[kind]} with the file of: {COMMANDS[kind]}"
            document = read_json(path, error=DataError, fix=fix)
            check_document(document, kind, path, error=DataError, fix=fix)
            documents[kind] = document
    return documents
