"""What every network of the hub says of itself.

``build``, the recognition of checkpoints and ``medigan new`` know networks by
this alone: a class with a ``name``, in a module of this package, is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from medigan_hub.networks.loading import Layout, load
from medigan_hub.networks.settings import check

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Facts:
    """What a package says of its network."""

    architecture: str
    tasks: tuple[str, ...]
    """Those that the network can be for, the likeliest first."""
    size: tuple[int, int]
    """Height and width of an image; where they follow the input, those by default."""
    channels: int
    """Of all that the network returns."""
    latent: int | None = None
    """Length of the latent vector."""
    classes: int = 0
    input_channels: int = 1
    multiple: int = 1
    """What height and width of an input are multiples of, once it is padded."""
    minimum: int = 1
    """Their least."""
    scales: int = 0
    """Maps of noise that the network takes, where it takes some."""
    factor: float = 0.0
    """Size of such a map as a fraction of the next one's."""
    outputs: tuple[str, ...] = ()
    """Names of the images, of one channel each, where it makes several."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Names and descriptions of the inputs, the mask last, where it takes several."""
    module: str = ""
    """Which module of the template calls it, where that isn't the one of its task."""


class Generator(nn.Module, ABC):
    """A network of the hub.

    A subclass's ``__init__`` takes what ``arguments`` reads off the tensors and
    the ``settings``, which its docstring explains.
    """

    name: ClassVar[str]
    """What ``build`` knows it by."""
    architecture: ClassVar[str]
    """What publications call it."""
    family: ClassVar[str]
    """What tensors are not of where they don't fit, as in "a DCGAN generator"."""
    tasks: ClassVar[tuple[str, ...]]
    """What it can be for, the likeliest first."""
    settings: ClassVar[tuple[str, ...]] = ()
    """Arguments that no tensor tells; each has a default."""
    hyperparameters: dict[str, Any]
    """What the tensors tell, under its published names."""

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, torch.Tensor], **settings: Any) -> Self:
        """Build the network that a checkpoint's tensors describe, load them, and set eval mode.

        Parameters
        ----------
        state_dict
            The tensors.
        settings
            Of the class's ``settings``; hyperparameters can be among them, and
            must then agree with the tensors.

        Raises
        ------
        WeightsError
            The tensors are not those of such a network.
        HubError
            There is no such setting, or it can't have this value.
        """
        own = {key: settings[key] for key in cls.settings if key in settings}
        network = cls.loaded(Layout(state_dict, cls.family), **own)
        check(cls.name, settings, network.hyperparameters, cls.settings)
        return network

    @classmethod
    def loaded(cls, layout: Layout, **settings: Any) -> Self:
        """Return the network that these tensors describe, with them and in eval mode."""
        arguments = cls.arguments(layout)
        return load(lambda: cls(**arguments, **settings), layout)

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        """Return the arguments of the class that the tensors tell.

        Raises
        ------
        WeightsError
            The tensors are not those of such a network.
        """
        raise NotImplementedError

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that ``from_state_dict`` makes the network from again."""
        return self.state_dict()

    @classmethod
    @abstractmethod
    def small(cls) -> Self:
        """Return a small one with random weights."""

    @abstractmethod
    def example(self, count: int) -> tuple[torch.Tensor, ...]:
        """Return random inputs for so many samples."""

    @abstractmethod
    def facts(self) -> Facts:
        """Return what a package says of this network."""

    def made(self) -> tuple[int, tuple[int, int]]:
        """Return the channels of an example image, and its height and width."""
        with torch.inference_mode():
            _, channels, height, width = self(*self.example(1)).shape
        return channels, (height, width)


class LatentGenerator(Generator):
    """One that makes images from latent vectors, (N, ``latent``), and classes where it has some.

    These are counted from 0: whole numbers, (N,).
    """

    tasks = ("noise-to-image",)
    latent: int
    classes: int = 0

    def example(self, count: int) -> tuple[torch.Tensor, ...]:
        latent = torch.randn(count, self.latent)
        return (latent, torch.arange(count) % self.classes) if self.classes else (latent,)

    def facts(self) -> Facts:
        channels, size = self.made()
        return Facts(
            architecture=f"conditional {self.architecture}" if self.classes else self.architecture,
            tasks=("class-to-image",) if self.classes else ("noise-to-image",),
            size=size,
            channels=channels,
            latent=self.latent,
            classes=self.classes,
        )


class Translator(Generator):
    """One that turns images, (N, ``input_nc``, height, width) in [-1, 1], into others as large.

    Height and width are multiples of ``2 ** halvings``, and at least ``minimum``.
    """

    tasks = ("image-to-image", "mask-to-image", "inpainting")
    input_nc: int
    halvings: int

    @property
    def minimum(self) -> int:
        """The least height and width of an input."""
        return int(2**self.halvings)

    def example(self, count: int) -> tuple[torch.Tensor, ...]:
        side = max(32, self.minimum)
        return (2 * torch.rand(count, self.input_nc, side, side) - 1,)

    def facts(self) -> Facts:
        channels, size = self.made()
        return Facts(
            architecture=self.architecture,
            tasks=self.tasks,
            size=size,
            channels=channels,
            input_channels=self.input_nc,
            multiple=2**self.halvings,
            minimum=self.minimum,
        )
