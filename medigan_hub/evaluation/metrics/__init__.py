"""Metrics of two sets of images: one idea a file, all found through ``register_metrics``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from medigan_hub import plugins
from medigan_hub.errors import PluginError, RequestError, close_to, listed, shortened
from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.hookspecs import hookimpl

__all__ = ["Groups", "Metric", "find", "names"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")


@hookimpl
def register_metrics() -> Iterable[Metric]:
    """Return the hub's own metrics, the leading one first."""
    from medigan_hub.evaluation.metrics.diversity import StructuralLikeness, VendiScore
    from medigan_hub.evaluation.metrics.frechet import FrechetDistance, RadiomicDistance
    from medigan_hub.evaluation.metrics.kernels import GaussianDiscrepancy, KernelDistance
    from medigan_hub.evaluation.metrics.neighbours import Coverage, Density, Precision, Recall
    from medigan_hub.evaluation.metrics.wasserstein import SlicedWasserstein

    return [
        *(KernelDistance(), GaussianDiscrepancy(), FrechetDistance(), RadiomicDistance()),
        *(SlicedWasserstein(), Precision(), Recall(), Density(), Coverage()),
        *(VendiScore(), StructuralLikeness()),
    ]


def names() -> list[str]:
    """Return the names of all metrics: the hub's own, then those of extensions."""
    return list(_known())


def find(name: str) -> Metric:
    """Return the metric of a name; case does not matter.

    Raises
    ------
    RequestError
        There is none of this name.
    """
    by_fold = {each.casefold(): metric for each, metric in _known().items()}
    found = by_fold.get(name.casefold())
    if found is None:
        close = close_to(name, names())
        hint = f"did you mean {listed(close, ' or ')}? " if close else ""
        raise RequestError(f"there is no metric {shortened(name)!r}; {hint}use {listed(names())}")
    return found


def _known() -> Mapping[str, Metric]:
    return plugins.registered(sys.modules[__name__], "register_metrics", "metric", _name)


def _name(metric: Any) -> str:
    """Return the name of a metric; a ``PluginError`` says why it is none."""
    if not isinstance(metric, Metric):
        raise PluginError("it is no Metric")
    name = getattr(metric, "name", None)
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise PluginError(f"its name is {shortened(name)!r}; a name is as KID")
    for word in ("title", "source"):
        if not isinstance(getattr(metric, word, None), str):
            raise PluginError(f"it has no {word}")
    return name
