"""Small site profiles, written without a model: the layer is random."""

from pathlib import Path
from typing import Any

import numpy as np

from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.signer import Signer
from alledge.runtime.sites.profile import EXAMPLES, HEAD, SiteProfile
from alledge.runtime.sites.store import add_version, site_lock

SIZE = 4


def write_profile(
    site: Path, bundle: Bundle, signer: Signer | None = None, backend: str | None = None
) -> SiteProfile:
    """Add a version to a site: with a layer for a backend, or with none."""
    head, arrays = None, dict[str, dict[str, Any]]()
    if backend is not None:
        labels = len(bundle.labels)
        features = bundle.formats[backend].features
        size = SIZE if features is None else features.size
        rule = {"temperature": 1.0, "threshold": 0.5, "band": [0.4, 0.6], "penalty": None}
        head = {"size": size, "labels": labels, **rule}
        weights, bias = np.ones((size, labels), np.float32), np.zeros(labels, np.float32)
        examples = {"features": np.ones((2, size), np.float32), "truth": np.arange(2)}
        arrays = {
            HEAD: {"weights": weights, "bias": bias},
            EXAMPLES: {**examples, "groups": np.arange(2)},
        }
    record = {
        "created": "2026-01-01T00:00:00+00:00",
        "alledge": "1.0",
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "task": bundle.task,
        "backend": backend,
        "head": head,
        "adoption": None,
        "commission": None,
    }
    with site_lock(site):
        return add_version(site, record, arrays, signer)
