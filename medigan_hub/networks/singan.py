"""SinGAN: a pyramid of small generators, learnt from a single image.

The coarsest generator turns noise into a small image; each finer one adds to
the enlarged result of the one before the details of its own scale, from noise
of its own. All are fully convolutional, so that noise of another size makes an
image of another size.

Source: Shaham, Dekel & Michaeli, "SinGAN: learning a generative model from a
single natural image", ICCV 2019, https://doi.org/10.1109/ICCV.2019.00467.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as nnf
from torch import nn

from medigan_hub.errors import WeightsError
from medigan_hub.networks.base import Facts, Generator
from medigan_hub.networks.loading import Layout

if TYPE_CHECKING:
    from typing_extensions import Self

PADDING = 5
"""Zeros around noise and image before each scale: five 3 x 3 convolutions take them off again."""

SIDE = 32
"""Height and width, in pixels, of an image whose size nothing says."""


class ConvBlock(nn.Sequential):
    """Convolution without padding, batch norm, LeakyReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(n_in, n_out, kernel))
        self.add_module("norm", nn.BatchNorm2d(n_out))
        self.add_module("activation", nn.LeakyReLU(0.2, inplace=True))


class SinganScale(Generator):
    """The generator of one scale.

    Parameters
    ----------
    channels
        Channels of the image.
    widths
        Channels after each convolution but the last.
    kernel
        Side of the convolutions' kernels.
    """

    name = "singan-scale"
    architecture = "SinGAN"
    family = "a SinGAN scale"
    tasks = ("noise-to-image",)

    def __init__(self, channels: int = 3, widths: Sequence[int] = (32,) * 4, kernel: int = 3):
        super().__init__()
        self.hyperparameters = {
            "nfc": widths[0],
            "min_nfc": widths[-1],
            "nc_im": channels,
            "num_layer": len(widths) + 1,
            "ker_size": kernel,
            "padd_size": 0,
        }
        self.channels = channels
        self.widths = tuple(widths)
        self.head = ConvBlock(channels, widths[0], kernel)
        self.body = nn.Sequential(
            OrderedDict(
                (f"block{i}", ConvBlock(widths[i - 1], widths[i], kernel))
                for i in range(1, len(widths))
            )
        )
        self.tail = nn.Sequential(nn.Conv2d(widths[-1], channels, kernel), nn.Tanh())

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Add details to an image.

        Parameters
        ----------
        x
            The image and its noise, added up: (N, channels, height, width).
        y
            The image alone, as large.

        Returns
        -------
        torch.Tensor
            The centre of ``y``, smaller by what the convolutions take off (10
            pixels in height and width in five of 3 x 3), with the details added.
        """
        details = self.tail(self.body(self.head(x)))
        top, left = ((y.shape[i] - details.shape[i]) // 2 for i in (2, 3))
        centre = y[:, :, top : top + details.shape[2], left : left + details.shape[3]]
        return cast(torch.Tensor, details + centre)

    @classmethod
    def arguments(cls, layout: Layout) -> dict[str, Any]:
        width, channels, kernel, _ = layout.shape("head.conv.weight")
        last = max(layout.numbers("body.block"), default=0)
        blocks = (f"body.block{n}.conv.weight" for n in range(1, last + 1))
        widths = [width, *(layout.shape(block)[0] for block in blocks)]
        return {"channels": channels, "widths": widths, "kernel": kernel}

    @classmethod
    def small(cls) -> Self:
        return cls(1, (8,) * 4)

    def example(self, count: int) -> tuple[torch.Tensor, ...]:
        shape = (count, self.channels, SIDE, SIDE)
        return torch.randn(shape), torch.zeros(shape)

    def facts(self) -> Facts:
        return SinganPyramid([self], [1.0], 0.5).facts()


class SinganPyramid(Generator):
    """The generators of all scales, and the pass from the coarsest to the finest.

    Parameters
    ----------
    scales
        The generators, the coarsest first.
    amplitudes
        What the noise of each scale is multiplied by.
    factor
        Size of a scale as a fraction of the next finer one's, below 1.

    Raises
    ------
    WeightsError
        There is no scale, not one amplitude a scale, or the factor can't be one.

    Notes
    -----
    Its settings are ``noise_amplitudes`` and ``scale_factor``, which stand for
    ``amplitudes`` and ``factor`` where the tensors lack them, and ``sizes``,
    height and width of each scale in training, which only have to be as many as
    the scales: noise of any size makes an image.
    """

    name = "singan-pyramid"
    architecture = "SinGAN"
    family = "a SinGAN pyramid"
    tasks = ("noise-to-image",)
    settings = ("noise_amplitudes", "scale_factor", "sizes")

    def __init__(
        self,
        scales: Sequence[SinganScale],
        amplitudes: Sequence[float],
        factor: float,
    ) -> None:
        super().__init__()
        if not scales or len(scales) != len(amplitudes):
            raise WeightsError(
                f"a SinGAN of {len(scales)} scales comes with {len(amplitudes)} amplitudes "
                "of noise; it needs one a scale, and one scale at least"
            )
        if not 0 < factor < 1:
            raise WeightsError(
                f"the scale factor of a SinGAN is {factor}; it must be between 0 and 1"
            )
        for number, scale in enumerate(scales):
            self.add_module(f"scale{number}", scale)
        self.amplitudes = tuple(amplitudes)
        self.factor = factor
        self.hyperparameters = scales[0].hyperparameters

    @property
    def scales(self) -> list[SinganScale]:
        """The generators, the coarsest first."""
        return [module for module in self.children() if isinstance(module, SinganScale)]

    def forward(self, *noise: torch.Tensor, image: torch.Tensor | None = None) -> torch.Tensor:
        """Make images from noise, a map for each scale, the coarsest first.

        Parameters
        ----------
        noise
            Standard normal: (N, 1, height, width) for the coarsest scale, the
            same for all channels, then (N, channels, height, width), of the
            sizes that ``level_sizes`` gives.
        image
            What to start from instead of from nothing: (N, channels, height,
            width) in [-1, 1], of the scale before that of the first map. Fewer
            maps than scales then run the finest scales alone, each map with all
            channels.

        Returns
        -------
        torch.Tensor
            (N, channels, height, width) of the last map, about in [-1, 1].
        """
        count = len(noise)
        if count != len(self.scales) and (image is None or not 0 < count < len(self.scales)):
            raise ValueError(f"{count} noise maps for {len(self.scales)} scales")
        # One by one: in a batch, convolutions round otherwise, and the 8-bit
        # step between scales would make whole grey levels of that.
        starts = [None] * len(noise[0]) if image is None else torch.split(image, 1)
        rows = zip(starts, *(torch.split(maps, 1) for maps in noise), strict=True)
        return torch.cat([self._image(start, row) for start, *row in rows])

    def _image(self, image: torch.Tensor | None, noise: Sequence[torch.Tensor]) -> torch.Tensor:
        levels = list(zip(self.scales, self.amplitudes, strict=True))[-len(noise) :]
        for (scale, amplitude), z in zip(levels, noise, strict=True):
            image = refine(scale, image, z, amplitude, self.factor)
        return cast(torch.Tensor, image)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return those of the scales, ``amplitudes`` and ``factor``, both float64."""
        return {
            **self.state_dict(),
            "amplitudes": torch.tensor(self.amplitudes, dtype=torch.float64),
            "factor": torch.tensor(self.factor, dtype=torch.float64),
        }

    @classmethod
    def loaded(cls, layout: Layout, **settings: Any) -> Self:
        known = {"amplitudes": "noise_amplitudes", "factor": "scale_factor"}
        try:
            given = {
                key: torch.as_tensor(settings[name], dtype=torch.float64)
                for key, name in known.items()
                if settings.get(name) is not None
            }
        except (RuntimeError, TypeError, ValueError):
            layout.refuse("noise_amplitudes and scale_factor must be numbers")
        scales: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in {**layout.tensors, **given}.items():
            scale, _, rest = key.partition(".")
            scales.setdefault(scale, {})[rest] = tensor
        amplitudes, factor = (
            scales.pop(name, {}).get("", torch.empty(0, 0)) for name in ("amplitudes", "factor")
        )
        names = [f"scale{number}" for number in range(len(scales))]
        if set(scales) != set(names) or amplitudes.ndim != 1 or factor.ndim != 0:
            layout.expected("amplitudes, factor and keys such as scale0.head.conv.weight")
        sizes = settings.get("sizes")
        if sizes is not None and len(sizes) != len(scales):
            layout.refuse(f"{len(sizes)} sizes are given for {len(scales)} scales")
        networks = [SinganScale.from_state_dict(scales[name]) for name in names]
        return cls(networks, amplitudes.tolist(), float(factor)).eval()

    @classmethod
    def small(cls) -> Self:
        return cls([SinganScale.small() for _ in range(2)], [1.0, 0.5], 0.5)

    def example(self, count: int) -> tuple[torch.Tensor, ...]:
        sizes = level_sizes(len(self.scales), self.factor, SIDE, SIDE)
        colours = self.scales[0].channels
        return tuple(
            torch.randn(count, colours if place else 1, *size) for place, size in enumerate(sizes)
        )

    def facts(self) -> Facts:
        channels = self.scales[0].channels
        return Facts(
            architecture=self.architecture,
            tasks=self.tasks,
            size=(SIDE, SIDE),
            channels=channels,
            input_channels=channels,
            scales=len(self.scales),
            factor=self.factor,
            module="singan",
        )


