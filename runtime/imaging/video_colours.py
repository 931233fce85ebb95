"""The colours of HEIC, AVIF and PNG files that name them with the codes of video (ITU-T H.273)."""

from __future__ import annotations

from ...errors import ImageError
from .known_files import SAVE_AS

# Near those of sRGB, or not specified. Others need an ICC profile.
SRGB_PRIMARIES = (1, 2, 5, 6, 7)
WIDE_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


def is_near_srgb(primaries: int, transfer: int) -> bool:
    """Return whether colours may be read as sRGB.

    Parameters
    ----------
    primaries, transfer : int
        Codes of ITU-T H.273.

    Returns
    -------
    bool
    """
    return primaries in SRGB_PRIMARIES and transfer not in HDR_TRANSFERS


def refuse_wide_colours(name: str, primaries: int, transfer: int) -> None:
    """Refuse a picture whose colours would be read as sRGB although they are not.

    Parameters
    ----------
    name : str
        Of the file, in the message.
    primaries, transfer : int
        Codes of ITU-T H.273. A file with an ICC profile needs no check.

    Raises
    ------
    ImageError
        If the primaries are wider than those of sRGB, or the transfer is that of HDR.
    """
    colours = HDR_TRANSFERS.get(transfer)
    if colours is None and primaries not in SRGB_PRIMARIES:
        colours = WIDE_PRIMARIES.get(primaries, f"those of code {primaries}")
    if colours is not None:
        raise ImageError(
            f"{name} has colours that are not sRGB ({colours}) and no ICC profile",
            fix=f"{SAVE_AS} with sRGB colours",
        )
