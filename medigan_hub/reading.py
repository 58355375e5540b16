"""How input images are read: each wish once, with its default and its words."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from medigan_hub.errors import RequestError, named, shortened, whole_number
from medigan_hub.execution import knob

BITS = range(8, 17)
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axes of the body along which a volume is cut, as they are numbered in NIfTI."""
STORED_AXES = ("0", "1", "2")
"""The axes of a volume as it is stored."""
PAIR = re.compile(r"\s*([^,]+),([^,]+)\s*")

Window: TypeAlias = "int | tuple[float, float]"


@dataclass(frozen=True)
class Reading:
    """What a caller may say of input images that their files leave open, or say otherwise."""

    bits: int | None = knob(
        None,
        "Bits that whole numbers beyond 8 bits have, 8 to 16, where their files don't say; by "
        "default 12, 14 or 16, the least that holds the brightest pixel of all images.",
        kind=int,
    )
    window: Window | str | None = knob(
        None,
        "Which of the windows in DICOM files to take, counted from 1; or the window itself as "
        "CENTER,WIDTH, in the unit of DICOM, NIfTI and floating-point files.",
        kind=str,
    )
    slice_axis: str | None = knob(
        None,
        "How volumes (NIfTI) are cut into slices: axial (the default), coronal or sagittal; or 0, "
        "1 or 2, an axis as it is stored.",
        kind=str,
    )
    fit: bool | None = knob(
        None,
        "Bring images to the scale that the model was trained on, and the result back to their "
        "size; by default where the model says that it knows one scale alone.",
        kind=bool,
    )
    recursive: bool = knob(False, "Take images in subfolders, too.")
    skip_unreadable: bool = knob(False, "Leave files out that can't be read, and list them.")

    def __post_init__(self) -> None:
        if self.bits is not None:
            bits = whole_number("bits", self.bits, BITS.start, BITS.stop - 1)
            object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "window", _window(self.window))
        if not isinstance(self.fit, (bool, type(None))):
            raise RequestError(f"{named('fit')} is {shortened(self.fit)}; give True or False")
        if self.slice_axis is not None:
            axis = str(self.slice_axis)
            if axis not in (*AXES, *STORED_AXES):
                raise RequestError(
                    f"there is no slice axis {shortened(axis)}; use {', '.join(AXES)}, 0, 1 or 2"
                )
            object.__setattr__(self, "slice_axis", axis)

    @property
    def asked(self) -> dict[str, Any]:
        """Return what differs from the defaults, by name, as JSON has it."""
        values = {name: getattr(self, name) for name in READING}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != READING[name].default
        }


READING = {each.name: each for each in fields(Reading)}


def _window(given: Any) -> Window | None:
    """Return the number of a window, or its center and width, of what a caller or a text says."""
    if given is None:
        return None
    value = given
    if isinstance(value, str):
        pair = PAIR.fullmatch(value)
        value = pair.groups() if pair else value.strip()
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
    try:
        if isinstance(value, (tuple, list)):
            center, width = map(float, value)
            if abs(center) < float("inf") and 0 < width < float("inf"):
                return center, width
        elif not isinstance(value, (str, bool)) and int(value) == value and value >= 1:
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise RequestError(
        f"there is no window {shortened(given)}; give its number, from 1, or its center and its "
        "width, which is more than 0, as 40,400"
    )
