"""Whether the bundled models copy what they were trained on, and whether one that does is caught.

    python docs/judged_privacy.py --data privacy > privacy.md

Makes again images that each model was trained on, and others of the same simulator (or photograph),
by the scripts in ``training`` of its plugin; looks for copies of the former among the model's
samples, held against the latter, and prints tables in Markdown. Then it trains two small networks
on a few images of one of the simulators until they know them by heart, one that is told which image
to make and a GAN, and looks at what these make after more and more steps. With ``--data`` images
are kept, and used again. Needs the bundled models with their extras ``training``, and the extra
``evaluation``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub import Hub
from medigan_hub.errors import HubError
from medigan_hub.evaluation.privacy.results import Privacy

if TYPE_CHECKING:
    import torch

    from medigan_hub.generation import Wishes

ROOT = Path(__file__).parents[1]
TRAINING, HELDOUT = 2000, 500
"""Images that are made of each."""
STEPS = (10, 30, 100)
"""After which the small network is looked at."""
FEW, SIDE, CODE = 50, 32, 32
"""Images that it learns, pixels along each side, and numbers that it makes an image of."""
GAN_FEW, GAN_STEPS, BATCH = 20, (500, 1500, 3000), 32
"""Images that the GAN learns, steps after which it is looked at, and images of a step."""


def breast_mass() -> dict[str, np.ndarray]:
    """Return the first 2000 of the 8000 patches that cdcgan-breast-mass was trained on."""
    simulate = importlib.import_module("simulate")
    made = {
        name: simulate.make_set(which, count, 2026, 1)["images"][..., np.newaxis]
        for name, which, count in (("train", "train", TRAINING), ("heldout", "test", HELDOUT))
    }
    return dict(made)


def brain_mri() -> dict[str, np.ndarray]:
    """Return the slices of the last 250 steps of fastgan-brain-mri, and others at these heights."""
    simulate, train = importlib.import_module("simulate"), importlib.import_module("train")
    simulator = simulate.Simulator()
    slices = []
    for step in range(7000 - TRAINING // train.BATCH, 7000):
        rng = np.random.default_rng([1, step])
        rng.integers(2**31)  # of what else a step draws
        slices.append(train.training_batch(simulator, rng)[1].numpy()[:, 0, :, :, np.newaxis])
    rng = np.random.default_rng([7, 1])
    _, heights = simulate.draw(rng, HELDOUT, train.HEIGHTS)
    others = simulate.simulate(simulator, rng, heights)[..., :1]
    shown = (np.concatenate(slices) + 1) / 2
    return {"train": _in_8_bits(shown), "heldout": _in_8_bits(others)}


def fundus() -> dict[str, np.ndarray]:
    """Return windows of the region that singan-fundus was trained on, and of the others."""
    photograph = importlib.import_module("photograph")
    image = photograph.region("training")
    rng = np.random.default_rng(8)
    windows = []
    for _ in range(TRAINING):
        top, left = (rng.integers(n - 64 + 1) for n in image.shape[:2])
        windows.append(image[top : top + 64, left : left + 64])
    others = importlib.import_module("held_out").draw_windows(HELDOUT, 7)
    return {"train": _in_8_bits(np.stack(windows)), "heldout": others}


def _in_8_bits(fractions: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(np.clip(fractions, 0, 1) * 255), np.uint8)


MODELS: Mapping[str, tuple[Callable[[], dict[str, np.ndarray]], Wishes]] = {
    "cdcgan-breast-mass": (breast_mass, {"balance": True}),
    "fastgan-brain-mri": (brain_mri, {}),
    "singan-fundus": (fundus, {"options": {"height": 64, "width": 64}}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that keeps images; else a temporary one")
    parser.add_argument("-n", type=int, default=HELDOUT, help="samples of each model")
    parser.add_argument("--seed", type=int, default=0, help="of samples, and of what is drawn")
    parser.add_argument("--make", choices=MODELS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:  # in a process of its own, for the scripts of all models are called alike
        make(arguments.make)
        return
    with tempfile.TemporaryDirectory() as temporary:
        data = arguments.data or Path(temporary)
        data.mkdir(parents=True, exist_ok=True)
        before = Path.cwd()
        os.chdir(data)  # so that results name files, and no folder of this machine
        try:
            table({name: look(name, arguments.n, arguments.seed) for name in MODELS})
            print()
            table(dict(by_heart(arguments.seed)))
            print()
            table(dict(overfitted(arguments.seed)))
        except HubError as error:
            sys.exit(f"error: {error}")
        finally:
            os.chdir(before)  # or the temporary folder could not go


def make(name: str) -> None:
    """Write a model's images into the current folder."""
    sys.path.insert(0, str(ROOT / "plugins" / f"medigan-model-{name}" / "training"))
    for what, array in MODELS[name][0]().items():
        np.save(f"{what}.npy", array)


