"""A measurement from the bundles named to the document written; what the command calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...runtime.data.datasets import read_dataset
from ...runtime.files import write_json
from ..machine_identity import describe
from ..result_file import RECORD, document
from .configurations import Settings, choose_image, configurations
from .rounds_log import Ledger
from .runner import Runner

Json = dict[str, Any]


def measure(
    bundles: Sequence[str | Path],
    out: str | Path,
    settings: Settings | None = None,
    *,
    data: str | Path | None = None,
    layout: str | None = None,
    include_seen: bool = False,
    backends: Sequence[str] = (),
    threads: Sequence[int] = (),
    image: str | Path | None = None,
    minutes: float | None = None,
    watch: Callable[[str], None] = lambda line: None,
) -> Json:
    """Measure bundles on this machine, or go on measuring.

    Parameters
    ----------
    bundles : sequence of str or Path
    out : str or Path
        Folder of the ledger and of ``benchmark.json``.
    settings : Settings, optional
    data : str or Path, optional
        Images for accuracy; those that a model was trained on are left out of its figures.
    layout, include_seen
        As `evaluate_bundle`.
    backends, threads
        As `configurations`.
    image : str or Path, optional
        Timed end to end; by default the first of the data, or a drawn one.
    minutes : float, optional
        No round is begun after so long; a second call goes on.
    watch : callable
        Called with a line for each thing done.

    Returns
    -------
    dict
        The document, which is also in ``out/benchmark.json``.

    Raises
    ------
    AlledgeError
        As `configurations`, `read_dataset` and `Ledger`.
    """
    deadline_s = None if minutes is None else time.monotonic() + 60 * minutes
    settings, out = settings or Settings(), Path(out)
    wanted, left_out = configurations(bundles, backends, threads)
    for line in left_out:
        watch(line)
    dataset = read_dataset(data, layout) if data is not None else None
    out.mkdir(parents=True, exist_ok=True)
    picture, facts = choose_image(out, image, dataset)
    order: Json = {"machine": describe(), "settings": settings.to_json(facts), "data": None}
    judge: Json | None = None
    if dataset is not None:
        order["data"] = {
            "name": dataset.name,
            "layout": dataset.layout,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset.samples),
            "generated": dataset.generated,
        }
        judge = {"data": str(data), "layout": layout, "include_seen": include_seen}
        judge["images"] = len(dataset.samples)
    # how many rounds are enough may be asked for anew; what a round is may not
    round_is = {key: order["settings"][key] for key in ("seconds", "image")}
    seen = {"include_seen": include_seen}
    ledger = Ledger(out, {**order, "settings": round_is, "include_seen": seen})
    complete = False
    try:
        for complete in Runner(ledger, settings, picture, judge, deadline_s, watch).run(wanted):
            write_json(out / RECORD, document(ledger, wanted, order, complete))
    finally:
        made = document(ledger, wanted, order, complete)
        write_json(out / RECORD, made)
    return made