def build_pyramid(
    scales: Sequence[Mapping[str, torch.Tensor]],
    amplitudes: Sequence[float],
    factor: float,
) -> SinganPyramid:
    """Build a SinGAN from what a published checkpoint holds, in eval mode.

    Parameters
    ----------
    scales
        The state dict of each scale's generator (``Gs``), the coarsest first.
    amplitudes
        Amplitude of each scale's noise (``NoiseAmp``).
    factor
        Size of a scale as a fraction of the next finer one's (``scale_factor``).

    Raises
    ------
    WeightsError
        The tensors are not those of SinGAN scales, or not one amplitude a scale.
    """
    networks = [SinganScale.from_state_dict(tensors) for tensors in scales]
    return SinganPyramid(networks, amplitudes, factor).eval()


def level_sizes(scales: int, factor: float, height: int, width: int) -> list[tuple[int, int]]:
    """Return the size of each scale's noise for an image of ``height`` x ``width`` pixels.

    >>> level_sizes(3, 0.5, 99, 80)
    [(25, 20), (50, 40), (99, 80)]
    """
    shares = [factor**level for level in reversed(range(scales))]
    return [(math.ceil(height * share), math.ceil(width * share)) for share in shares]


def refine(
    scale: SinganScale,
    image: torch.Tensor | None,
    noise: torch.Tensor,
    amplitude: float,
    factor: float,
) -> torch.Tensor:
    """Run one scale: enlarge the image of the scale before, and let the generator add details.

    ``image`` is (N, channels, ...) in [-1, 1], None for the coarsest scale;
    ``noise`` is (N, channels or 1, height, width), of the size that comes out.
    """
    inputs = scale_inputs(image, noise, amplitude, factor, scale.channels)
    return cast(torch.Tensor, scale(*inputs))


