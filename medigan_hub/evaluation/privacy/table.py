"""Findings for people: the verdict first, then a table of all spaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from medigan_hub.evaluation.privacy.verdict import percent, percents, sharpest
from medigan_hub.terminal import text

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("", *("near", "expected", "copies", "p", "C_T", "authentic", "membership"))


def table(document: Mapping[str, Any]) -> RenderableType:
    """Return findings, as ``privacy.json`` has them, to be printed."""
    from rich.console import Group
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        grid.add_column(name, no_wrap=True)
    for space in document["spaces"]:
        for row in rows(space):
            grid.add_row(*map(text, row))
    remarks = (*reading(document), *document["notes"])
    return Group(text(document["verdict"]), text(""), grid, text(""), *map(text, remarks))


def rows(space: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a space: its values, and their intervals or what to hold them against."""
    test = sharpest(space)
    copying, ours, theirs = (
        space[key] for key in ("data_copying", "authentic", "authentic_heldout")
    )
    attack = space["membership"]
    has_ends = attack["low"] is not None
    yield (
        space["space"],
        percent(space["share_flagged"]),
        percent(space["expected"]),
        str(test["counted"]),
        f"{test['corrected']:.2g}",
        "-" if copying is None else f"{copying['value']:.1f}",
        "-" if ours is None else percent(ours["value"]),
        f"{attack['auc']:.2f}",
    )
    yield (
        "",
        percents(space["low"], space["high"]),
        "",
        "",
        "",
        "" if copying is None else f"{copying['low']:.1f} to {copying['high']:.1f}",
        "" if theirs is None else f"real {percent(theirs['value'])}",
        f"{attack['low']:.2f} to {attack['high']:.2f}" if has_ends else "",
    )


def reading(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is to be known to read the table, a line each."""
    yield (
        "near: synthetic images that are nearer to a training image than 1 % of the held-out ones "
        "are. copies: of these, or of those nearer than every held-out image, the ones that are "
        "twice as near to a training image as to any held-out one; p is that of chance, corrected."
    )
    if any(space["data_copying"] for space in document["spaces"]):
        yield "C_T: below its range, synthetic images are nearer to training images than others."
    if any(space["authentic"] for space in document["spaces"]):
        yield (
            "authentic: images that AuthPct calls no copies, beside what it says of the held-out "
            "ones, which are none."
        )
    yield "membership: AUC of telling training from held-out images by nearness; 0.5 is chance."