def images(name: str) -> Path:
    """Return the folder with a model's images, below the current one; make it if need be."""
    folder = Path(name)
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=".") as begun:
            made = Path(begun, "made")
            made.mkdir()
            subprocess.run(  # noqa: S603 (this script)
                [sys.executable, Path(__file__).resolve(), "--make", name], cwd=made, check=True
            )
            made.rename(folder)
    return folder


def look(name: str, count: int, seed: int) -> Privacy:
    """Look for copies of what a model was trained on among its samples."""
    print(f"looking at {name}", file=sys.stderr)
    folder = images(name)
    wishes: dict[str, Any] = {"seed": seed, **MODELS[name][1]}
    return Hub().privacy(
        folder / "train.npy", folder / "heldout.npy", f"model:{name}", num_samples=count, **wishes
    )


def by_heart(seed: int) -> Iterator[tuple[str, Privacy]]:
    """Yield what is found of a small network after more and more steps.

    Of each training image it learns a code beside what makes an image of that (Bojanowski et al.
    2018, arXiv:1707.05776). A sample is made of the code of an image drawn, with noise.
    """
    import torch

    folder = images("cdcgan-breast-mass")
    every = np.load(folder / "train.npy")[:, ::4, ::4, 0]
    known, others = every[:FEW], np.load(folder / "heldout.npy")[:, ::4, ::4, 0]
    wanted = torch.from_numpy(known.reshape(FEW, -1) / np.float32(255))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        codes = torch.nn.Parameter(torch.randn(FEW, CODE))
        network = torch.nn.Sequential(
            torch.nn.Linear(CODE, 256),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(256, 1024),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(1024, SIDE * SIDE),
            torch.nn.Sigmoid(),
        )
        optimiser = torch.optim.Adam([codes, *network.parameters()], 1e-3)
        for step in range(max(STEPS) + 1):
            if step in STEPS:
                made = samples(network, codes.detach(), seed)
                print(f"looking at {step} steps", file=sys.stderr)
                found = Hub().privacy(
                    known[..., np.newaxis], others[..., np.newaxis], made, seed=seed
                )
                yield f"{step} steps", found
            loss = torch.nn.functional.mse_loss(network(codes), wanted)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def overfitted(seed: int) -> Iterator[tuple[str, Privacy]]:
    """Yield what is found of a GAN that learns few images, after more and more steps.

    A deep convolutional one (Radford et al. 2016, arXiv:1511.06434) with the logistic loss that
    does not saturate, and a penalty on the discriminator's gradient at real images (Mescheder et
    al. 2018, arXiv:1801.04406).
    """
    import torch
    from torch import nn

    folder = images("cdcgan-breast-mass")
    every, others = (np.load(folder / f"{name}.npy")[:, ::4, ::4] for name in ("train", "heldout"))
    known = every[:GAN_FEW]
    real = torch.from_numpy(known[..., 0] / np.float32(127.5) - 1)[:, None]
    up, down = (128, 64), (64, 128)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = nn.Sequential(nn.Linear(CODE, 256 * 16), nn.Unflatten(1, (256, 4, 4)))
        for channels, wanted in zip((256, *up), (*up, 1), strict=True):
            generator.append(nn.ReLU())
            generator.append(nn.ConvTranspose2d(channels, wanted, 4, 2, 1))
            if wanted > 1:
                generator.append(nn.BatchNorm2d(wanted))
        generator.append(nn.Tanh())
        critic = nn.Sequential()
        for channels, wanted in zip((1, *down), (*down, 256), strict=True):
            critic.append(nn.Conv2d(channels, wanted, 4, 2, 1))
            critic.append(nn.LeakyReLU(0.2))
        critic.append(nn.Flatten())
        critic.append(nn.Linear(256 * 16, 1))
        steppers = [
            torch.optim.Adam(each.parameters(), 2e-4, (0.5, 0.99)) for each in (critic, generator)
        ]
        for step in range(1, max(GAN_STEPS) + 1):
            chosen = real[torch.randint(len(real), (BATCH,))].requires_grad_(step % 8 == 0)
            made = generator(torch.randn(BATCH, CODE))
            said = critic(chosen)
            loss = nn.functional.softplus(-said).mean()
            loss = loss + nn.functional.softplus(critic(made.detach())).mean()
            if step % 8 == 0:
                (slope,) = torch.autograd.grad(said.sum(), chosen, create_graph=True)
                loss = loss + 0.4 * slope.square().sum((1, 2, 3)).mean()
            for part, stepper in enumerate(steppers):
                stepper.zero_grad()
                if part:
                    loss = nn.functional.softplus(-critic(made)).mean()
                loss.backward()  # type: ignore[no-untyped-call]
                stepper.step()
            if step in GAN_STEPS:
                with torch.no_grad():
                    shown = generator(torch.randn(HELDOUT, CODE)).numpy()[:, 0, :, :, np.newaxis]
                print(f"looking at a GAN after {step} steps", file=sys.stderr)
                found = Hub().privacy(known, others, _in_8_bits((shown + 1) / 2), seed=seed)
                yield f"GAN, {step} steps", found


