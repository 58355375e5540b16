"""Train the SinGAN of the fundus photograph, one scale after the other.

Each scale is a WGAN with gradient penalty whose discriminator judges patches of
11 x 11 pixels of that scale. Beside fooling it, the generator has to return the
training image itself for one fixed noise map. A run that was interrupted goes on
after its last finished scale when it is started again with the same options.

Sources
-------
* Shaham, Dekel & Michaeli, "SinGAN: learning a generative model from a single
  natural image", ICCV 2019, https://doi.org/10.1109/ICCV.2019.00467: networks,
  losses and their weights, noise amplitudes, optimiser.
* Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017,
  https://arxiv.org/abs/1704.00028: the gradient penalty.

Other than there,

* the coarsest scale starts from a layout and not from noise (see
  ``medigan_model_singan_fundus.layout``): from noise alone, no vessels emerged in
  trials of a few thousand steps;
* the training image is shown in pieces, bent at random as the layouts are, and each
  layout without noise is to return its own piece;
* colours are stretched to fill the range from -1 to 1;
* one step of the generator follows each of the discriminator, and all scales have
  32 channels;
* noise is five times as strong;
* the running statistics of a finished scale's batch norms are measured anew with
  its final weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as nnf
import typer
from photograph import region
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from safetensors.torch import save_file
from torch import nn

from medigan_hub.plugin import (
    ConvBlock,
    SinganPyramid,
    SinganScale,
    level_sizes,
    refine,
    resize,
    scale_inputs,
)
from medigan_model_singan_fundus import BOUNDS, COARSE, FACTOR, SCALES
from medigan_model_singan_fundus.layout import draw_coordinates, sample_image

STEPS = (3000, 2200, 1500, 900, 500)
"""Steps a scale, the coarsest first: a step costs about 1.7 times as much as one scale before."""
SIZE = (96, 144)
"""Height and width of the pieces of the photograph that the training shows."""
RECONSTRUCTION = 10.0
PENALTY = 0.1
AMPLITUDE = 0.5
"""Noise amplitude of a scale in units of the root mean square of the details that it lacks."""


def measure_colours(image: np.ndarray) -> torch.Tensor:
    """Return the lowest and highest value of each channel with a margin: (2, channels)."""
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    margin = 0.05 * (high - low)
    return torch.from_numpy(np.stack([low - margin, high + margin]))


def draw_pieces(
    image: torch.Tensor, layout: torch.Tensor, count: int, seed: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Draw pieces of the training image, and the layouts that samples like them start from.

    ``image`` and ``layout`` are (3, height, width) in [-1, 1]. Returns the
    layouts, (count, 3, ...), and the pieces at each scale.
    """
    full, coarse = (tensor.movedim(0, -1).numpy() for tensor in (image, layout))
    layouts: list[torch.Tensor] = []
    pieces: list[torch.Tensor] = []
    for piece in range(count):
        for source, share, found in ((full, 1.0, pieces), (coarse, COARSE, layouts)):
            place = draw_coordinates(np.random.default_rng([seed, piece]), SIZE, BOUNDS, share)
            found.append(torch.from_numpy(sample_image(source, place, share)).movedim(-1, 0))
    finest = torch.stack(pieces)
    reduced = [resize(finest, FACTOR**level) for level in range(SCALES - 1, 0, -1)]
    return torch.stack(layouts), [*reduced, finest]


def discriminator(width: int) -> nn.Sequential:
    """Build the network that scores each patch of 11 x 11 pixels: higher for real ones."""
    blocks = [ConvBlock(3 if n == 0 else width, width, 3) for n in range(4)]
    return nn.Sequential(*blocks, nn.Conv2d(width, 1, 3))


