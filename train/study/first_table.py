"""The first table of a study's page: what a model is worth at home and on other microscopes."""

from __future__ import annotations

from collections.abc import Iterator

from ...runtime.metrics.intervals import wilson
from ...runtime.metrics.metrics import Json
from ..data.split_types import CAMERA
from ..networks.architectures import architecture
from .other_microscopes import ADOPTION, COMMANDS, LABORATORIES, OPTIONS
from .plan import BASE, CELL_TASK, HEAD
from .report_sentences import KINDS

HOME, OTHER_CAMERA, OTHER_LABORATORIES = "at home", "other camera", "other laboratories"
ADOPTED = "adopted, {}"
SIZES = (25, 50, 100, 200)  # checked cells
OF_OTHER_CAMERA = "AUC on the camera left out"
SPLITS = "alledge study with --splits grouped,camera"


def first_table(document: Json) -> Json:
    """Return the first table of the page.

    Parameters
    ----------
    document : dict
        ``study.json``.

    Returns
    -------
    dict
        `columns`, pairs of heading and explanation. `rows`, each with `title`, `words` and
        `figures`, for each heading a list of figures with `value`, `low`, `high` and `note`.
        `missing`, for each empty column what to type.
    """
    columns = [(HOME, "AUC, out of fold"), (OTHER_CAMERA, OF_OTHER_CAMERA)]
    if document["settings"].get("task") == CELL_TASK:
        columns.append((OTHER_LABORATORIES, "healthy cells called blasts"))
        columns += [(ADOPTED.format(size), OF_OTHER_CAMERA) for size in SIZES]
    documents = document["other_microscopes"]
    rows = list(_rows_of_models(document))
    if ADOPTION in documents:
        rows.append(_row_of_trials(documents[ADOPTION]))
    if LABORATORIES in documents:
        rows.append(_row_of_laboratories(documents[LABORATORIES]))
    empty = [name for name, _ in columns if not any(row["figures"].get(name) for row in rows)]
    return {"columns": columns, "rows": rows, "missing": list(_missing(document, empty))}


def _rows_of_models(document: Json) -> Iterator[Json]:
    home = [row for row in document["sections"] if row["split"] != CAMERA][:1]
    ways = [row for row in document["sections"] if row["split"] == CAMERA]
    for model in document["settings"]["models"]:
        for kind in KINDS:
            known = [row for row in (_row(way, model, kind) for way in (*home, *ways)) if row]
            if known:
                random = ", random weights" if known[0]["weights"] == "random" else ""
                figures = {
                    HOME: _areas(home, model, kind),
                    OTHER_CAMERA: _areas(ways, model, kind),
                }
                title = architecture(model).title
                yield {"title": title, "words": f"{KINDS[kind]}{random}", "figures": figures}


def _areas(sections: list[Json], model: str, kind: str) -> list[Json]:
    """Return the AUC of a row in some sections, with the camera that it is tested on."""
    areas = []
    for section in sections:
        row = _row(section, model, kind)
        if row and row["summary"]["auc"]:
            _, arrow, tested = section["name"].partition("→")
            areas.append({**row["summary"]["auc"], "note": arrow + tested})
    return areas


def _row(section: Json, model: str, kind: str) -> Json | None:
    rows = section["rows"]
    return next((row for row in rows if (row["model"], row["kind"]) == (model, kind)), None)


def _row_of_trials(document: Json) -> Json:
    """Return the row of adoption trials, whose networks are not those of the study."""
    figures: dict[str, list[Json]] = {OTHER_CAMERA: []}
    for camera in document["cameras"]:
        note = f"→ {camera['camera']}"
        whole = camera["all_cells"]["against"][0]
        figures[OTHER_CAMERA].append(_figure(whole["shipped"], None, None, note))
        for row in camera["trials"]:
            low, high = row["auc_range"]
            own = _figure(row["refitted"]["auc"], low, high, note)
            figures.setdefault(ADOPTED.format(row["cells"]), []).append(own)
    kind = KINDS[BASE if document["fine_tuned"] else HEAD]
    title = architecture(document["model"]).title
    return {"title": title, "words": f"{kind}, run {document['run']}", "figures": figures}


def _row_of_laboratories(document: Json) -> Json:
    """Return the row of a bundle: the share of false blasts of each set."""
    figures = []
    for name in dict.fromkeys(row["set"] for row in document["rows"]):
        own = [row for row in document["rows"] if row["set"] == name]
        blasts, answered = (sum(row[key] for row in own) for key in ("blasts", "answered"))
        value = blasts / answered if answered else 0.0
        note = f"{name}: {blasts} of {answered}"
        low, high = wilson(blasts, answered)
        figures.append(_figure(value, low, high, note))
    trained = " + ".join(document["data"])
    return {
        "title": architecture(document["model"]).title,
        "words": f"bundle {document['bundle']['name']}, trained on {trained}",
        "figures": {
            HOME: [{**document["auc"], "note": ""}] if document["auc"] else [],
            OTHER_LABORATORIES: figures,
        },
    }


def _figure(value: float, low: float | None, high: float | None, note: str) -> Json:
    return {"value": value, "low": low, "high": high, "note": note}


def _missing(document: Json, empty: list[str]) -> Iterator[str]:
    """Yield what to type for each column without a figure."""
    if document["remaining"]["fits"]:
        return  # the fits that are left give the first columns
    if HOME in empty:
        yield f"{HOME}: {SPLITS}"
    if OTHER_CAMERA in empty:
        yield f"{OTHER_CAMERA}: {document['settings']['left_out'].get(CAMERA, SPLITS)}"
    if document["settings"].get("task") != CELL_TASK:
        yield f"{OTHER_LABORATORIES} and adoption are measured for cells: alledge study --task cell"
    for kind, name in ((LABORATORIES, OTHER_LABORATORIES), (ADOPTION, ADOPTED.format(SIZES[0]))):
        if name in empty:
            again = f"this study again with --resume {OPTIONS[kind]} FILE.json"
            yield f"{name.partition(',')[0]}: {COMMANDS[kind]}, then {again}"
