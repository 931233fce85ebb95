"""The site profile of a pack: the version in use, signed with the key of the pack."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...errors import UsageError
from ...runtime.bundle.bundle import Bundle
from ...runtime.bundle.signer import Signer
from ...runtime.sites.profile import (
    CURRENT,
    RECORD,
    SIGNATURE,
    SiteProfile,
    version_folder,
)
from ..profiles import Profile


def check_site(site: SiteProfile, bundle: Bundle, profile: Profile) -> None:
    """Refuse a site profile that the board could not use.

    Parameters
    ----------
    site : SiteProfile
    bundle : Bundle
        Of the pack.
    profile : Profile
        Of the board.

    Raises
    ------
    UsageError
        If the site uses the shipped model, so that there is nothing to carry.
    SiteError
        If the profile belongs to another bundle, or its layer to another engine.
    """
    if site.version == 0:
        raise UsageError(
            f"the site {site.name} uses the shipped model: there is no profile to pack",
            fix="leave --site out",
        )
    site.check_use(bundle, profile.data["pack"]["backend"])


def copy_site(site: SiteProfile, sites: Path, signer: Signer | None) -> None:
    """Copy the version in use of a site into a folder of sites.

    Parameters
    ----------
    site : SiteProfile
    sites : Path
        Created; the site gets a folder of its name there.
    signer : Signer or None
        Signs the copy; None copies the signature that the version has.
    """
    source = version_folder(site.folder, site.version)
    target = version_folder(sites / site.name, site.version)
    target.mkdir(parents=True)
    for name in (RECORD, *site.record["files"]):
        shutil.copyfile(source / name, target / name)
    if signer is not None:
        text = signer.sign((target / RECORD).read_bytes(), "site")
        (target / SIGNATURE).write_text(text, encoding="ascii")
    elif (source / SIGNATURE).is_file():
        shutil.copyfile(source / SIGNATURE, target / SIGNATURE)
    (sites / site.name / CURRENT).write_text(f"{site.version}\n", encoding="ascii", newline="\n")
