"""Train the mammogram-to-tomosynthesis translator as a CycleGAN.

Two generators translate between the domains, two PatchGAN discriminators judge
their results, and translating there and back must return the original image.
The images are unpaired; see ``simulate.py``. A run that was interrupted goes on
from its last checkpoint when it is started again with the same options.

Sources
-------
* Zhu et al., "Unpaired image-to-image translation using cycle-consistent
  adversarial networks", ICCV 2017, https://doi.org/10.1109/ICCV.2017.244:
  losses, image pool, optimiser and learning rates.
* Isola et al., "Image-to-image translation with conditional adversarial
  networks", CVPR 2017, https://doi.org/10.1109/CVPR.2017.632: the discriminator.
* Karras et al., "Progressive growing of GANs for improved quality, stability,
  and variation", ICLR 2018, https://arxiv.org/abs/1710.10196: exporting a
  running average of the generator's weights.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as nnf
import typer
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from safetensors.torch import save_file
from torch import nn

from medigan_hub.plugin import ResnetTranslator

NARROW = ((1.0, 0.5), (1.0, 0.625), (1.0, 0.625), (1.0, 0.75), (1.0, 1.0))
WIDE = ((1.0, 0.5), (1.0, 0.625), (1.0, 0.75), (1.0, 1.0), (1.0, 1.0))
"""Height and width of the training views as shares of the image's side.

Narrow views, with little air, are cheap and come first; whole images, which the
model will be given, come more often later, from ``WIDE_FROM`` of the steps on.
"""
WIDE_FROM = 0.4
SCALES = (1.0, 1.0, 0.75)
"""Zoom factors of the training views."""
POOL = 50


@dataclass
class Networks:
    """All that is trained. ``to_slice`` is the generator that gets exported."""

    to_slice: ResnetTranslator
    to_mammogram: ResnetTranslator
    judge_slice: nn.Module
    judge_mammogram: nn.Module
    average: ResnetTranslator

    def items(self) -> dict[str, nn.Module]:
        """Return the networks by name."""
        return dict(vars(self))


def patch_discriminator(ndf: int) -> nn.Module:
    """Build the discriminator that judges patches of 70 x 70 pixels.

    It maps (N, 1, height, width) to one score a patch, (N, 1, about height / 8,
    about width / 8): 1 for real, 0 for translated.
    """
    layers: list[nn.Module] = [nn.Conv2d(1, ndf, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for before, after, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        layers += [
            nn.Conv2d(before * ndf, after * ndf, 4, stride, 1),
            nn.InstanceNorm2d(after * ndf),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(8 * ndf, 1, 4, 1, 1))


def make_networks(ngf: int, n_blocks: int, ndf: int) -> Networks:
    """Build all networks with normally distributed initial weights."""
    networks = Networks(
        ResnetTranslator(1, 1, ngf=ngf, n_blocks=n_blocks),
        ResnetTranslator(1, 1, ngf=ngf, n_blocks=n_blocks),
        patch_discriminator(ndf),
        patch_discriminator(ndf),
        ResnetTranslator(1, 1, ngf=ngf, n_blocks=n_blocks),
    )
    for network in networks.items().values():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    networks.average.load_state_dict(networks.to_slice.state_dict())
    networks.average.requires_grad_(False)
    return networks


class ImagePool:
    """Translated images of earlier steps, shown to a discriminator again now and then."""

    def __init__(self) -> None:
        self.images: list[torch.Tensor] = []

    def swap(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Store ``image`` and return it or, half of the time, an older one."""
        image = image.detach()
        if len(self.images) < POOL:
            self.images.append(image)
            return image
        if rng.random() < 0.5:
            return image
        index = int(rng.integers(POOL))
        older, self.images[index] = self.images[index], image
        return older


