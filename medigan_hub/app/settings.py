"""What holds for everyone who uses a running app, and the bounds that it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medigan_hub.execution import Execution

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes

MAX_SHOWN = 64
"""Samples that the page shows at a time."""
MAX_SAVED = 1000
"""Samples in a data set that the page makes; the command that it shows makes any number."""
MAX_PIXELS = 4_194_304
"""Pixels of an uploaded image, 2048 x 2048: a network needs some hundred bytes for each."""
MAX_UPLOAD_BYTES = 64 * 2**20
"""Size of an uploaded file."""
MAX_UPLOADS = 64
"""Files uploaded for one input."""
MOST_FILES, MOST_HELD = 512, 2**30
"""Files of one page that are kept, and their bytes: beyond them the oldest goes."""
MOST_FILES_IN_ALL, MOST_HELD_IN_ALL = 4096, 4 * 2**30
"""The same of all pages together."""
UNCLAIMED_SECONDS = 600.0
"""Seconds that an upload is kept which no page has named."""
MAX_SESSIONS = 64
"""Pages that are open at a time: beyond them the one goes that was used longest ago."""
IDLE_SECONDS = 600.0
"""Seconds that a page is kept which no browser has open."""
MAX_WAITING = 64
"""Jobs that wait for their turn; further ones are refused."""
MAX_FOLDERS = 8
"""Folders with uploads and data sets that are kept for a user: those of the last jobs."""
MAX_AT_A_TIME = 8
"""Jobs of one kind that run side by side; further ones wait for their turn."""


@dataclass(frozen=True)
class Settings:
    """What whoever starts the app decides for those who use it."""

    model: str | None = None
    """The model that the page opens with."""
    device: str = Execution.device
    allow_archive_code: bool = Execution.allow_archive_code

    @property
    def wishes(self) -> Wishes:
        """The part of every job that the page's users don't choose."""
        return {"device": self.device, "allow_archive_code": self.allow_archive_code}
