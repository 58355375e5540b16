"""Train the brain slice generator: FastGAN, first by regression, then against a discriminator.

A training slice is made by ``simulate.py`` from normally distributed
coefficients and a height; the same numbers are the generator's latent vector.

1. The first ``coarse_steps`` steps regress the slice from them at half the size.
   They begin with brains that are close to the template.
2. Steps up to ``warm_steps`` regress it at full size. This teaches the anatomy
   and leaves edges soft.
3. After that a discriminator, which sees the height as well, judges the slices,
   and the generator is to match its features of the simulated slice too, which
   sharpens them. This begins with the averaged weights of the steps before.

A run that was interrupted goes on from its last checkpoint when it is started
again with the same options.

Sources
-------
* Liu et al., "Towards faster and stabilized GAN training for high-fidelity
  few-shot image synthesis", ICLR 2021, https://arxiv.org/abs/2101.04775: the
  generator, and the hinge loss.
* Miyato and Koyama, "cGANs with projection discriminator", ICLR 2018,
  https://arxiv.org/abs/1802.05637: how the discriminator sees the height.
* Wang et al., "High-resolution image synthesis and semantic manipulation with
  conditional GANs", CVPR 2018, https://doi.org/10.1109/CVPR.2018.00917: matching
  features.
* Karras et al., "Progressive growing of GANs for improved quality, stability,
  and variation", ICLR 2018, https://arxiv.org/abs/1710.10196: exporting a
  running average of the generator's weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import torch.nn.functional as nnf
import typer
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from safetensors.torch import save_file
from simulate import COEFFICIENTS, SIZE, Simulator, draw
from torch import nn

from medigan_hub.plugin import FastGan
from medigan_model_fastgan_brain_mri.height import HIGHEST, LOWEST, WAVES, encode

HEIGHTS = np.arange(LOWEST, HIGHEST + 1, 2)
"""Heights in mm that training sees; those between are held out."""
SHARES = {4: 10, 8: 8, 16: 6, 32: 4, 64: 2, 128: 1}
"""Channels of the generator at each size, in units of ``ngf``."""
ADVERSARIAL, FEATURES, DISTANCE = 0.3, 2.0, 10.0
"""Weights of the adversarial loss, of the features' difference and of the pixels'."""
NOISE = 0.05
"""Deviation of the noise on all that the discriminator sees, so that it can't tell too easily."""
BATCH = 8
COARSE = 64
"""Pixels along each side in the first steps."""


