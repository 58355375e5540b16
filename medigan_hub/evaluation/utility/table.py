"""What was found as a table, for people: the verdict first, and then every arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medigan_hub.evaluation.digits import Valued, places, shown
from medigan_hub.evaluation.utility.arms import percent
from medigan_hub.evaluation.utility.results import HARMS, HELPS, ArmScore, Utility
from medigan_hub.terminal import text

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADS = (
    "share",
    "learned from",
    "ratio",
    "images",
    "{metric} (95 %)",
    "gain over real",
    "over controls",
    "",
)


def table(found: Utility) -> RenderableType:
    """Return it to be printed."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    parts: list[RenderableType] = [text(found.verdict, style="bold"), text(f"\n{found.about}.")]
    for group in dict.fromkeys(each.group for each in found.arms):
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        heads, rows = cells(found, found.leading, group)
        for head in heads:
            grid.add_column(head, no_wrap=True)
        for row in rows:
            grid.add_row(*map(text, row))
        parts += [text(f"\n{group or 'all test images'}", style="bold")]
        parts.append(Padding(grid, (0, 0, 0, 2)))
    parts.append(text(f"\n{READING}"))
    return Group(*parts, *map(text, found.notes))


def cells(
    found: Utility, metric: str, group: str | None
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the heads and the rows of the arms by one score, of all test images or a group."""
    rows, last = [], None
    for each in found.chosen(metric, group):
        rows.append(_row(each, is_first=each.share != last))
        last = each.share
    return [head.format(metric=metric) for head in HEADS], rows


READING = (
    "gain: over real images alone of the same share; over controls: over the better one of them. "
    "A mixture helps where it gains over all of these, at 5 % for all mixtures together."
)


def _row(arm: ArmScore, *, is_first: bool) -> tuple[str, ...]:
    return (
        percent(arm.share) if is_first else "",
        arm.arm,
        "-" if arm.ratio is None else f"{arm.ratio:g}",
        f"{arm.num_real} + {arm.num_synthetic}",
        ranged(arm),
        "-" if arm.gain is None else ranged(arm.gain, "+"),
        "-" if arm.gain_over_controls is None else ranged(arm.gain_over_controls, "+"),
        arm.verdict if arm.verdict in (HELPS, HARMS) else "",
    )


def ranged(found: Valued, sign: str = "") -> str:
    """Return a value with its interval; a sign before each number where it is a difference."""
    digits = min(4, places(found))

    def word(value: float | None) -> str:
        plus = sign if value is not None and value > 0 else ""
        return plus + shown(value, digits)

    if found.low is None or found.high is None:
        return word(found.value)
    return f"{word(found.value)} ({word(found.low)} to {word(found.high)})"