def draw_view(
    stack: np.ndarray, crop: tuple[float, float], scale: float, rng: np.random.Generator
) -> torch.Tensor:
    """Draw a training view, (1, 1, height, width) in [-1, 1], from a (N, size, size) stack.

    Instance normalisation makes the networks depend on how much of the view is
    air, so views hold whole breasts and vary in how much air they hold.
    """
    image = stack[rng.integers(len(stack))]
    size = image.shape[0]
    if image[:, 0].sum(dtype=np.int64) < image[:, -1].sum(dtype=np.int64):
        image = image[:, ::-1]  # chest wall to the left
    height, width = (max(int(size * share) // 4 * 4, 32) for share in crop)
    top = rng.integers(size - height + 1)
    left = 0 if rng.random() < 0.7 else rng.integers(min(size - width, size // 8) + 1)
    image = image[top : top + height, left : left + width]
    if rng.random() < 0.5:
        image = image[:, ::-1]
    view = torch.from_numpy(image.astype(np.float32) / 127.5 - 1)[None, None]
    if scale != 1 and min(height, width) * scale >= 32:
        target = [max(int(n * scale) // 4 * 4, 32) for n in (height, width)]
        view = nnf.interpolate(view, size=target, mode="bilinear", antialias=True)
    return view


def train_step(
    networks: Networks,
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    pools: tuple[ImagePool, ImagePool],
    views: tuple[torch.Tensor, torch.Tensor],
    weights: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Update all networks once and return the losses.

    ``views`` are a mammogram and a slice of another breast, ``weights`` those
    of the cycle and the identity loss (0 leaves the latter out).
    """
    mammogram, tomo = views
    cycle_weight, identity_weight = weights
    judges = (networks.judge_slice, networks.judge_mammogram)
    for judge in judges:
        judge.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        fake_slice = networks.to_slice(mammogram)
        fake_mammogram = networks.to_mammogram(tomo)
        back_mammogram = networks.to_mammogram(fake_slice)
        back_slice = networks.to_slice(fake_mammogram)
        fooled = [judges[0](fake_slice), judges[1](fake_mammogram)]
    adversarial = torch.stack([(score.float() - 1).square().mean() for score in fooled]).sum()
    cycle = nnf.l1_loss(back_mammogram.float(), mammogram)
    cycle = cycle + nnf.l1_loss(back_slice.float(), tomo)
    total = adversarial + cycle_weight * cycle
    if identity_weight:
        with torch.autocast("cpu", torch.bfloat16):
            same = (networks.to_slice(tomo), networks.to_mammogram(mammogram))
        identity = nnf.l1_loss(same[0].float(), tomo) + nnf.l1_loss(same[1].float(), mammogram)
        total = total + identity_weight * identity
    optimisers[0].zero_grad(set_to_none=True)
    total.backward()
    optimisers[0].step()

    for judge in judges:
        judge.requires_grad_(True)
    shown = [pools[0].swap(fake_slice, rng), pools[1].swap(fake_mammogram, rng)]
    with torch.autocast("cpu", torch.bfloat16):
        real = [judges[0](tomo), judges[1](mammogram)]
        fake = [judge(image) for judge, image in zip(judges, shown, strict=True)]
    errors = [(score.float() - 1).square().mean() for score in real]
    errors += [score.float().square().mean() for score in fake]
    judged = 0.5 * torch.stack(errors).sum()
    optimisers[1].zero_grad(set_to_none=True)
    judged.backward()
    optimisers[1].step()
    losses = {"adversarial": adversarial, "cycle": cycle, "judges": judged}
    return {name: loss.detach().item() for name, loss in losses.items()}


def save_checkpoint(
    path: Path,
    step: int,
    networks: Networks,
    optimisers: tuple[torch.optim.Optimizer, ...],
    pools: tuple[ImagePool, ...],
) -> None:
    """Write everything that going on needs; a torn write cannot spoil the last checkpoint."""
    state = {
        "step": step,
        "networks": {name: network.state_dict() for name, network in networks.items().items()},
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "pools": [pool.images for pool in pools],
    }
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def load_checkpoint(
    path: Path,
    networks: Networks,
    optimisers: tuple[torch.optim.Optimizer, ...],
    pools: tuple[ImagePool, ...],
) -> int:
    """Restore a checkpoint and return the number of steps that were done."""
    state = torch.load(path, weights_only=True)
    for name, network in networks.items().items():
        network.load_state_dict(state["networks"][name])
    for optimiser, stored in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(stored)
    for pool, images in zip(pools, state["pools"], strict=True):
        pool.images = images
    return int(state["step"])


@torch.no_grad()
def save_sample(path: Path, network: ResnetTranslator, images: np.ndarray) -> None:
    """Write ``images``, (N, size, size) uint8, above their translations as a PNG."""
    views = torch.from_numpy(images.astype(np.float32) / 127.5 - 1)[:, None]
    translated = torch.cat([network(view[None]) for view in views])[:, 0].numpy()
    shown = np.clip((translated + 1) * 127.5, 0, 255).astype(np.uint8)
    sheet = np.concatenate([np.concatenate(list(rows), axis=1) for rows in (images, shown)])
    Image.fromarray(sheet).save(path)


def main(
    data: Annotated[Path, typer.Option(help="Folder that simulate.py wrote.")] = Path("data"),
    out: Annotated[Path, typer.Option(help="Checkpoints, samples and weights.")] = Path("run"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps of one view each.")] = 4000,
    learning_rate: Annotated[float, typer.Option(help="Adam, before the decay.")] = 2e-4,
    cycle_weight: Annotated[float, typer.Option(help="Weight of the cycle loss.")] = 10.0,
    identity_weight: Annotated[float, typer.Option(help="Of the identity loss.")] = 5.0,
    identity_steps: Annotated[int, typer.Option(help="First steps with identity loss.")] = 300,
    average: Annotated[float, typer.Option(help="Decay of the weight average.")] = 0.998,
    ngf: Annotated[int, typer.Option(min=4, help="Generator channels.")] = 32,
    blocks: Annotated[int, typer.Option(min=1, help="Residual blocks.")] = 6,
    ndf: Annotated[int, typer.Option(min=4, help="Discriminator channels.")] = 32,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 250,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and views.")] = 1,
) -> None:
    """Train the translator and export its averaged weights as OUT/generator.safetensors."""
    torch.manual_seed(seed)
    (out / "samples").mkdir(parents=True, exist_ok=True)
    stacks = [np.load(data / f"train_{kind}.npy") for kind in ("mammograms", "slices")]
    networks = make_networks(ngf, blocks, ndf)
    generators = (networks.to_slice.parameters(), networks.to_mammogram.parameters())
    judges = (networks.judge_slice.parameters(), networks.judge_mammogram.parameters())
    optimisers = (
        torch.optim.Adam(itertools.chain(*generators), learning_rate, (0.5, 0.999)),
        torch.optim.Adam(itertools.chain(*judges), learning_rate, (0.5, 0.999)),
    )
    pools = (ImagePool(), ImagePool())
    checkpoint = out / "checkpoint.pt"
    first = load_checkpoint(checkpoint, networks, optimisers, pools) if checkpoint.exists() else 0

    start, sums = time.perf_counter(), dict.fromkeys(("adversarial", "cycle", "judges"), 0.0)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=steps, completed=first)
        for step in range(first, steps):
            rng = np.random.default_rng([seed, step])  # so a resumed run sees the same views
            for group in (g for optimiser in optimisers for g in optimiser.param_groups):
                group["lr"] = learning_rate * min(1.0, 2 * (1 - step / steps))
            crops = NARROW if step < WIDE_FROM * steps else WIDE
            crop, scale = crops[rng.integers(len(crops))], SCALES[rng.integers(len(SCALES))]
            views = (draw_view(stacks[0], crop, scale, rng), draw_view(stacks[1], crop, scale, rng))
            weights = (cycle_weight, identity_weight if step < identity_steps else 0.0)
            losses = train_step(networks, optimisers, pools, views, weights, rng)
            # The average starts as a plain mean, so early exports are of use too.
            keep = min(average, (1 + step) / (10 + step))
            for mean, now in zip(
                networks.average.parameters(), networks.to_slice.parameters(), strict=True
            ):
                mean.lerp_(now.detach(), 1 - keep)
            sums = {name: total + losses[name] for name, total in sums.items()}
            progress.advance(task)
            done = step + 1
            if done % save_every == 0 or done == steps:
                save_checkpoint(checkpoint, done, networks, optimisers, pools)
                tensors = {k: v.contiguous() for k, v in networks.average.state_dict().items()}
                save_file(tensors, out / "generator.safetensors")
                save_sample(out / "samples" / f"{done:06d}.png", networks.average, stacks[0][:6])
                count = (done - 1) % save_every + 1
                means = ", ".join(f"{k} {v / count:.3f}" for k, v in sums.items())
                seconds = time.perf_counter() - start
                progress.console.print(f"step {done}: {means}; {seconds:.0f} s")
                sums = dict.fromkeys(sums, 0.0)
    typer.echo(f"weights in {out / 'generator.safetensors'}")


if __name__ == "__main__":
    typer.run(main)
