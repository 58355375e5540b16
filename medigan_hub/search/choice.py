"""Choosing one of the models that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medigan_hub.catalogue import Entry
from medigan_hub.errors import RequestError
from medigan_hub.search.index import CRITERIA, Match

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes
    from medigan_hub.search.index import Criteria


def split(asked: Mapping[str, Any]) -> tuple[Criteria, Wishes]:
    """Return what of a call is for the search, and what for the samples.

    Raises
    ------
    RequestError
        A name is for neither.
    """
    from medigan_hub.generation import WISHES

    known = CRITERIA | WISHES
    for name in asked:
        if name not in known:
            raise RequestError(f"there is no {name!r} to ask for; use {', '.join(sorted(known))}")
    criteria: Any = {name: value for name, value in asked.items() if name in CRITERIA}
    wishes: Any = {name: value for name, value in asked.items() if name in WISHES}
    return criteria, wishes


def choose(
    matches: Sequence[Match], words: str | Sequence[str], order: str | None
) -> tuple[Entry, str]:
    """Return the first match that is installed, and in one line why it is taken.

    Raises
    ------
    RequestError
        No model matches, or none that does is installed.
    """
    text = words if isinstance(words, str) else " ".join(words)
    what = f"{len(matches)} {'match' if len(matches) == 1 else 'matches'}"
    what += f" for {text!r}" if text.strip() else ""
    if not matches:
        raise RequestError(f"{what}; ask for less, or see all models with: medigan list")
    match = next((match for match in matches if match.entry.plugin is not None), None)
    if match is None:
        best = matches[0].entry.metadata.name
        raise RequestError(f"none of {what} is installed; get the best: medigan install {best}")
    by = ""
    if match.metric is not None:
        value = "which it has no value of" if match.value is None else f"{match.value:g}"
        by = f" by {match.metric}{f' {order}' if order else ''} ({value})"
    ahead = [other.entry.metadata.name for other in matches[: matches.index(match)]]
    best = "best installed" if ahead else "best"
    reason = f"{match.entry.metadata.name}: the {best} of {what}{by}"
    if ahead:
        reason += f"; ahead of it, not installed: {', '.join(ahead)}"
    return match.entry, reason
