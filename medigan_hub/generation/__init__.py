"""From what a caller asks to batches of samples.

``wishes`` makes a request of it, ``ready`` gets what that needs, and ``streaming``
has an engine make the batches and judges them.
"""

from medigan_hub.generation.ready import chosen, ready
from medigan_hub.generation.streaming import fault, judged, stream
from medigan_hub.generation.wishes import DEFAULTS, WISHES, Indices, Knobs, Wishes, request, run

__all__ = [
    "DEFAULTS",
    "WISHES",
    "Indices",
    "Knobs",
    "Wishes",
    "chosen",
    "fault",
    "judged",
    "ready",
    "request",
    "run",
    "stream",
]
