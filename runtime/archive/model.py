"""What answers: the bundles, the site profile and the backend, before they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..backends import choose_backend
from ..batch import load_in_time
from ..bundle.bundle import Bundle
from ..bundle.finding import open_bundle
from ..classifier import Classifier
from ..ensemble import Identity as Answerer
from ..sites.profile import site_in_use
from .options import ArchiveOptions
from .results.identity import Identity

if TYPE_CHECKING:
    from ..sites.profile import SiteProfile

Notice = Callable[[str], object]


@dataclass(frozen=True)
class Model:
    """What answers.

    Parameters
    ----------
    bundles : tuple of Bundle
    backend : str
        A key of `BACKENDS`.
    profile : SiteProfile or None
    identity : Identity
    """

    bundles: tuple[Bundle, ...]
    backend: str
    profile: SiteProfile | None
    identity: Identity

    def load(self, threads: int | None, timeout_s: float) -> Classifier:
        """Load it for throughput, with measurements.

        Raises
        ------
        BackendError
            If it cannot be loaded within half an hour, and as `Classifier.load`.
        """
        first, *others = self.bundles
        return load_in_time(
            lambda: Classifier.load(
                first, self.backend, threads, "throughput", timeout_s,
                site=self.profile, measurements=True, others=others,
            )
        )  # fmt: skip


def open_model(options: ArchiveOptions) -> Model:
    """Open the bundles and the site profile, and choose the backend.

    Raises
    ------
    UsageError, BundleError, SiteError
        As ``classify``.
    """
    first = open_bundle(options.bundles[0] if options.bundles else None)
    bundles = (first, *map(open_bundle, options.bundles[1:]))
    profile, backend = site_in_use(options.site, options.home), options.backend
    if profile is not None:
        backend = profile.check_use(first, backend)
    backend = choose_backend(list(first.formats), backend)
    answerer = Answerer.of_bundles(bundles)
    identity = Identity(
        bundle=answerer.name,
        digest=answerer.digest,
        backend=backend,
        site_profile=None if profile is None else profile.label,
        site_digest=None if profile is None else profile.digest,
        taken_as=options.taken_as,
    )
    return Model(bundles, backend, profile, identity)
