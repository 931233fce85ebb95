"""``alledge commission``: whether a bundle covers a microscope, by fields without labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ... import __version__
from ...errors import DataError
from ..bundle.bundle import Bundle
from ..bundle.finding import open_bundle
from ..data.inputs import find_images
from ..guards.guards import Guards
from ..guards.site_setup import SiteSetup, site_setup, with_setup
from ..metrics.intervals import wilson
from .profile import (
    CORRECTED,
    COVERED,
    EXAMPLES,
    HEAD,
    NOT_COVERED,
    SiteProfile,
    site_folder,
    usable_profile,
    version_folder,
)
from .store import add_version, load_signer, site_lock
from .survey import FieldSurvey, survey_fields

SCHEMA, SCHEMA_VERSION = "alledge/commission", 1
LEAST_FIELDS, LEAST_CELLS = 10, 20
# Guards flag 3 % of the fields of the training microscopes and 6 % of their cells (docs/guards.md)
MOST_FLAGGED, MOST_UNFAMILIAR, MOST_UNFAMILIAR_END = 0.2, 0.1, 0.2
FOREIGN = 0.5  # share of fields that are no smears of this stain
BY_HAND = {
    "blurred": "focus the microscope, and clean the optics and the slide",
    "exposure": "set the exposure so that the background is bright and not white",
    "too_small": "save the files of the camera at full size",
}
STAIN = ("depth_50", "depth_75", "depth_95", "red_depth", "blue_depth")


class Portion(TypedDict):
    """A share with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    count: int


class CommissionDocument(TypedDict):
    """The document of ``alledge commission --json``, and ``commission`` of a site profile."""

    schema: str
    schema_version: int
    site: str
    version: int
    verdict: str
    reason: str
    corrections: list[str]
    bundle: dict[str, str]
    fields: int
    unreadable: int
    cells: int | None
    unfamiliar_cells: Portion | None
    flags: dict[str, int]
    flagged: Portion
    flagged_after: Portion  # cross-fitted, if the guards know this setup
    known_setup: bool
    setup: SiteSetup
    microscope: dict[str, Any]


def commission_site(
    name: str,
    folder: str | Path,
    *,
    bundle: str | Path | Bundle | None = None,
    home: str | Path | None = None,
    key: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CommissionDocument:
    """Measure unlabelled fields of a microscope, and write a site profile.

    Parameters
    ----------
    name : str
        Of the site.
    folder : str or Path
        Of 10 or more fields.
    bundle : str, Path or Bundle, optional
        As `Classifier.load`.
    home : str or Path, optional
        As `device_home`.
    key : Path, optional
        The secret key that signs the new version.
    progress : callable, optional
        As `survey_fields`.

    Returns
    -------
    dict
        The document of ``alledge commission --json`` (schema ``commission``).

    Raises
    ------
    UsageError
        If the name is no name of a site, or the home cannot be written.
    DataError
        If there are too few fields, most of them are no smears of the stain of training, or the
        bundle has no guards of fields.
    SiteError
        If another process holds the site.
    BundleError
        If the bundle cannot be read.
    UntrustedError
        As `load_signer`.
    """
    site = site_folder(name, home)
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    signer = load_signer(key)
    guards = opened.record.get("field_guards" if opened.task == "cell" else "guards")
    if guards is None:
        raise DataError(
            f"{opened.name} has no guards of fields, with which a microscope could be compared",
            fix="--bundle with a bundle that was trained on fields",
        )
    surveys, errors = survey_fields(list(find_images([folder])), opened, progress)
    _check_fields(surveys, errors, folder)
    document = _judged(name, surveys, len(errors), opened, guards)
    with site_lock(site):
        head, arrays = _kept(usable_profile(name, home, opened))
        record = {
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "alledge": __version__,
            "bundle": document["bundle"],
            "task": opened.task,
            **head,
            "commission": document,
        }
        profile = add_version(site, record, arrays, signer)
    document["version"] = profile.version
    return document


def _check_fields(
    surveys: Sequence[FieldSurvey], errors: dict[str, str], folder: str | Path
) -> None:
    if len(surveys) < LEAST_FIELDS:
        first = f"; {next(iter(errors.values()))}" if errors else ""
        raise DataError(
            f"{folder} has {len(surveys)} fields that can be read{first}",
            allowed=f"{LEAST_FIELDS} or more",
            fix="save more fields of this microscope",
        )
    foreign = sum("off_domain" in row.flags for row in surveys)
    if foreign > FOREIGN * len(surveys):
        raise DataError(
            f"{foreign} of {len(surveys)} images in {folder} are no blood smears with the stain of "
            "the training images, or were changed by a program",
            fix="name a folder with fields as the camera saves them; another stain needs training",
        )


def _judged(
    name: str, surveys: Sequence[FieldSurvey], unreadable: int, bundle: Bundle, guards: Any
) -> CommissionDocument:
    flags = Counter(flag for row in surveys for flag in row.flags)
    after = _flags_after(surveys, guards)
    cells = [is_strange for row in surveys for is_strange in row.unfamiliar]
    is_cell = bundle.task == "cell"
    unfamiliar = _portion(sum(cells), len(cells)) if cells else None
    flagged = _portion(sum(bool(row.flags) for row in surveys), len(surveys))
    flagged_after = _portion(sum(map(bool, after)), len(surveys))
    by_hand = [text for flag, text in BY_HAND.items() if flags[flag] > MOST_FLAGGED * len(surveys)]
    verdict, reason, known = _verdict(is_cell, unfamiliar, flagged, flagged_after, by_hand)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "site": name,
        "version": 0,
        "verdict": verdict,
        "reason": reason,
        "corrections": [
            *by_hand,
            *(["the guards know the light, the colours and the size of these fields"] * known),
        ],
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "fields": len(surveys),
        "unreadable": unreadable,
        "cells": len(cells) if is_cell else None,
        "unfamiliar_cells": unfamiliar,
        "flags": dict(sorted(flags.items())),
        "flagged": flagged,
        "flagged_after": flagged_after,
        "known_setup": known,
        "setup": site_setup([row.statistics for row in surveys]),
        "microscope": _microscope(surveys),
    }


