"""What the tabs of a page share."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

from medigan_hub.app.settings import Settings
from medigan_hub.search import Index

if TYPE_CHECKING:
    from pathlib import Path

    import gradio as gr
    import numpy as np
    from typing_extensions import Unpack

    from medigan_hub.catalogue import Entry
    from medigan_hub.evaluation.judged import Judged
    from medigan_hub.evaluation.privacy.judged import JudgedPrivacy
    from medigan_hub.evaluation.sources import ImageSet
    from medigan_hub.generation import Wishes
    from medigan_hub.inputs import Source
    from medigan_hub.plugins import Plugin
    from medigan_hub.samples import GenerationRequest

QUIETLY: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Of every event: no part of an interface for programs, and progress is told in words."""
AT_ONCE: dict[str, Any] = {**QUIETLY, "queue": False}
"""Of events that take a moment: they pass by the queue, which takes longer than they do.

Of several that begin together, as when a page is opened, the queue's answers may get lost: the
web framework closes their stream at the end of the first, if it has not heard of the others.
"""


class Hub(Protocol):
    """What the page asks of the hub, which stands above it, since the hub opens the page."""

    def models(self) -> list[Entry]:
        """Return all models."""
        ...

    def model(self, model: str | int) -> Entry:
        """Return one."""
        ...

    def request(
        self, model: str, num_samples: int | None, wishes: Wishes
    ) -> tuple[Plugin, GenerationRequest]:
        """Return what is to be run for some wishes."""
        ...

    def directions(
        self,
        model: str,
        count: int = 10,
        *,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> np.ndarray:
        """Return the directions in a model's latent space along which its images change most."""
        ...

    def save(
        self,
        model: str,
        num_samples: int | None,
        output: str | Path,
        *,
        format: str = "png",  # noqa: A002 (as the hub calls it)
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> object:
        """Write a data set."""
        ...

    def evaluate(
        self,
        real: Source | ImageSet,
        synthetic: Source | ImageSet,
        *,
        metrics: Sequence[str] = (),
        extractors: Sequence[str] = (),
        normalize: str = "none",
        num_samples: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> Judged:
        """Judge synthetic images."""
        ...

    def privacy(
        self,
        train: Source | ImageSet,
        heldout: Source | ImageSet,
        synthetic: Source | ImageSet,
        *,
        extractors: Sequence[str] = (),
        normalize: str = "none",
        num_samples: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        **wishes: Unpack[Wishes],
    ) -> JudgedPrivacy:
        """Look for copies of training images among synthetic ones."""
        ...


@dataclass
class Context:
    """The hub, and the parts of the page that every tab uses."""

    hub: Hub
    settings: Settings
    session: gr.State
    model: gr.Dropdown
    """Which model the tabs are about."""
    tabs: gr.Tabs
    shown: list[Any]
    """How pictures are shown: the fields of ``display.settings``."""
    loads: list[tuple[Callable[..., Any], list[Any], list[Any]]] = field(default_factory=list)
    """What is to be done when a page is opened: with which inputs, for which outputs."""

    @cached_property
    def index(self) -> Index:
        """The models, to be searched."""
        return Index(self.hub.models())

    def refresh(self) -> None:
        """Look for models anew: some may have been installed since."""
        importlib.invalidate_caches()
        self.hub = type(self.hub)()
        self.__dict__.pop("index", None)

    def entry(self, model: str) -> Entry:
        """Return a model of the catalogue."""
        return self.hub.model(model)

    def request(
        self, model: str, count: int | None, wishes: Wishes
    ) -> tuple[Plugin, GenerationRequest]:
        """Return what is to be run for wishes of the page."""
        return self.hub.request(model, count, self.wishes(wishes))

    def wishes(self, wishes: Wishes) -> Wishes:
        """Return wishes of the page, with what is set for all."""
        return cast("Wishes", {**self.settings.wishes, **wishes})

    def installed(self) -> list[str]:
        """Return the names of the models that can run here."""
        return [entry.metadata.name for entry in self.hub.models() if entry.plugin is not None]
