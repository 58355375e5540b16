"""Pictures of several samples: which samples they show; ``sheets`` draws them."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from medigan_hub import generation, steering
from medigan_hub.errors import RequestError, named, whole_number
from medigan_hub.plugins import Plugin
from medigan_hub.preview import sheets
from medigan_hub.preview.sheets import animation, to_screen
from medigan_hub.samples import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from medigan_hub.generation import Wishes

__all__ = ["animation", "picture", "to_screen"]


def picture(
    plugin: Plugin,
    num_samples: int | None,
    wishes: Wishes,
    *,
    grid: tuple[int, int] | None = None,
    interpolate: tuple[int, int] | None = None,
    across: str | None = None,
) -> Image:
    """Return the picture that ``Hub.preview`` describes.

    Raises
    ------
    HubError
        As for ``Hub.preview``.
    """
    if sum(way is not None for way in (grid, interpolate, across)) > 1:
        ways = f"{named('grid')}, {named('interpolate')} and {named('across')}"
        raise RequestError(f"{ways} exclude each other; ask for one of them")
    if interpolate is not None:
        return _interpolation(plugin, num_samples, interpolate, wishes)
    if across is not None:
        return _comparison(plugin, num_samples, across, wishes)
    if grid is not None:
        grid, num_samples = sheets.check_grid(grid, num_samples)
    request = generation.request(plugin.metadata, num_samples, default_count=6, **wishes)
    (request,) = _ready(plugin, request)
    return sheets.grid(generation.stream(plugin, request), request, grid)


def _interpolation(
    plugin: Plugin, steps: int | None, seeds: tuple[int, int], wishes: Wishes
) -> Image:
    first, last = sheets.pair("the interpolation", seeds, "two seeds, such as (7, 8)")
    chosen = wishes.get("indices") is not None or wishes.get("latents") is not None
    if chosen or wishes.get("seed") or wishes.get("balance"):
        raise RequestError(
            "an interpolation leads one sample from seed to seed; leave "
            f"{named('seed')}, {named('indices')}, {named('latents')} and {named('balance')} out"
        )
    steps = whole_number("the number of pictures", 8 if steps is None else steps, 2)
    steering.latent_of(plugin.metadata)
    request = generation.request(plugin.metadata, 1, **{**wishes, "seed": first})
    (request,) = _ready(plugin, request)
    requests = steering.between(request, last, steps)
    samples = chain.from_iterable(generation.stream(plugin, each) for each in requests)
    return sheets.strip(samples, request, last)


def _comparison(plugin: Plugin, num_samples: int | None, name: str, wishes: Wishes) -> Image:
    given = wishes.get("conditions") or {}
    values = steering.values_of(plugin.metadata, name, given)
    wishes = {**wishes, "conditions": {**given, name: values[0]}}
    request = generation.request(plugin.metadata, num_samples, default_count=3, **wishes)
    requests = _ready(
        plugin,
        *(replace(request, conditions={**request.conditions, name: value}) for value in values),
    )
    return sheets.table((generation.stream(plugin, each) for each in requests), requests, name)


def _ready(plugin: Plugin, *requests: GenerationRequest) -> list[GenerationRequest]:
    chosen = [generation.chosen(each) for each in requests]
    return [generation.ready(plugin, each) for each in chosen]
