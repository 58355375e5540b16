"""The generator of DCGAN, which WGAN-GP trains too, with and without classes.

Sources: Radford et al., "Unsupervised representation learning with deep
convolutional generative adversarial networks", ICLR 2016
(https://arxiv.org/abs/1511.06434), for the network; Mirza & Osindero,
"Conditional generative adversarial nets", 2014
(https://arxiv.org/abs/1411.1784), for the classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn

from medigan_hub.networks.base import LatentGenerator
from medigan_hub.networks.loading import Layout, Unused
from medigan_hub.networks.settings import fraction

if TYPE_CHECKING:
    from typing_extensions import Self


class Dcgan(LatentGenerator):
    """Noise-to-image generator: transposed convolutions, each twice as large as the one before.

    Parameters
    ----------
    nz
        Length of the latent vector.
    widths
        Channels after each convolution but the last, from 4 pixels on.
    nc
        Channels of the image.
    classes
        Number of classes, length of each one's embedding and of what is made
        of it and put after the latent vector; None where there are no classes.
    leakiness
        What negative numbers there are multiplied by, from 0 to 1: 0.1 by
        default; in a ``LeakyDcgan`` those of the image's features, 0.2.
    unused
        Tensors that checkpoints hold beside, in ``first_layers`` and
        ``embed_nn``, which no image depends on.
    """

    name = "dcgan128"
    architecture = "DCGAN"
    family = "a DCGAN generator"
    settings = ("leakiness",)
    part: ClassVar[str] = "main"
    """What checkpoints call the convolutions."""
    needs_classes: ClassVar[bool] = False
    is_leaky: ClassVar[bool] = False
    leakiness: ClassVar[float] = 0.1

    def __init__(
        self,
        nz: int,
        widths: Sequence[int],
        nc: int = 1,
        *,
        classes: tuple[int, int, int] | None = None,
        leakiness: float | None = None,
        unused: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.hyperparameters = {
            "nz": nz,
            "ngf": widths[-1],
            "widths": [width / widths[-1] for width in widths],
            # As published: the class counts as a channel.
            "nc": nc + 1 if classes else nc,
            "image_size": 4 * 2 ** len(widths),
            "n_cond": classes[0] if classes else None,
            "embedding_dim": classes[1] if classes else None,
        }
        leakiness = fraction("leakiness", self.leakiness if leakiness is None else leakiness)
        spare = Unused(unused or {})
        layers: list[nn.Module] = []
        before = nz + classes[2] if classes else nz
        for place, width in enumerate(widths):
            step, padding = (2, 1) if place else (1, 0)
            layers += [
                nn.ConvTranspose2d(before, width, 4, step, padding, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(leakiness) if self.is_leaky else nn.ReLU(),
            ]
            before = width
        layers += [nn.ConvTranspose2d(before, nc, 4, 2, 1, bias=False), nn.Tanh()]
        if hasattr(spare, "first_layers"):
            self.first_layers = spare.first_layers
        self.add_module(self.part, nn.Sequential(*layers))
        self.latent = nz
        self.classes = classes[0] if classes else 0
        if classes:
            number, length, size = classes
            self.embed_nn: nn.Module = nn.Sequential(
                nn.Embedding(number, length), nn.Linear(length, size), nn.LeakyReLU(leakiness)
            )
        elif hasattr(spare, "embed_nn"):
            self.embed_nn = cast(nn.Module, spare.embed_nn)

    def forward(self, z: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        """Make images.

        Parameters
        ----------
        z
            Latent vectors, standard normal: (N, nz) or (N, nz, 1, 1).
        condition
            The class of each, counted from 0: whole numbers, (N,) or (N, 1).
            Where the network has classes, and only there.

        Returns
        -------
        torch.Tensor
            (N, nc, size, size) in [-1, 1].

        Raises
        ------
        ValueError
            A network with classes is given none, or one without is given some.
        """
        if (condition is not None) != bool(self.classes):
            raise ValueError(
                "this DCGAN needs the class of each image beside its latent vector"
                if self.classes
                else "this DCGAN has no classes; it takes latent vectors alone"
            )
        z = z.reshape(*z.shape[:2], 1, 1)
        if condition is not None:
            embedded = self.embed_nn(condition.reshape(len(z)).long())
            z = torch.cat([z, embedded[:, :, None, None].to(z.dtype)], dim=1)
        return cast(torch.Tensor, self.get_submodule(self.part)(z))

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        nz = layout.shape(f"{cls.part}.0.weight")[0]
        # A convolution, its norm and its activation take a place each.
        last = max(3, 3 * math.ceil(layout.numbers(f"{cls.part}.")[-1] / 3))
        *widths, nc = (layout.shape(f"{cls.part}.{n}.weight")[1] for n in range(0, last + 1, 3))
        classes = None
        # Checkpoints without classes have a linear layer there, with a bias.
        if cls.needs_classes or ("embed_nn.0.weight" in layout and "embed_nn.0.bias" not in layout):
            size = layout.shape("embed_nn.1.weight", 2)[0]
            number, length = layout.shape("embed_nn.0.weight", 2)
            classes = (number, length, size)
            nz -= size
        spare = ("first_layers.",) if classes else ("first_layers.", "embed_nn.")
        unused = {key: layout.tensors[key] for key in layout.tensors if key.startswith(spare)}
        return {"nz": nz, "widths": widths, "nc": nc, "classes": classes, "unused": unused}

    @classmethod
    def small(cls) -> Self:
        return cls(8, (16, 8, 8))


class ConditionalDcgan(Dcgan):
    """A ``Dcgan`` that must have classes."""

    name = "cdcgan128"
    tasks = ("class-to-image",)
    family = "a DCGAN generator with classes"
    needs_classes = True

    @classmethod
    def small(cls) -> Self:
        return cls(8, (16, 8, 8), classes=(2, 4, 4))


class LeakyDcgan(Dcgan):
    """A ``Dcgan`` whose features keep a share of what is negative."""

    name = "dcgan128-leaky"
    family = "a DCGAN generator with LeakyReLU"
    part = "model"
    is_leaky = True
    leakiness = 0.2
