"""From stored values to what a viewer shows: rescaled, windowed, without padding.

Source: DICOM PS3.3, sections C.7.5.1.1.2 (padding), C.7.6.16 (functional groups), C.10.7 and
C.11.1 (rescaling), C.11.2 (windows), C.11.6 (presentation); PS3.4, section N.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medigan_hub.errors import listed, named, shortened
from medigan_hub.inputs.decoders.base import Picture
from medigan_hub.inputs.decoders.dicom import tables
from medigan_hub.inputs.decoders.dicom.header import DataSet, Fault
from medigan_hub.inputs.decoders.dicom.layout import Layout
from medigan_hub.reading import Window

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
OWN, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
GROUPS = (
    *(OWN, SHARED, "PixelValueTransformationSequence", "FrameVOILUTSequence"),
    *("PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence"),
)
"""Keywords of sequences in which values lie that otherwise lie beside the pixels."""
WANTED = (
    *(*GROUPS, *tables.PALETTE, *tables.TABLE, "ModalityLUTSequence", "VOILUTSequence"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    *("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"),
    *("PresentationLUTShape", "SegmentationType", "MaximumFractionalValue", "PixelSpacing"),
    *("ImagerPixelSpacing", "EstimatedRadiographicMagnificationFactor"),
    "NominalScannedPixelSpacing",
)
"""Keywords of the elements that say it."""
MAX_EXPONENT = 700
"""Of what float64 can hold."""


@dataclass(frozen=True)
class Voi:
    """One way to show the values of a file: a window, or else a table."""

    name: str
    center: float = 0.0
    width: float = 0.0
    function: str = "LINEAR"
    table: DataSet | None = None


def within(elements: DataSet, frame: int, sequence: str) -> DataSet:
    """Return where a frame's values lie: in its own group, in that of all, or beside the pixels."""
    groups = (*elements.items(OWN)[frame : frame + 1], *elements.items(SHARED)[:1])
    return next((item for each in groups for item in each.items(sequence)[:1]), elements)


def coloured(stored: np.ndarray, elements: DataSet, layout: Layout, frame: int) -> Picture:
    """Return an image in colours, of which either they or their numbers are stored."""
    spacing = spacing_of(elements, frame)
    if layout.kind == "PALETTE COLOR":
        colours = tables.coloured(stored, elements, signed=layout.dtype.kind == "i")
        white = float(np.iinfo(colours.dtype).max)
        return Picture(colours, levels=(0.0, white), spacing=spacing, taken="palette")
    bits = min(layout.stored, 8 * stored.dtype.itemsize)  # a codec may deliver fewer
    return Picture(stored, levels=(0.0, 2.0**bits - 1), spacing=spacing)


def grey(
    stored: np.ndarray, elements: DataSet, layout: Layout, frame: int, window: Window | None
) -> Picture:
    """Return a grey image, of which ``window`` says how it is to be shown, if there is a choice.

    Raises
    ------
    Fault
        What the file says of it can't be, or it has no window of this number.
    """
    spacing = spacing_of(elements, frame)
    is_inverse = (
        layout.kind == "MONOCHROME1" or elements.text("PresentationLUTShape").upper() == "INVERSE"
    )
    if stored.dtype == np.bool_:
        return Picture(stored, is_inverse=is_inverse, spacing=spacing)
    padding = _padding(stored, elements)
    if padding is not None and stored.dtype.kind == "f":
        stored = np.where(np.isfinite(stored), stored, stored[~padding].min(initial=0))
    values, is_rescaled = _rescaled(stored, elements, frame, signed=layout.dtype.kind == "i")
    levels: tuple[float, float] | None = None
    taken = ""
    if not isinstance(window, tuple):
        ways = _ways(elements, frame)
        if ways or window:
            way = _chosen(ways, window or 1)
            values, levels = _shown(values, way, signed=layout.dtype.kind == "i")
            several = f", {window or 1} of {len(ways)}" if len(ways) > 1 else ""
            taken = way.name + several
        elif stored.dtype.kind != "f" and layout.stored <= 8 and not is_rescaled:
            levels = _range(elements, layout)
    is_measured = levels is None
    if padding is not None and padding.all():
        levels, is_measured = (0.0, 1.0), False  # there is nothing to measure
    return Picture(
        values,
        levels,
        is_measured,
        is_inverse,
        padding,
        spacing,
        taken,
        obeys=frozenset({"window"}),
    )


