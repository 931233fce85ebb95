"""Publishes the results of a workstation to an MQTT broker; needs the extra ``mqtt``."""