class Judge(nn.Module):
    """Discriminator of slices at a height: hinge loss, one score for each of 8 x 8 patches."""

    def __init__(self, ndf: int) -> None:
        super().__init__()
        widths = [3, ndf, 2 * ndf, 4 * ndf, 4 * ndf]
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.height = nn.Linear(1 + 2 * WAVES, widths[-1], bias=False)

    def forward(
        self, x: torch.Tensor, height: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Judge (N, 3, SIZE, SIZE) slices with encoded heights; return scores and features."""
        features = []
        for layer in self.layers:
            x = nnf.leaky_relu(layer(x), 0.2)
            features.append(x)
        fitting = (x * self.height(height)[:, :, None, None]).sum(dim=1, keepdim=True)
        return self.score(x) + fitting, features


class CoarseView(nn.Module):
    """The generator up to ``COARSE`` pixels, and the slices that its features there make."""

    def __init__(self, generator: FastGan, last: nn.Conv2d) -> None:
        super().__init__()
        self.generator = generator
        self.last = last

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.last(self.generator.features(z, COARSE)))


@dataclass
class State:
    """All that is trained. ``average`` is the generator that gets exported."""

    generator: FastGan
    average: FastGan
    coarse: nn.Conv2d
    """Makes a slice of the generator's features at ``COARSE`` pixels."""
    judge: Judge
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer]

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the networks, in a fixed order."""
        return self.generator, self.average, self.coarse, self.judge

    def set_rates(self, rates: tuple[float, float], betas: tuple[float, float]) -> None:
        """Set the learning rates of generator and discriminator, and Adam's two decays."""
        for optimiser, rate in zip(self.optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                group.update(lr=rate, betas=betas)

    def save(self, path: Path, step: int) -> None:
        """Write everything that going on needs; a torn write can't spoil the last checkpoint."""
        stored = {
            "step": step,
            "networks": [network.state_dict() for network in self.networks()],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }
        partial = path.with_suffix(".part")
        torch.save(stored, partial)
        partial.replace(path)

    def load(self, path: Path) -> int:
        """Restore a checkpoint and return the number of steps that were done."""
        stored = torch.load(path, weights_only=True)
        for network, tensors in zip(self.networks(), stored["networks"], strict=True):
            network.load_state_dict(tensors)
        for optimiser, kept in zip(self.optimisers, stored["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        return int(stored["step"])


def make_state(ngf: int, ndf: int) -> State:
    """Build the networks and their optimisers."""
    widths = {size: share * ngf for size, share in SHARES.items()}
    generator = FastGan(COEFFICIENTS + 1 + 2 * WAVES, 3, widths)
    average = copy.deepcopy(generator).requires_grad_(False)
    coarse = nn.Conv2d(widths[COARSE], 3, 1)
    judge = Judge(ndf)
    return State(generator, average, coarse, judge, make_optimisers(generator, coarse, judge))


def make_optimisers(
    generator: FastGan, coarse: nn.Conv2d, judge: Judge
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return fresh optimisers of the generator and of the discriminator."""
    return (
        torch.optim.Adam([*generator.parameters(), *coarse.parameters()]),
        torch.optim.Adam(judge.parameters()),
    )


def start_contest(state: State, seed: int) -> None:
    """Go on from the averaged weights, with fresh optimisers."""
    tensors = settle(state.average, np.random.default_rng([seed, 0])).state_dict()
    for network in (state.generator, state.average):
        network.load_state_dict(tensors)
    state.optimisers = make_optimisers(state.generator, state.coarse, state.judge)


def regress(
    state: State, z: torch.Tensor, slices: torch.Tensor, coarse: bool = False
) -> dict[str, torch.Tensor]:
    """Update the generator towards the simulated slices of its latent vectors."""
    with torch.autocast("cpu", torch.bfloat16):
        if coarse:
            slices = nnf.avg_pool2d(slices, slices.shape[-1] // COARSE)
            made = CoarseView(state.generator, state.coarse)(z)
        else:
            made = state.generator(z)
    distance = nnf.l1_loss(made.float(), slices)
    state.optimisers[0].zero_grad(set_to_none=True)
    distance.backward()
    state.optimisers[0].step()
    return {"distance": distance.detach()}


def compete(state: State, z: torch.Tensor, slices: torch.Tensor) -> dict[str, torch.Tensor]:
    """Update the generator and the discriminator once and return the losses."""
    height = z[:, COEFFICIENTS:]
    seen = slices + NOISE * torch.randn_like(slices)
    state.judge.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        made = state.generator(z)
        shown = made + NOISE * torch.randn_like(slices)
        with torch.no_grad():
            _, wanted = state.judge(seen, height)
        fooled, features = state.judge(shown, height)
    # As shares of the features' size, which the discriminator is free to choose.
    matched = torch.stack(
        [
            nnf.l1_loss(one.float(), other.float()) / other.float().abs().mean()
            for one, other in zip(features, wanted, strict=True)
        ]
    ).mean()
    distance = nnf.l1_loss(made.float(), slices)
    adversarial = -fooled.float().mean()
    total = ADVERSARIAL * adversarial + FEATURES * matched + DISTANCE * distance
    state.optimisers[0].zero_grad(set_to_none=True)
    total.backward()
    state.optimisers[0].step()

    state.judge.requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16):
        real, _ = state.judge(seen, height)
        fake, _ = state.judge(shown.detach(), height)
    judged = nnf.relu(1 - real.float()).mean() + nnf.relu(1 + fake.float()).mean()
    state.optimisers[1].zero_grad(set_to_none=True)
    judged.backward()
    state.optimisers[1].step()
    losses = {"distance": distance, "adversarial": adversarial, "features": matched}
    return {name: loss.detach() for name, loss in (losses | {"judge": judged}).items()}


def training_batch(
    simulator: Simulator, rng: np.random.Generator, spread: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make latent vectors, (BATCH, nz), and the slices that they describe.

    ``spread`` is the coefficients' deviation.
    """
    coefficients, heights = draw(rng, BATCH, HEIGHTS)
    coefficients *= spread
    z = torch.from_numpy(np.concatenate([coefficients, encode(heights)], axis=1))
    return z, simulator.slices(coefficients, heights)


@torch.no_grad()
def update_average(state: State, keep: float) -> None:
    """Move the averaged weights a little towards those of the generator."""
    means, now = state.average.state_dict(), state.generator.state_dict()
    for name, tensor in means.items():
        if tensor.is_floating_point():
            tensor.lerp_(now[name], 1 - keep)


@torch.no_grad()
def settle(network: FastGan, rng: np.random.Generator, batches: int = 8) -> FastGan:
    """Return a copy whose batch norms and spectral norms are measured for its own weights."""
    network = copy.deepcopy(network).train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = cast(float, None)  # a plain mean over the batches
    for _ in range(batches):
        coefficients, heights = draw(rng, 32, HEIGHTS)
        network(torch.from_numpy(np.concatenate([coefficients, encode(heights)], axis=1)))
    return network.eval()


@torch.no_grad()
def save_sheet(path: Path, network: nn.Module, simulator: Simulator) -> float:
    """Write simulated slices above generated ones, and return how far apart they are.

    They are of held-out heights: two brains a column, image and masks a row.
    """
    heights = np.linspace(LOWEST + 5, HIGHEST - 5, 9).round()
    coefficients, _ = draw(np.random.default_rng(0), len(heights), heights)
    z = torch.from_numpy(np.concatenate([coefficients, encode(heights)], axis=1))
    wanted = simulator.slices(coefficients, heights)
    made = nnf.interpolate(network(z), SIZE)  # coarse ones are enlarged
    rows = [stack[:, channel] for channel in range(3) for stack in (wanted, made)]
    sheet = torch.cat([torch.cat(list(row), dim=1) for row in rows]).clamp(-1, 1)
    Image.fromarray(((sheet + 1) * 127.5).round().byte().numpy()).save(path)
    return float((wanted - made).abs().mean())


def main(
    out: Annotated[Path, typer.Option(help="Checkpoints, samples and weights.")] = Path("run"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps in all.")] = 7000,
    warm_steps: Annotated[int, typer.Option(min=0, help="Of them by regression.")] = 3900,
    coarse_steps: Annotated[int, typer.Option(min=0, help="Of those at half size.")] = 2400,
    learning_rate: Annotated[float, typer.Option(help="Adam, at the start.")] = 2e-3,
    judge_rate: Annotated[float, typer.Option(help="Adam, of the discriminator.")] = 2e-4,
    average: Annotated[float, typer.Option(help="Decay of the weight average.")] = 0.995,
    ngf: Annotated[int, typer.Option(min=2, help="Generator channels at 128 pixels.")] = 16,
    ndf: Annotated[int, typer.Option(min=2, help="Discriminator channels at 64 pixels.")] = 32,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 250,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and slices.")] = 1,
) -> None:
    """Train the generator and export its averaged weights as OUT/generator.safetensors."""
    torch.set_num_threads(1)  # so that a run gives the same weights again
    torch.manual_seed(seed)
    (out / "samples").mkdir(parents=True, exist_ok=True)
    simulator = Simulator()
    state = make_state(ngf, ndf)
    checkpoint = out / "checkpoint.pt"
    first = state.load(checkpoint) if checkpoint.exists() else 0

    start, sums = time.perf_counter(), defaultdict(list)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=steps, completed=first)
        for step in range(first, steps):
            rng = np.random.default_rng([seed, step])  # so a resumed run sees the same slices
            torch.manual_seed(int(rng.integers(2**31)))
            if step < warm_steps:
                rate = learning_rate * (0.1 + 0.9 * decay(step / warm_steps))
                state.set_rates((rate, 0.0), betas=(0.9, 0.99))
                coarse = step < coarse_steps
                spread = min(1.0, 0.3 + step / coarse_steps) if coarse else 1.0
                losses = regress(state, *training_batch(simulator, rng, spread), coarse)
            else:
                if step == warm_steps:
                    start_contest(state, seed)
                share = decay((step - warm_steps) / (steps - warm_steps))
                rates = (0.25 * learning_rate * share, judge_rate * share)
                state.set_rates(rates, betas=(0.5, 0.99))
                losses = compete(state, *training_batch(simulator, rng))
            for name, loss in losses.items():
                sums[name].append(loss)
            # The average starts as a plain mean, so early exports are of use too.
            update_average(state, min(average, (1 + step) / (10 + step)))
            progress.advance(task)
            done = step + 1
            if done % save_every == 0 or done == steps:
                state.save(checkpoint, done)
                settled = settle(state.average, np.random.default_rng([seed, 0]))
                network: nn.Module = settled
                tensors = {k: v.contiguous() for k, v in settled.state_dict().items()}
                save_file(tensors, out / "generator.safetensors")
                if done <= coarse_steps:
                    network = CoarseView(settled, state.coarse)
                error = save_sheet(out / "samples" / f"{done:06d}.png", network, simulator)
                means = ", ".join(f"{k} {torch.stack(v).mean():.4f}" for k, v in sums.items())
                seconds = time.perf_counter() - start
                progress.console.print(
                    f"step {done}: {means}, held-out distance {error:.4f}; {seconds:.0f} s"
                )
                sums.clear()


def decay(share: float) -> float:
    """Return the factor of the learning rate when ``share`` of a phase is done: half a cosine."""
    return 0.5 + 0.5 * math.cos(math.pi * share)


if __name__ == "__main__":
    typer.run(main)