def spacing_of(elements: DataSet, frame: int) -> tuple[float, float] | None:
    """Return the distances of pixels in mm, of rows and of columns, where they make sense."""
    try:
        found = within(elements, frame, "PixelMeasuresSequence").numbers("PixelSpacing")
        if not found:
            magnified = elements.number("EstimatedRadiographicMagnificationFactor", 1) or 1
            found = [each / magnified for each in elements.numbers("ImagerPixelSpacing")]
        found = found or elements.numbers("NominalScannedPixelSpacing")
    except Fault:
        return None
    if len(found) != 2 or min(found) <= 0:
        return None
    return found[0], found[1]


def _padding(stored: np.ndarray, elements: DataSet) -> np.ndarray | None:
    """Tell which stored values are none of the image; None if all are."""
    kind = {"f4": "Float", "f8": "DoubleFloat"}.get(stored.dtype.str[1:], "")
    signed = stored.dtype.kind == "i"
    value = elements.numbers(f"{kind}PixelPaddingValue", signed=signed)
    limit = elements.numbers(f"{kind}PixelPaddingRangeLimit", signed=signed)
    mask = ~np.isfinite(stored) if kind else np.zeros(stored.shape, bool)
    if value:
        ends = value[:1] + (limit[:1] or value[:1])
        mask |= (stored >= min(ends)) & (stored <= max(ends))
    return mask if mask.any() else None


def _rescaled(
    stored: np.ndarray, elements: DataSet, frame: int, *, signed: bool
) -> tuple[np.ndarray, bool]:
    """Return values in the unit of the image, and whether they differ from those stored."""
    for item in elements.items("ModalityLUTSequence")[:1]:
        return tables.table_of(item, signed=signed).of(stored), True
    where = within(elements, frame, "PixelValueTransformationSequence")
    slope, intercept = where.number("RescaleSlope", 1), where.number("RescaleIntercept", 0)
    if not slope:
        raise Fault("is damaged: its RescaleSlope is 0")
    if (slope, intercept) == (1, 0):
        return stored, False
    return stored.astype(np.float64) * slope + intercept, True


def _range(elements: DataSet, layout: Layout) -> tuple[float, float]:
    """Return the levels of an image of 8 bits or fewer, which is shown as it is."""
    if elements.text("SegmentationType") == "FRACTIONAL":
        return 0.0, max(elements.number("MaximumFractionalValue", 255), 1)
    low = -(2.0 ** (layout.stored - 1)) if layout.dtype.kind == "i" else 0.0
    return low, low + 2.0**layout.stored - 1


def _ways(elements: DataSet, frame: int) -> list[Voi]:
    """Return how a frame can be shown: by windows, then by tables."""
    where = within(elements, frame, "FrameVOILUTSequence")
    function = where.text("VOILUTFunction").upper() or "LINEAR"
    centers, widths = where.numbers("WindowCenter"), where.numbers("WindowWidth")
    words = where.texts("WindowCenterWidthExplanation")
    words += [""] * (len(centers) - len(words))
    ways = [
        Voi(_named(f"window {center:g}/{width:g}", word), center, width, function)
        for center, width, word in zip(centers, widths, words, strict=False)
    ]
    for item in where.items("VOILUTSequence"):
        ways.append(Voi(_named("VOI LUT", item.text("LUTExplanation")), table=item))
    return ways


def _named(name: str, word: str) -> str:
    return f"{name} ({shortened(word, 64)})" if word else name


def _chosen(ways: list[Voi], number: int) -> Voi:
    if number > len(ways):
        have = f"it has {len(ways)}: {listed(way.name for way in ways)}" if ways else "it has none"
        raise Fault(f"has no window {number}; {have}")
    return ways[number - 1]


def _shown(values: np.ndarray, way: Voi, *, signed: bool) -> tuple[np.ndarray, tuple[float, float]]:
    """Return values, and which of them are black and white."""
    if way.table is not None:
        table = tables.table_of(way.table, signed=signed or values.dtype.kind == "f")
        return table.of(values), (0.0, float(table.white))
    center, width = way.center, way.width
    if way.function not in FUNCTIONS:
        raise Fault(
            f"has a window of the kind {shortened(way.function, 40)}, which is not known; give "
            f"another, such as {named('window', '40,400')}"
        )
    if width < 1 if way.function == "LINEAR" else width <= 0:
        raise Fault(
            f"has a window of the width {width:g}, which can't be; give another, such as "
            f"{named('window', '40,400')}"
        )
    if way.function == "LINEAR_EXACT":
        return values, (center - width / 2, center + width / 2)
    if way.function == "SIGMOID":
        exponent = np.clip(-4 * (values - center) / width, -MAX_EXPONENT, MAX_EXPONENT)
        return 1 / (1 + np.exp(exponent)), (0.0, 1.0)
    if width == 1:  # there is nothing between black and white
        return (values > center - 0.5).astype(np.uint8), (0.0, 1.0)
    middle, half = center - 0.5, (width - 1) / 2
    return values, (middle - half, middle + half)
