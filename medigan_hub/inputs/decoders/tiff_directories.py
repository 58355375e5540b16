"""Whether the directories of a TIFF are whole: of one that is cut off, readers take what is there.

Without the tags that come last, an image would be of another kind, and nothing would say so.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from medigan_hub.errors import RequestError

FORMS = {
    b"II*\0": ("<I", "<H", 12, 4),
    b"MM\0*": (">I", ">H", 12, 4),
    b"II+\0": ("<Q", "<Q", 20, 8),
    b"MM\0+": (">Q", ">Q", 20, 8),
}
"""By the first bytes: offsets, the count of tags, bytes of a tag, where the first offset stands."""


def check_whole(path: Path, stream: BinaryIO, most: int) -> None:
    """Go through the directories of a TIFF, at most so many, and through none of their tags.

    Other files are left as they are.

    Raises
    ------
    RequestError
        The file ends within a directory, or before it.
    """
    form = FORMS.get(stream.read(4))
    if form is None:
        return
    offset_form, count_form, tag_bytes, link = form
    try:
        for _ in range(most):
            place = _number(stream, link, offset_form)
            if place == 0:
                return
            count = _number(stream, place, count_form)
            link = place + struct.calcsize(count_form) + count * tag_bytes
    except (struct.error, OverflowError) as error:
        raise RequestError(
            f"{path} can't be read: it ends where it should have tags; copy or save it anew"
        ) from error


def _number(stream: BinaryIO, place: int, form: str) -> int:
    stream.seek(place)
    (number,) = struct.unpack(form, stream.read(struct.calcsize(form)))
    return int(number)
