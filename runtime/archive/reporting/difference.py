"""``alledge archive diff``: what another bundle, backend or site profile changes."""

from __future__ import annotations

from typing import Any, TypedDict

from ....errors import DataError
from .fields import Partition, add_fields, open_partition, rows_of

SCHEMA, SCHEMA_VERSION = "alledge/archive-diff", 1
MOST_FIELDS = 20
JOINED = """
CREATE TEMP TABLE joined AS
SELECT new.path, new.site, new.month, old.label AS old_label, new.label AS new_label,
    old.status AS old_status, new.status AS new_status, old.positive AS old_positive,
    new.positive AS new_positive, old.probability AS old_probability,
    new.probability AS new_probability
FROM old JOIN new USING (key)
"""
COUNTS = """
SELECT
    (SELECT count(*) FROM old ANTI JOIN new USING (key)) AS only_old,
    (SELECT count(*) FROM new ANTI JOIN old USING (key)) AS only_new,
    count(*) AS both,
    coalesce(sum(CAST(old_label IS DISTINCT FROM new_label AS INT)), 0) AS changed
FROM joined
"""
LABELS = """
SELECT old_label AS old, new_label AS new, count(*) AS fields
FROM joined WHERE old_label IS DISTINCT FROM new_label
GROUP BY ALL ORDER BY fields DESC, old, new
"""
STATUSES = """
SELECT old_status AS old, new_status AS new, count(*) AS fields
FROM joined WHERE old_status <> new_status
GROUP BY ALL ORDER BY fields DESC, old, new
"""
RATES = """
SELECT {groups}, count(*) AS fields,
    sum(CAST(old_label IS DISTINCT FROM new_label AS INT)) AS changed,
    count(old_label) AS old_answers, sum(CAST(old_positive AS INT)) AS old_positive,
    count(new_label) AS new_answers, sum(CAST(new_positive AS INT)) AS new_positive
FROM joined GROUP BY ALL ORDER BY ALL
"""
LARGEST = f"""
SELECT path, site, month, old_label AS old, new_label AS new, old_probability, new_probability
FROM joined WHERE old_label IS DISTINCT FROM new_label
ORDER BY abs(coalesce(new_probability, 0) - coalesce(old_probability, 0)) DESC, path
LIMIT {MOST_FIELDS}
"""


class DifferenceDocument(TypedDict):
    """The document of ``alledge archive diff --json``."""

    schema: str
    schema_version: int
    old: dict[str, Any]
    new: dict[str, Any]
    only_old: int
    only_new: int
    both: int
    changed: int
    labels: list[dict[str, Any]]
    statuses: list[dict[str, Any]]
    sites: list[dict[str, Any]]
    months: list[dict[str, Any]]
    sites_and_months: list[dict[str, Any]]
    fields: list[dict[str, Any]]


def compare_results(old: str, new: str) -> DifferenceDocument:
    """Compare the answers of two partitions on the fields that both have.

    Parameters
    ----------
    old, new : str
        As `open_partition`.

    Returns
    -------
    dict
        The document of ``alledge archive diff --json`` (schema ``archive-diff``).

    Raises
    ------
    UsageError
        If one names several partitions.
    DataError
        If one has no results, or they are the same.
    """
    import duckdb

    before, after = open_partition(old), open_partition(new)
    if before.place.name == after.place.name:
        raise DataError(f"OLD and NEW are both {before.place.name}", fix="name two partitions")
    with duckdb.connect() as connection:
        add_fields(connection, "old", before)
        add_fields(connection, "new", after)
        connection.execute(JOINED)
        counts = rows_of(connection, COUNTS)[0]
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "old": _about(before),
            "new": _about(after),
            "only_old": counts["only_old"],
            "only_new": counts["only_new"],
            "both": counts["both"],
            "changed": counts["changed"],
            "labels": rows_of(connection, LABELS),
            "statuses": rows_of(connection, STATUSES),
            "sites": rows_of(connection, RATES.format(groups="site")),
            "months": rows_of(connection, RATES.format(groups="month")),
            "sites_and_months": rows_of(connection, RATES.format(groups="site, month")),
            "fields": rows_of(connection, LARGEST),
        }


def _about(partition: Partition) -> dict[str, Any]:
    keys = ("bundle", "digest", "backend", "site_profile", "taken_as")
    about = {key: partition.document[key] for key in keys}  # type: ignore[literal-required]
    return {"results": partition.place.name, **about}


def difference_text(document: DifferenceDocument) -> str:
    """Return the document as text for a person."""
    lines = [f"{side}  {_side(document[side])}" for side in ("old", "new")]  # type: ignore[literal-required]
    lines += [
        f"{document['both']} fields in both; {document['only_old']} only in old, "
        f"{document['only_new']} only in new",
        f"{document['changed']} labels changed" + (":" if document["labels"] else ""),
    ]
    lines += [
        f"  {row['old'] or '(none)'} -> {row['new'] or '(none)'}  {row['fields']}"
        for row in document["labels"]
    ]
    if document["statuses"]:
        lines.append("status:")
    lines += [f"  {row['old']} -> {row['new']}  {row['fields']}" for row in document["statuses"]]
    for title, rows, key in (
        ("site", document["sites"], "site"),
        ("month", document["months"], "month"),
    ):
        lines += ["", f"{title:<20} {'fields':>8} {'changed':>8} {'positive, old':>14} new"]
        lines += [_rate_line(row, key) for row in rows]
    if document["fields"]:
        lines += ["", "largest changes"]
    lines += [
        f"  {row['old'] or '(none)'} -> {row['new'] or '(none)'}  "
        f"{_percent(row['old_probability'])} -> {_percent(row['new_probability'])}  {row['path']}"
        for row in document["fields"]
    ]
    return "\n".join(lines)


def _side(about: dict[str, Any]) -> str:
    site = f"  site {about['site_profile']}" if about["site_profile"] else ""
    return f"{about['bundle']}  {about['digest'][:19]}  {about['backend']}{site}"


def _rate_line(row: dict[str, Any], key: str) -> str:
    old = _share(row["old_positive"], row["old_answers"])
    new = _share(row["new_positive"], row["new_answers"])
    name = row[key] or "(not known)"
    return f"{name:<20} {row['fields']:>8} {row['changed']:>8} {old:>14} {new}"


def _share(part: int, total: int) -> str:
    return f"{part / total:.1%}" if total else "-"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
