"""The first table of a study's page: what a model is worth at home and on other microscopes."""

from __future__ import annotations

from collections.abc import Iterator

from ...runtime.metrics.intervals import wilson
from ...runtime.metrics.metrics import Json
from ..data.split_types import CAMERA
from ..networks.architectures import ARCHITECTURES
from .other_microscopes import ADOPTION, COMMANDS, LABORATORIES, OPTIONS
from .plan import BASE, CELL_TASK, HEAD
from .report_sentences import KINDS

HOME, OTHER_CAMERA, OTHER_LABORATORIES = "at home", "other camera", "other laboratories"
ADOPTED = "after adopting"
SIZES = (25, 50, 100, 200)  # checked cells
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
        `groups`, each with `title` and the `columns` below it. `rows`, each with `title`, `words`
        and `figures`: by group and column, a list of figures with `value`, `low`, `high` and
        `note`. `missing`, for each empty group what to type.
    """
    documents = document["other_microscopes"]
    rows = []
    if ADOPTION in documents:
        rows.append(_row_of_trials(documents[ADOPTION]))
    if LABORATORIES in documents:
        rows.append(_row_of_laboratories(documents[LABORATORIES]))
    rows += _rows_of_models(document)
    cameras = [camera for row in rows for camera in row["figures"].get(OTHER_CAMERA, {})]
    columns = {HOME: ["AUC"], OTHER_CAMERA: [*dict.fromkeys(cameras)] or ["AUC"]}
    if document["settings"].get("task") == CELL_TASK:
        columns[OTHER_LABORATORIES] = ["called blasts"]
        columns[ADOPTED] = [f"{size} cells" for size in SIZES]
    return {
        "groups": [{"title": title, "columns": own} for title, own in columns.items()],
        "rows": rows,
        "missing": list(_missing(document, rows)),
    }


def _rows_of_models(document: Json) -> Iterator[Json]:
    home = [row for row in document["sections"] if row["split"] != CAMERA][:1]
    ways = [row for row in document["sections"] if row["split"] == CAMERA]
    alone = [way["camera_alone"]["summary"]["auc"] for way in (*home, *ways)]
    yield {
        "title": "camera alone",
        "words": "no look at a cell",
        "figures": {
            HOME: {"AUC": [{**area, "note": ""} for area in alone[: len(home)] if area]},
            OTHER_CAMERA: {
                _tested(way): [{**area, "note": ""}] if area else []
                for way, area in zip(ways, alone[len(home) :], strict=True)
            },
        },
    }
    for model in document["settings"]["models"]:
        for kind in KINDS:
            known = [row for row in (_row(way, model, kind) for way in (*home, *ways)) if row]
            if known:
                random = ", random weights" if known[0]["weights"] == "random" else ""
                figures = {
                    HOME: {"AUC": [area for way in home for area in _area(way, model, kind)]},
                    OTHER_CAMERA: {_tested(way): _area(way, model, kind) for way in ways},
                }
                words = f"{KINDS[kind]}{random}"
                yield {"title": known[0]["title"], "words": words, "figures": figures}


def _tested(section: Json) -> str:
    """Return the arrow and the camera in the name of a direction, as in ``→ C2500L``."""
    return f"→ {section['name'].rpartition('→')[2].strip()}"


def _area(section: Json, model: str, kind: str) -> list[Json]:
    row = _row(section, model, kind)
    return [{**row["summary"]["auc"], "note": ""}] if row and row["summary"]["auc"] else []


def _row(section: Json, model: str, kind: str) -> Json | None:
    rows = section["rows"]
    return next((row for row in rows if (row["model"], row["kind"]) == (model, kind)), None)


def _row_of_trials(document: Json) -> Json:
    """Return the row of adoption trials, whose networks are not those of the study."""
    shipped: dict[str, list[Json]] = {}
    adopted: dict[str, list[Json]] = {}
    for camera in document["cameras"]:
        way = f"→ {camera['camera']}"
        shipped[way] = [_figure(camera["all_cells"]["against"][0]["shipped"])]
        for row in camera["trials"]:
            low, high = row["auc_range"]
            own = _figure(row["refitted"]["auc"], low, high, way)
            adopted.setdefault(f"{row['cells']} cells", []).append(own)
    kind = KINDS[BASE if document["fine_tuned"] else HEAD]
    return {
        "title": _title(document["model"]),
        "words": f"{kind}, run {document['run']}",
        "figures": {OTHER_CAMERA: shipped, ADOPTED: adopted},
    }


def _row_of_laboratories(document: Json) -> Json:
    """Return the row of a bundle: the share of false blasts of each set."""
    figures = []
    for name in dict.fromkeys(row["set"] for row in document["rows"]):
        own = [row for row in document["rows"] if row["set"] == name]
        blasts, answered = (sum(row[key] for row in own) for key in ("blasts", "answered"))
        low, high = wilson(blasts, answered)
        value = blasts / answered if answered else 0.0
        figures.append(_figure(value, low, high, f"{name}: {blasts} of {answered}"))
    home = [{**document["auc"], "note": ""}] if document["auc"] else []
    trained = " + ".join(document["data"])
    return {
        "title": _title(document["model"]),
        "words": f"bundle {document['bundle']['name']}, trained on {trained}",
        "figures": {HOME: {"AUC": home}, OTHER_LABORATORIES: {"called blasts": figures}},
    }


def _title(model: str) -> str:
    """Return the title of an architecture; of a later version's model, the name in the file."""
    return ARCHITECTURES[model].title if model in ARCHITECTURES else model


def _figure(
    value: float, low: float | None = None, high: float | None = None, note: str = ""
) -> Json:
    return {"value": value, "low": low, "high": high, "note": note}


def _missing(document: Json, rows: list[Json]) -> Iterator[str]:
    """Yield what to type for each group without a figure."""
    if document["remaining"]["fits"]:
        return  # the fits that are left give the first columns
    known = {title for row in rows for title, own in row["figures"].items() if any(own.values())}
    if HOME not in known:
        yield f"{HOME}: {SPLITS}"
    if OTHER_CAMERA not in known:
        yield f"{OTHER_CAMERA}: {document['settings']['left_out'].get(CAMERA, SPLITS)}"
    if document["settings"].get("task") != CELL_TASK:
        yield f"{OTHER_LABORATORIES} and adoption are measured for cells: alledge study --task cell"
        return
    for kind, title in ((LABORATORIES, OTHER_LABORATORIES), (ADOPTION, ADOPTED)):
        if title not in known:
            again = f"this study again with --resume {OPTIONS[kind]} FILE.json"
            yield f"{title}: {COMMANDS[kind]}, then {again}"