def samples(network: torch.nn.Module, codes: torch.Tensor, seed: int) -> np.ndarray:
    """Return what a network makes of codes with noise: (500, 32, 32, 1) uint8."""
    import torch

    drawing = torch.Generator().manual_seed(seed)
    which = torch.randint(len(codes), (HELDOUT,), generator=drawing)
    noise = 0.2 * torch.randn((HELDOUT, CODE), generator=drawing)
    with torch.no_grad():
        made = network(codes[which] + noise)
    return _in_8_bits(made.numpy().reshape(-1, SIDE, SIDE, 1))


def table(found: Mapping[str, Privacy]) -> None:
    """Print findings, a row a space."""
    print(
        "| of | by | found | near (95 %; expected) | copies (p) | C_T (95 % without copies) | "
        "AuthPct (held out) | membership AUC (95 %) |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, each in found.items():
        for space in each.document()["spaces"]:
            print(f"| {' | '.join((name, *cells(each, space)))} |")


def cells(found: Privacy, space: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a row says."""
    yield space["space"]
    yield found.found
    ends = f"{100 * space['low']:.1f} to {100 * space['high']:.1f}; {100 * space['expected']:.1f}"
    yield f"{100 * space['share_flagged']:.1f} % ({ends})"
    test = min(space["tests"], key=lambda each: float(each["corrected"]))
    yield f"{test['counted']} ({test['corrected']:.2g})"
    copying = space["data_copying"]
    yield (
        "-"
        if copying is None
        else f"{copying['value']:.1f} ({copying['low']:.1f} to {copying['high']:.1f})"
    )
    ours, theirs = space["authentic"], space["authentic_heldout"]
    yield f"{100 * ours['value']:.0f} % ({100 * theirs['value']:.0f} %)" if ours else "-"
    attack = space["membership"]
    yield f"{attack['auc']:.2f} ({attack['low']:.2f} to {attack['high']:.2f})"


if __name__ == "__main__":
    main()
