"""What is asked for, checked before any image is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub.errors import RequestError, listed, named, require, shortened, whole_number
from medigan_hub.evaluation import asking
from medigan_hub.evaluation import extractors as known_extractors
from medigan_hub.evaluation.utility.learners import Learner
from medigan_hub.evaluation.utility.probing import Probing
from medigan_hub.evaluation.utility.training import Training

if TYPE_CHECKING:
    from torch.nn import Module

    from medigan_hub.evaluation.extractors import Extractor

SHARES, RATIOS, REPEATS = (0.1, 0.3, 1.0), (0.5, 1, 2, 4), 10
FEWEST_REPEATS, HIGHEST_RATIO = 3, 1000
OF_LABELS, OF_MASKS = ("probe", "cnn"), ("unet",)


@dataclass(frozen=True)
class Asked:
    """How much is to be learned from, and how often."""

    shares: tuple[float, ...]
    """Rising."""
    ratios: tuple[float, ...]
    """Rising."""
    repeats: int
    seed: int

    @classmethod
    def of(cls, shares: Sequence[float], ratios: Sequence[float], repeats: int, seed: int) -> Asked:
        """Return what is asked for.

        Raises
        ------
        RequestError
            A number is none, or out of range.
        """
        least = FEWEST_REPEATS
        return cls(
            _numbers("shares", shares, 1, "above 0 up to 1"),
            _numbers("ratios", ratios, HIGHEST_RATIO, f"above 0 up to {HIGHEST_RATIO}"),
            whole_number(f"the number of {named('repeats')}", repeats, least, 10_000),
            whole_number("the seed", seed, 0, 2**64 - 1),
        )


def _numbers(name: str, given: Any, most: float, words: str) -> tuple[float, ...]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        given = [given]
    found = set()
    for each in given:
        try:
            number = float(each) if not isinstance(each, (bool, str)) else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if not 0 < number <= most:
            raise RequestError(f"{named(name)} has {shortened(each)}; give numbers {words}")
        found.add(number)
    if not found:
        raise RequestError(f"there are no {named(name)}; give one at least, a number {words}")
    return tuple(sorted(found))


def learner_of(
    given: str | Callable[[int, int], Module] | None,
    extractors: Sequence[str | Extractor | Module],
    weights: Mapping[str, str | Path] | None,
    *,
    is_of_masks: bool,
) -> Learner:
    """Return what learns.

    Raises
    ------
    HubError
        There is no such learner or extractor, it does not learn what is asked for, or something
        is not installed.
    """
    name = given or (OF_MASKS if is_of_masks else OF_LABELS)[0]
    if not isinstance(name, str):
        return _custom(name, extractors)
    fitting = OF_MASKS if is_of_masks else OF_LABELS
    if name not in fitting:
        there = name in (*OF_LABELS, *OF_MASKS)
        what = "masks" if is_of_masks else "a label"
        words = f"does not learn {what}" if there else "is none that there is"
        raise RequestError(
            f"the {named('learner')} {shortened(name)!r} {words}; use {listed(fitting, ' or ')}"
        )
    if name != "probe":
        _check_no_extractors(name, extractors, weights)
        require("torch", extra="torch", purpose="training a network")
        return Training(name, is_of_masks)
    chosen = asking.extractors_of(extractors, weights or {}) or [known_extractors.find("texture")]
    probe = Probing(chosen)
    probe.check()
    return probe


def _custom(
    made: Callable[[int, int], Module], extractors: Sequence[str | Extractor | Module]
) -> Learner:
    wrong = RequestError(
        f"the {named('learner')} is a {type(made).__name__}; give what makes a network anew "
        "for each arm, as lambda channels, outputs: Network(channels, outputs)"
    )
    if not callable(made):
        raise wrong
    torch = require("torch", extra="torch", purpose="training a network")
    if isinstance(made, torch.nn.Module):
        raise wrong
    name = str(getattr(made, "__name__", type(made).__name__)).strip("<>")
    _check_no_extractors(name, extractors, None)
    return Training(name, None, made)


def _check_no_extractors(
    name: str, extractors: Sequence[object], weights: Mapping[str, object] | None
) -> None:
    if extractors or weights:
        raise RequestError(
            f"{named('extractors')} are for the probe, and {name} takes the images themselves; "
            "leave them out"
        )
