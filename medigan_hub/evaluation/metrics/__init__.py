"""Metrics of two sets of images: one idea a file, all found through ``register_metrics``.

Metrics of pairs of images, which ``pairs`` has, come through the same hook.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from medigan_hub import plugins
from medigan_hub.errors import PluginError, RequestError, close_to, listed, shortened
from medigan_hub.evaluation.metrics.base import Groups, Metric
from medigan_hub.evaluation.pairs import OWN, PairMetric
from medigan_hub.hookspecs import hookimpl

__all__ = ["Groups", "Metric", "find", "find_pair", "names", "pair_names"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")
Kind = TypeVar("Kind", Metric, PairMetric)


@hookimpl
def register_metrics() -> Iterable[Metric | PairMetric]:
    """Return the hub's own metrics, the leading one first."""
    from medigan_hub.evaluation.metrics.diversity import Vendi
    from medigan_hub.evaluation.metrics.frechet import FD, FRD
    from medigan_hub.evaluation.metrics.kernels import KID, MMD
    from medigan_hub.evaluation.metrics.neighbours import Coverage, Density, Precision, Recall
    from medigan_hub.evaluation.metrics.similarity import MultiScaleSimilarity
    from medigan_hub.evaluation.metrics.sliced import SWD

    return [
        KID(),
        MMD(),
        FD(),
        FRD(),
        SWD(),
        Precision(),
        Recall(),
        Density(),
        Coverage(),
        Vendi(),
        MultiScaleSimilarity(),
        *OWN,
    ]


def names() -> list[str]:
    """Return the names of all metrics of sets: the hub's own, then those of extensions."""
    return list(_of_sets())


def pair_names() -> list[str]:
    """Return the names of all metrics of pairs: the hub's own, then those of extensions."""
    return list(_of_pairs())


def find(name: str) -> Metric:
    """Return the metric of sets of a name; case does not matter.

    Raises
    ------
    RequestError
        There is none of this name.
    """
    return _found(name, _of_sets(), "metric")


def find_pair(name: str) -> PairMetric:
    """Return the metric of pairs of a name; case does not matter.

    Raises
    ------
    RequestError
        There is none of this name.
    """
    return _found(name, _of_pairs(), "metric of pairs of images")


def _found(name: str, known: Mapping[str, Kind], what: str) -> Kind:
    by_fold = {each.casefold(): metric for each, metric in known.items()}
    found = by_fold.get(name.casefold())
    if found is None:
        close = close_to(name, known)
        hint = f"did you mean {listed(close, ' or ')}? " if close else ""
        raise RequestError(f"there is no {what} {shortened(name)!r}; {hint}use {listed(known)}")
    return found


def _of_sets() -> Mapping[str, Metric]:
    return {name: each for name, each in _known().items() if isinstance(each, Metric)}


def _of_pairs() -> Mapping[str, PairMetric]:
    return {name: each for name, each in _known().items() if isinstance(each, PairMetric)}


def _known() -> Mapping[str, Metric | PairMetric]:
    return plugins.registered(sys.modules[__name__], "register_metrics", "metric", _name)


def _name(metric: Any) -> str:
    """Return the name of a metric; a ``PluginError`` says why it is none."""
    if not isinstance(metric, Metric | PairMetric):
        raise PluginError("it is no Metric and no PairMetric")
    name = getattr(metric, "name", None)
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise PluginError(f"its name is {shortened(name)!r}; a name is as KID")
    for word in ("title", "source"):
        if not isinstance(getattr(metric, word, None), str):
            raise PluginError(f"it has no {word}")
    return name