def initialise(network: nn.Module) -> None:
    """Draw the initial weights."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)


def random_noise(sizes: list[tuple[int, int]]) -> list[torch.Tensor]:
    """Draw a noise map for each scale."""
    return [torch.randn(1, 3, *size) for size in sizes]


def no_noise(sizes: list[tuple[int, int]]) -> list[torch.Tensor]:
    """Return the noise with which the generator is to return the training image."""
    return [torch.zeros(1, 3, *size) for size in sizes]


@torch.no_grad()
def coarser(
    scales: list[SinganScale],
    amplitudes: list[float],
    layout: torch.Tensor,
    noise: list[torch.Tensor],
) -> torch.Tensor:
    """Return what the finished scales make of a layout and noise."""
    image = layout
    for scale, amplitude, z in zip(scales, amplitudes, noise, strict=False):
        image = refine(scale, image, z, amplitude, FACTOR)
    return image


def gradient_penalty(judge: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return how far the gradient's length is from 1 between a real and a made image."""
    share = torch.rand(1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
    return ((gradient.norm(2, dim=1) - 1) ** 2).mean()


def train_scale(
    scale: SinganScale,
    judge: nn.Module,
    finished: list[SinganScale],
    amplitudes: list[float],
    layouts: torch.Tensor,
    reals: torch.Tensor,
    steps: int,
    learning_rate: float,
    progress: Progress,
) -> str:
    """Train one scale; the last of ``amplitudes`` is its own. Return the losses in words.

    ``reals`` are the pieces at this scale, and ``layouts`` what leads to them.
    """
    level = len(finished)
    sizes = level_sizes(SCALES, FACTOR, *SIZE)[: level + 1]

    def inputs(piece: int, noise: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        before = coarser(finished, amplitudes, layouts[piece : piece + 1], noise)
        return scale_inputs(before, noise[-1], amplitudes[-1], FACTOR, 3)

    def random_inputs() -> tuple[torch.Tensor, torch.Tensor]:
        return inputs(int(torch.randint(len(reals), ())), random_noise(sizes))

    anchors: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    optimisers = [
        torch.optim.Adam(network.parameters(), learning_rate, (0.5, 0.999))
        for network in (judge, scale)
    ]
    schedules = [
        torch.optim.lr_scheduler.MultiStepLR(optimiser, [int(0.8 * steps)], 0.1)
        for optimiser in optimisers
    ]
    sums = np.zeros(2)
    task = progress.add_task(f"scale {level}", total=steps)
    scale.train()
    for step in range(steps):
        piece = int(torch.randint(len(reals), ()))
        real, noisy = reals[piece : piece + 1], inputs(piece, random_noise(sizes))
        judge.requires_grad_(True)
        with torch.no_grad():
            fake = scale(*noisy)
        gap = judge(fake).mean() - judge(real).mean()
        loss = gap + PENALTY * gradient_penalty(judge, real, fake)
        optimisers[0].zero_grad(set_to_none=True)
        loss.backward()
        optimisers[0].step()

        judge.requires_grad_(False)
        if piece not in anchors:
            anchors[piece] = inputs(piece, no_noise(sizes))
        reconstruction = nnf.mse_loss(scale(*anchors[piece]), real)
        loss = RECONSTRUCTION * reconstruction - judge(scale(*noisy)).mean()
        optimisers[1].zero_grad(set_to_none=True)
        loss.backward()
        optimisers[1].step()
        for schedule in schedules:
            schedule.step()
        if step >= steps // 2:
            sums += [gap.item(), reconstruction.item()]
        progress.advance(task)
    measure_statistics(scale, random_inputs)
    gap_mean, error = sums / (steps - steps // 2)
    return f"gap {gap_mean:.3f}, reconstruction {error**0.5:.4f}"


@torch.no_grad()
def measure_statistics(
    scale: SinganScale, inputs: Callable[[], tuple[torch.Tensor, torch.Tensor]], passes: int = 64
) -> None:
    """Set the running statistics of the batch norms to their means over many images."""
    norms = [layer for layer in scale.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
    for _ in range(passes):
        scale(*inputs())
    scale.eval()


@torch.no_grad()
def save_sheet(
    path: Path,
    pyramid: SinganPyramid,
    layouts: torch.Tensor,
    reals: torch.Tensor,
    sizes: list[tuple[int, int]],
) -> None:
    """Write a PNG: six pieces, their reconstructions, and two samples of each layout."""
    images = [real[None] for real in reals[:6]]
    images += [pyramid(*no_noise(sizes), image=layout[None]) for layout in layouts[:6]]
    for _ in range(2):
        images += [pyramid(*random_noise(sizes), image=layout[None]) for layout in layouts[:6]]
    framed = torch.cat([nnf.pad(image, (1, 1, 1, 1), value=1.0) for image in images])
    sheet = framed.unflatten(0, (4, 6)).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    Image.fromarray(((sheet.clamp(-1, 1) + 1) * 127.5).byte().numpy()).save(path)


def main(
    out: Annotated[Path, typer.Option(help="Checkpoints, samples and weights.")] = Path("run"),
    effort: Annotated[float, typer.Option(min=0, help="Steps, as a multiple of the usual.")] = 1.0,
    learning_rate: Annotated[float, typer.Option(help="Adam, before the decay.")] = 5e-4,
    pieces: Annotated[int, typer.Option(min=6, help="Pieces of the photograph shown.")] = 128,
    width: Annotated[int, typer.Option(min=4, help="Channels of both networks.")] = 32,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and noise.")] = 1,
) -> None:
    """Train all scales and export them as OUT/generator.safetensors."""
    torch.set_num_threads(threads)
    (out / "samples").mkdir(parents=True, exist_ok=True)
    picture = region("training")
    colours = measure_colours(picture)
    low, high = colours.numpy()
    image = torch.from_numpy((picture - low) / (high - low) * 2 - 1).movedim(-1, 0)
    layout = resize(image[None], COARSE)[0]
    layouts, pyramid_of_reals = draw_pieces(image, layout, pieces, seed)
    scales: list[SinganScale] = []
    amplitudes: list[float] = []
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    judge = discriminator(width)
    with Progress(*columns) as progress:
        for level, reals in enumerate(pyramid_of_reals):
            start = time.perf_counter()
            torch.manual_seed(seed * 1000 + level)  # so a resumed run goes on alike
            sizes = level_sizes(SCALES, FACTOR, *SIZE)[: level + 1]
            scale = SinganScale(3, (width,) * 4)
            if level == 0:
                initialise(scale)
                initialise(judge)
            else:
                scale.load_state_dict(scales[-1].state_dict())
            lacking = []
            for start_image, real in zip(layouts[:16].split(1), reals[:16].split(1), strict=True):
                noise = no_noise(sizes)
                before = coarser(scales, amplitudes, start_image, noise)
                _, enlarged = scale_inputs(before, noise[-1], 0.0, FACTOR, 3)
                lacking.append(nnf.mse_loss(enlarged[:, :, 5:-5, 5:-5], real))
            amplitudes.append(AMPLITUDE * torch.stack(lacking).mean().sqrt().item())
            checkpoint = out / f"scale{level}.pt"
            if checkpoint.exists():
                state = torch.load(checkpoint, weights_only=True)
                scale.load_state_dict(state["scale"])
                judge.load_state_dict(state["judge"])
                scales.append(scale.eval())
                continue
            steps = max(round(effort * STEPS[level]), 1)
            losses = train_scale(
                scale, judge, scales, amplitudes, layouts, reals, steps, learning_rate, progress
            )
            scales.append(scale)
            pyramid = SinganPyramid(scales, amplitudes, FACTOR).eval()
            tensors = {**pyramid.tensors(), "layout": layout, "colours": colours}
            tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
            save_file(tensors, out / "generator.safetensors")
            save_sheet(out / "samples" / f"scale{level}.png", pyramid, layouts, reals, sizes)
            partial = checkpoint.with_suffix(".part")
            torch.save({"scale": scale.state_dict(), "judge": judge.state_dict()}, partial)
            partial.replace(checkpoint)
            seconds = time.perf_counter() - start
            progress.console.print(
                f"scale {level}, {' x '.join(map(str, sizes[-1]))}: {losses}, "
                f"noise {amplitudes[-1]:.4f}; {seconds:.0f} s"
            )
    typer.echo(f"weights in {out / 'generator.safetensors'}")


if __name__ == "__main__":
    typer.run(main)
