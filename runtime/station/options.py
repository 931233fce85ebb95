"""The options that ``watch`` and ``serve`` share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StationOptions:
    """What is classified, with which bundle, and where results go; named as the options are.

    Parameters
    ----------
    folders : tuple of str
    home, bundle, site : str or None
    backend : str
    threads : int or None
    timeout_s, settle_s, interval_s : float
    recursive : bool
    camera, camera_folder : str or None
    grab : str
    mqtt, mqtt_ca : str or None
    """

    folders: tuple[str, ...]
    home: str | None
    bundle: str | None
    backend: str
    threads: int | None
    site: str | None
    timeout_s: float
    settle_s: float
    interval_s: float
    recursive: bool
    camera: str | None
    camera_folder: str | None
    grab: str
    mqtt: str | None
    mqtt_ca: str | None