def scale_inputs(
    image: torch.Tensor | None,
    noise: torch.Tensor,
    amplitude: float,
    factor: float,
    channels: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``x`` and ``y`` of ``SinganScale.forward``, padded by zeros; see ``refine``."""
    padding = (PADDING,) * 4
    noise = nnf.pad(noise.expand(-1, channels, -1, -1), padding)
    if image is None:
        return amplitude * noise, torch.zeros_like(noise)
    height, width = noise.shape[2:]
    image = resize(image, 1 / factor)[:, :, : height - 2 * PADDING, : width - 2 * PADDING]
    y = nnf.pad(image, padding)
    if y.shape[2:] != noise.shape[2:]:  # rounded sizes may differ by a pixel
        y = nnf.interpolate(y, size=(height, width), mode="bilinear", align_corners=True)
    return amplitude * noise + y, y


def resize(image: torch.Tensor, scale: float) -> torch.Tensor:
    """Resize the 8-bit version of an image by cubic interpolation.

    ``image`` is (N, channels, height, width) in [-1, 1]. It is cut to whole
    grey levels first, as SinGAN was published, and sizes are rounded up.
    Reduced images are smoothed by as much.
    """
    levels = torch.floor(((image.float() + 1) / 2).clamp(0, 1) * 255) / 255
    with torch.autocast(image.device.type, enabled=False):
        rows, columns = (_cubic(size, scale).to(levels) for size in image.shape[2:])
        resized = rows @ levels @ columns.T
    return ((resized - 0.5) * 2).clamp(-1, 1)


@lru_cache(maxsize=64)
def _cubic(size: int, scale: float) -> torch.Tensor:
    """Return the (ceil(size * scale), size) matrix of cubic interpolation.

    Keys, "Cubic convolution interpolation for digital image processing", IEEE
    Trans. ASSP 29 (1981), https://doi.org/10.1109/TASSP.1981.1163711, a = -0.5.
    The far edge is mirrored; at the near one, as SinGAN was published, only the
    pixels that exist count.
    """
    count = math.ceil(size * scale)
    narrow = min(scale, 1.0)  # a reduced image takes a wider kernel
    reach = math.ceil(2 / narrow) + 1
    centre = (torch.arange(count, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = centre.floor().long()[:, None] + torch.arange(-reach, reach + 1)
    t = ((centre[:, None] - taps) * narrow).abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weight = torch.where(t <= 1, near, torch.where(t <= 2, far, torch.zeros_like(t)))
    weight = weight * (taps >= 0)
    weight = weight / weight.sum(dim=1, keepdim=True)
    mirrored = taps % (2 * size)
    mirrored = torch.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    return torch.zeros(count, size, dtype=torch.float64).scatter_add_(1, mirrored, weight)
