"""What was found as a table, for people: the verdict first, and then every arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medigan_hub.evaluation.digits import Valued, places, shown
from medigan_hub.evaluation.utility.arms import REAL, percent
from medigan_hub.evaluation.utility.results import HARMS, HELPS, ArmScore, Utility
from medigan_hub.terminal import text

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADS = ("learned from", "ratio", "{metric} (95 %)", "gain over real", "over controls", "")
READING = (
    "gain: over real images alone of the same share; over controls: over the better one of them. "
    "A mixture helps where it gains over all of these, at 5 % for all mixtures together."
)


def table(found: Utility) -> RenderableType:
    """Return it to be printed; on a narrow terminal, cells are wrapped and not cut."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    parts: list[RenderableType] = [text(found.verdict, style="bold"), text(f"\n{found.about}.")]
    for group, share in dict.fromkeys((each.group, each.share) for each in found.arms):
        own = [each for each in found.chosen(group=group) if each.share == share]
        count = next(each.num_real for each in own if each.arm == REAL)
        of = "" if group is None else f", tested on {group}"
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for head in HEADS:
            grid.add_column(head.format(metric=found.leading))
        for each in own:
            grid.add_row(*map(text, row(each)))
        heading = f"\n{percent(share)} of the real images: {count}{of}"
        parts += [text(heading, style="bold"), Padding(grid, (0, 0, 0, 2))]
    parts.append(text(f"\n{READING}"))
    return Group(*parts, *map(text, found.notes))


def row(arm: ArmScore) -> tuple[str, ...]:
    """Return what is said of an arm, by ``HEADS``."""
    name = f"{arm.arm} ({arm.num_synthetic})" if arm.num_synthetic else arm.arm
    return (
        name,
        "-" if arm.ratio is None else f"{arm.ratio:g}",
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