def _verdict(
    is_cell: bool,
    unfamiliar: Portion | None,
    flagged: Portion,
    flagged_after: Portion,
    by_hand: Sequence[str],
) -> tuple[str, str, bool]:
    """Return verdict and reason, and whether the guards may know the setup."""
    if by_hand:
        return NOT_COVERED, "first mend how the images are taken, then commission again", False
    if is_cell:
        if unfamiliar is None or unfamiliar["count"] < LEAST_CELLS:
            return (
                NOT_COVERED,
                f"fewer than {LEAST_CELLS} cells were found: nothing is known",
                False,
            )
        if unfamiliar["value"] > MOST_UNFAMILIAR or unfamiliar["high"] > MOST_UNFAMILIAR_END:
            return (
                NOT_COVERED,
                f"{unfamiliar['value']:.0%} of the cells look unlike the training cells",
                False,
            )
    if flagged["value"] <= MOST_FLAGGED:
        return COVERED, "fields and cells look like those of training", False
    if is_cell and flagged_after["value"] <= MOST_FLAGGED:
        return CORRECTED, "the fields look different, their cells like the training cells", True
    return NOT_COVERED, f"{flagged['value']:.0%} of the fields have a flag", False


def _flags_after(surveys: Sequence[FieldSurvey], guards: Any) -> list[tuple[str, ...]]:
    """Return the flags of each field if the guards know the setup of the fields of another half."""
    flags: list[tuple[str, ...]] = [()] * len(surveys)
    for half in (0, 1):
        others = [row.statistics for row in surveys[1 - half :: 2]]
        known = Guards(with_setup(guards, site_setup(others)))
        for number in range(half, len(surveys), 2):
            row = surveys[number]
            new = known.flags(row.statistics)
            kept = [flag for flag in row.flags if flag != "unfamiliar_microscope"]
            flags[number] = tuple(dict.fromkeys([*kept, *new]))
    return flags


def _microscope(surveys: Sequence[FieldSurvey]) -> dict[str, Any]:
    """Return the medians of what was measured, for people."""
    scales = [row.scale_px for row in surveys if row.scale_px is not None]
    return {
        "white": [round(float(v), 1) for v in np.median([row.white for row in surveys], axis=0)],
        "stain": {
            key: round(float(np.median([row.statistics[key] for row in surveys])), 3)
            for key in STAIN
        },
        "erythrocyte_px": round(float(np.median(scales)), 1) if scales else None,
        "sharpness": round(float(np.median([row.statistics["sharpness"] for row in surveys])), 3),
        "noise": round(float(np.median([row.noise for row in surveys])), 2),
    }


def _portion(count: int, total: int) -> Portion:
    low, high = wilson(count, total)
    return {"value": count / total, "low": low, "high": high, "count": total}


def _kept(profile: SiteProfile | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the adopted layer of the version in use."""
    none: dict[str, Any] = {"backend": None, "head": None, "adoption": None}
    if profile is None or profile.head is None:
        return none, {}
    arrays = {}
    for name in (HEAD, EXAMPLES):
        with np.load(
            version_folder(profile.folder, profile.version) / name, allow_pickle=False
        ) as archive:
            arrays[name] = dict(archive)
    return {key: profile.record[key] for key in none}, arrays


def commission_text(document: CommissionDocument) -> str:
    """Return the document as text for a person."""
    microscope, flagged = document["microscope"], document["flagged"]["value"]
    after = document["flagged_after"]["value"]
    red, green, blue = microscope["white"]
    scale = microscope["erythrocyte_px"]
    flags = ", ".join(f"{count} {flag}" for flag, count in document["flags"].items()) or "none"
    lines = [
        f"{document['site']}: {document['fields']} fields, {document['bundle']['name']}",
        f"background  {red:.0f} {green:.0f} {blue:.0f}; noise {microscope['noise']:.1f} levels; "
        f"sharpness {microscope['sharpness']:.2f}"
        + ("" if scale is None else f"; erythrocytes {scale:.0f} pixels wide"),
        f"flags       {flags}",
        f"flagged     {flagged:.0%} of the fields; {after:.0%} if the guards know this microscope",
    ]
    if (cells := document["unfamiliar_cells"]) is not None:
        lines.append(
            f"cells       {cells['count']}, {cells['value']:.0%} unlike those of training "
            f"({cells['low']:.0%}-{cells['high']:.0%})"
        )
    lines += ["", f"{document['verdict']}: {document['reason']}"]
    lines += [f"- {text}" for text in document["corrections"]]
    if document["verdict"] == NOT_COVERED:
        lines.append("adopt this microscope (alledge adopt), or train with its images")
    lines.append(
        "This compares images with those of training. What the model gets right here, only checked "
        "cells show: alledge adopt"
    )
    return "\n".join(lines)
