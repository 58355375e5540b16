"""Choosing one of the models that were found."""

from __future__ import annotations

from collections.abc import Sequence

from medigan_hub.catalogue import Entry
from medigan_hub.errors import RequestError
from medigan_hub.search.index import Match


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
