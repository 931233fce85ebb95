"""What is published: results, and the description from which Home Assistant makes its sensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .... import __version__
from ..history.documents import EntryDocument, entry_document
from ..history.entries import Entry

if TYPE_CHECKING:
    from ...bundle.bundle import Bundle

DISCOVERY = "homeassistant"
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Topics:
    """The topics of one workstation.

    Parameters
    ----------
    base : str
    """

    base: str

    @property
    def status(self) -> str:
        """``online`` or ``offline``, retained; the broker sends ``offline`` after a crash."""
        return f"{self.base}/status"

    @property
    def result(self) -> str:
        """Each result; the last one is retained."""
        return f"{self.base}/result"


def result_message(entry: Entry) -> EntryDocument:
    """Return a row of the history as it is published: without the name of the file.

    A name may hold the name of a patient.
    """
    return entry_document(entry, names=False)


def discovery_messages(station: str, topics: Topics, bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Return what Home Assistant is told, by topic.

    Parameters
    ----------
    station : str
        Name of the workstation, unique among those of a broker.
    topics : Topics
    bundle : Bundle
        A bundle of cells has two more sensors.

    Returns
    -------
    dict of str to dict
        ``homeassistant/COMPONENT/alledge_STATION/OBJECT/config``, and its configuration.

    References
    ----------
    Home Assistant, MQTT integration, "MQTT discovery".
    """
    node = f"alledge_{station}"
    device = {
        "identifiers": [node], "name": f"alledge {station}", "manufacturer": "alledge",
        "model": bundle.name, "sw_version": __version__,
    }  # fmt: skip
    sensors: list[tuple[str, str, dict[str, Any]]] = [
        ("sensor", "verdict", {
            "name": "Verdict", "icon": "mdi:microscope",
            "value_template": "{{ value_json.record.label if value_json.record else 'not read' }}",
        }),
        ("sensor", "probability", {
            "name": "Probability", "unit_of_measurement": "%", "state_class": "measurement",
            "suggested_display_precision": 1,
            "value_template": "{{ (value_json.record.probability * 100) | round(2) "
            "if value_json.record and value_json.record.probability is not none else none }}",
        }),
        ("binary_sensor", "review", {
            "name": "Review", "device_class": "problem",
            "value_template": "{{ 'OFF' if value_json.status == 'ok' else 'ON' }}",
        }),
        ("sensor", "time", {
            "name": "Last result", "device_class": "timestamp",
            "value_template": "{{ value_json.time }}",
        }),
    ]  # fmt: skip
    if bundle.task == "cell":
        sensors += [_count("leucocytes", "Leucocytes"), _count("blasts", "Blasts")]
    messages: dict[str, dict[str, Any]] = {}
    for component, name, own in sensors:
        messages[f"{DISCOVERY}/{component}/{node}/{name}/config"] = {
            "unique_id": f"{node}_{name}", "state_topic": topics.result,
            "availability_topic": topics.status, "device": device, **own,
        }  # fmt: skip
    messages[f"{DISCOVERY}/binary_sensor/{node}/status/config"] = {
        "unique_id": f"{node}_status", "name": "Running", "device_class": "connectivity",
        "state_topic": topics.status, "payload_on": ONLINE, "payload_off": OFFLINE,
        "device": device,
    }  # fmt: skip
    return messages


def _count(key: str, name: str) -> tuple[str, str, dict[str, Any]]:
    template = f"{{{{ value_json.record.counts.{key} if value_json.record else none }}}}"
    return "sensor", key, {
        "name": name, "state_class": "measurement", "value_template": template,
    }  # fmt: skip
