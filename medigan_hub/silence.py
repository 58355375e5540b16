"""Libraries report to their makers and look for newer versions; each is told not to, by its switch.

A switch is read when its library is imported, so that all are set before any
is; the processes that the hub starts inherit them. One that the user has set
stays as it is.
"""

from __future__ import annotations

import os

SWITCHES = {
    # Sends events to Microsoft, and keeps a device's identity in the home folder.
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # What several libraries heed: https://consoledonottrack.com
    "DO_NOT_TRACK": "1",
}
"""Environment variables, and what they are set to."""


def keep() -> None:
    """Set the switches of this process, and so of those that it starts."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
