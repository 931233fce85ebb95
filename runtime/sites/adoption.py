"""``alledge adopt``: from checked cells to a refitted last layer, if it is better."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ... import __version__
from ..bundle.bundle import Bundle
from ..bundle.finding import open_bundle
from ..bundle.last_layers import read_last_layer
from ..classifier import Classifier
from ..metrics.decisions import is_positive
from .checked import CheckedRow, read_checked
from .examples import CheckedExamples, read_examples
from .judgement import Differences, Figures, Judgement, judge_refit, learning_curve
from .profile import EXAMPLES, HEAD, SiteProfile, site_folder, usable_profile
from .refit import SiteHead, fit_head, rounded
from .store import Arrays, add_version, load_signer, site_lock
from .store import revert as revert_site

SCHEMA, SCHEMA_VERSION = "alledge/adoption", 1


class CurvePoint(TypedDict):
    """The AUC after adopting with so many examples; 0 is the shipped layer."""

    examples: int
    auc: float


class AdoptionDocument(TypedDict):
    """The document of ``alledge adopt --json``."""

    schema: str
    schema_version: int
    site: str
    version: int | None  # the new version; None if nothing was changed
    adopted: bool
    finding: str  # of `FINDINGS`
    reason: str
    bundle: dict[str, str]
    backend: str
    examples: dict[str, Any]
    before: Figures
    after: Figures
    differences: Differences
    more: int | None
    curve: list[CurvePoint]
    head: dict[str, Any]
    seconds: float


def adopt_site(
    name: str,
    checked: Path | Sequence[CheckedRow],
    *,
    bundle: str | Path | Bundle | None = None,
    backend: str = "auto",
    threads: int | None = None,
    images: Path | None = None,
    home: str | Path | None = None,
    key: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AdoptionDocument:
    """Refit the last layer to checked cells or images, and take it into use if it is better.

    Parameters
    ----------
    name : str
        Of the site.
    checked : Path or sequence of CheckedRow
        As `read_checked`, or what it returns.
    bundle, backend, threads
        As `Classifier.load`.
    images : Path, optional
        As `read_checked`.
    home : str or Path, optional
        As `device_home`.
    key : Path, optional
        The secret key that signs the new version.
    progress : callable, optional
        As `read_examples`.

    Returns
    -------
    dict
        The document of ``alledge adopt --json`` (schema ``adoption``).

    Raises
    ------
    UsageError
        If the name is no name of a site, the folder cannot be written, the bundle gives no
        features, and as `Classifier.load`.
    DataError
        As `read_checked` and `read_examples`.
    SiteError
        If another process holds the site.
    BundleError, BackendError
        As `Classifier.load`.
    UntrustedError
        As `load_signer`.

    Examples
    --------
    >>> document = adopt_site("room-3", Path("checked.csv"))  # doctest: +SKIP
    >>> document["adopted"], document["after"]["auc"]  # doctest: +SKIP
    (True, 0.991)
    """
    started = time.perf_counter()
    site = site_folder(name, home)
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    signer = load_signer(key)
    source = checked if isinstance(checked, Path) else Path("the history")
    rows = read_checked(checked, images) if isinstance(checked, Path) else checked
    with site_lock(site), Classifier.load(opened, backend, threads, features=True) as classifier:
        given = read_examples(rows, classifier, source, progress)
        used = classifier.backend.name
        shipped = shipped_head(opened, used)
        judgement = judge_refit(given.examples, shipped, opened.labels, opened.positive)
        head = rounded(fit_head(given.examples, shipped, opened.labels, opened.positive))
        document = _document(name, opened, used, given, judgement, head, shipped)
        if judgement.adopted:
            document["version"] = 1 + _last_number(site)
        document["seconds"] = round(time.perf_counter() - started, 2)
        if judgement.adopted:
            before = usable_profile(name, home, opened)
            record = _record(opened, document, head, before)
            add_version(site, record, _arrays(given, head), signer)
    return document


def revert(name: str, home: str | Path | None = None) -> SiteProfile:
    """Take the version before the one in use into use.

    Parameters
    ----------
    name : str
        Of the site.
    home : str or Path, optional
        As `device_home`.

    Returns
    -------
    SiteProfile
        The version that is in use now.

    Raises
    ------
    UsageError
        If there is no such site, or it uses the shipped model already.
    SiteError
        If another process holds the site, or the version to go back to is damaged.
    """
    site = site_folder(name, home)
    if not site.is_dir():
        from .profile import open_site

        open_site(name, home)  # raises the error that lists the sites
    with site_lock(site):
        return revert_site(site)


def shipped_head(bundle: Bundle, backend: str) -> SiteHead:
    """Return the last layer of an artifact with its temperature, threshold and band."""
    row = bundle.formats[backend]
    layer = read_last_layer(bundle, backend)
    return SiteHead(layer, row.temperature, row.threshold, row.band)


def _document(
    name: str,
    bundle: Bundle,
    backend: str,
    given: CheckedExamples,
    judgement: Judgement,
    head: SiteHead,
    shipped: SiteHead,
) -> AdoptionDocument:
    examples = given.examples
    positives = int(is_positive(bundle.labels, bundle.positive)[examples.truth].sum())
    curve = learning_curve(examples, shipped, bundle.labels, bundle.positive, head.strength)
    points = [(0, judgement.before["auc"]), *curve, (len(examples), judgement.after["auc"])]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "site": name,
        "version": None,
        "adopted": judgement.adopted,
        "finding": judgement.finding,
        "reason": judgement.reason,
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "backend": backend,
        "examples": {
            "count": len(examples),
            "positive": positives,
            "negative": len(examples) - positives,
            "groups": len(np.unique(examples.groups)),
            "left_out": given.left_out,
        },
        "before": judgement.before,
        "after": judgement.after,
        "differences": judgement.differences,
        "more": judgement.more,
        "curve": [{"examples": count, "auc": value} for count, value in points],
        "head": {
            "size": len(head.layer.weights),
            "labels": len(head.layer.bias),
            "temperature": head.temperature,
            "threshold": head.threshold,
            "band": list(head.band),
            "penalty": head.strength if np.isfinite(head.strength) else None,
        },
        "seconds": 0.0,
    }


def _record(
    bundle: Bundle, document: AdoptionDocument, head: SiteHead, before: SiteProfile | None
) -> dict[str, Any]:
    return {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "alledge": __version__,
        "bundle": document["bundle"],
        "task": bundle.task,
        "backend": document["backend"],
        "head": document["head"],
        "adoption": document,
        "commission": None if before is None else before.record["commission"],
    }


def _arrays(given: CheckedExamples, head: SiteHead) -> Arrays:
    """Return the files of a version: the layer, and features and labels without any name."""
    examples = given.examples
    return {
        HEAD: {"weights": head.layer.weights, "bias": head.layer.bias},
        EXAMPLES: {
            "features": np.asarray(examples.features, dtype=np.float32),
            "truth": examples.truth,
            "groups": examples.groups,
        },
    }


def _last_number(site: Path) -> int:
    return max((int(path.name[1:]) for path in site.glob("v[0-9][0-9][0-9][0-9]")), default=0)


def adoption_text(document: AdoptionDocument) -> str:
    """Return the document as text for a person."""
    examples, before, after = document["examples"], document["before"], document["after"]
    lines = [
        f"{document['site']}: {examples['count']} checked examples of {examples['groups']} smears "
        f"or images, {examples['positive']} positive; {document['bundle']['name']}, "
        f"{document['backend']}",
        *(f"left out: {count}: {why}" for why, count in examples["left_out"].items()),
        "",
        f"{'':13}{'shipped':>24}{'adopted, cross-validated':>30}",
    ]
    for key, name in (
        ("auc", "AUC"),
        ("sensitivity", "sensitivity"),
        ("specificity", "specificity"),
    ):
        lines.append(f"{name:13}{_value(before, key):>24}{_value(after, key):>30}")
    for key, name in (("brier", "Brier score"), ("ece", "ECE")):
        lines.append(f"{name:13}{before[key]:>24.3f}{after[key]:>30.3f}")  # type: ignore[literal-required]
    lines += ["", _verdict_line(document)]
    return "\n".join(lines)


def _value(figures: Figures, key: str) -> str:
    if key == "auc":
        low, high = figures["auc_interval"]
        return f"{figures['auc']:.3f} ({low:.3f}-{high:.3f})"
    row = figures[key]  # type: ignore[literal-required]
    return f"{row['value']:.3f} ({row['low']:.3f}-{row['high']:.3f})"


def _verdict_line(document: AdoptionDocument) -> str:
    if document["adopted"]:
        return (
            f"adopted as version {document['version']}: {document['reason']}\n"
            f"alledge classify --site {document['site']} uses it from now on"
        )
    more = document["more"]
    hope = (
        f"about {more} more checked examples like these would settle it"
        if more
        else "more examples like these are not expected to change that"
    )
    return f"nothing was changed: {document['reason']}; {hope}"
