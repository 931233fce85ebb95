"""The workstation as a service: a systemd unit, or a scheduled task of Windows."""
