"""Networks as learners: a small one of the hub's, or one of a caller's."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from medigan_hub.errors import PluginError, RequestError, require, shortened
from medigan_hub.evaluation import scores
from medigan_hub.evaluation.utility.arms import STEPS, VARIED, Arm, Job
from medigan_hub.evaluation.utility.draws import OF_TRAINING, stream
from medigan_hub.evaluation.utility.learners import Learner, Progress
from medigan_hub.evaluation.utility.pixels import SIZE, pixels
from medigan_hub.evaluation.utility.tasks import Masks, Sets, Task
from medigan_hub.evaluation.utility.varied import NOISE, turned

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

    Factory = Callable[[int, int], Module]

EPOCHS = 10
BATCH = 16
FEWEST_STEPS = 100
"""Below which a network would learn next to nothing of few images."""
RATE = 3e-3
"""The highest rate of learning; it rises to that, and falls again."""
TESTED = 64
"""Images that are predicted at a time."""
VERSION = 1

_making = threading.Lock()
"""PyTorch draws the weights of a new network from random numbers of the whole process."""


class Training(Learner):
    """A network that is trained anew for each job.

    Parameters
    ----------
    made
        Returns a network for so many channels of images and so many outputs; None: the hub's own
        of this name.
    """

    packages = ("numpy", "torch")

    def __init__(self, name: str, is_of_masks: bool | None, made: Factory | None = None) -> None:
        self.name, self.is_of_masks, self._made = name, is_of_masks, made
        self._is_own = made is None
        self.threads = min(8, os.cpu_count() or 1) if self._is_own else 1
        what = {"cnn": "a small convolutional network", "unet": "a small U-Net"}
        self.title = what.get(name, f"{name}, a network of the caller's")
        if not self._is_own:
            self.notes = ("nothing is kept of a network that is given in Python: what it does "
                          "is not known by its name",)  # fmt: skip

    @property
    def key(self) -> str | None:
        return json.dumps([self.name, VERSION, self.recorded]) if self._is_own else None

    @property
    def recorded(self) -> Mapping[str, object]:
        return {
            "size": list(SIZE),
            "epochs": EPOCHS,
            "batch": BATCH,
            "fewest_steps": FEWEST_STEPS,
            "optimiser": f"Adam, one cycle up to {RATE:g}",
        }

    def reads(self, sets: Sets, most: float) -> int:
        return sum(map(len, sets.every.values()))

    def open(self, sets: Sets, task: Task, seed: int, most: float, progress: Progress) -> None:
        self._torch = require("torch", extra="torch", purpose="training a network")
        if self._made is None:
            from medigan_hub.evaluation.utility import networks

            self._made = networks.cnn if self.name == "cnn" else networks.UNet
        self._task, self._seed = task, seed
        self._images: dict[str, np.ndarray] = {}
        self._truth: dict[str, np.ndarray] = dict(task.classes)
        channels = 3
        # Whether there is colour is known once the first set was read.
        for name in ("train", "test", "synthetic"):
            outlines = task.outlines[name] if isinstance(task, Masks) else None
            found, inside = pixels(sets.every[name], channels, progress, outlines)
            if name == "train" and (found[..., :1] == found).all():
                channels, found = 1, found[..., :1].copy()
            self._images[name] = found
            if inside is not None:
                self._truth[name] = inside
        self._channels = channels

    def steps(self, count: int) -> int:
        return max(FEWEST_STEPS, EPOCHS * -(-count // BATCH))

    def controls(self, share: float, most: float) -> Sequence[Arm]:
        return [Arm(STEPS, share), Arm(VARIED, share)]

    @contextmanager
    def working(self) -> Iterator[Callable[[], None]]:
        # One thread a job: sums of several come out otherwise each time, and jobs are enough.
        before = self._torch.get_num_threads()

        def begin() -> None:
            self._torch.set_num_threads(1)

        try:
            begin()
            yield begin
        finally:
            self._torch.set_num_threads(before)

    def outcome(self, job: Job) -> np.ndarray:
        """Return the probability of each class, (N, classes); or the Dice coefficient, (N,)."""
        rng = stream(self._seed, job.repeat, OF_TRAINING)
        # A network of the caller's may draw in every step.
        every = nullcontext() if self._is_own else self._own_numbers(rng)
        with every:
            network = self._network(rng)
            self._train(network, job, rng)
            said = self._said(network)
        if not np.isfinite(said).all():
            raise RequestError(
                f"{self.title} says what is no number after {job.steps} steps; scale its layers, "
                "or give another learner"
            )
        if not isinstance(self._task, Masks):
            return said
        truth, found = self._truth["test"], said[:, 0] > 0
        pairs = zip(truth, found, strict=True)
        return np.array([scores.DICE(one[np.newaxis], other[np.newaxis]) for one, other in pairs])

    @contextmanager
    def _own_numbers(self, rng: np.random.Generator) -> Iterator[None]:
        """Have PyTorch draw random numbers of ours, and go on with its own afterwards."""
        with self._torch.random.fork_rng(devices=[]):
            self._torch.manual_seed(int(rng.integers(2**63)))
            yield

    def _network(self, rng: np.random.Generator) -> Module:
        outputs = self._task.outputs
        assert self._made is not None  # noqa: S101 (for the type checker)
        if self._is_own:
            with _making, self._own_numbers(rng):
                made = self._made(self._channels, outputs)
            own: Module = made.to(memory_format=self._torch.channels_last)  # type: ignore[call-overload]
            return own
        try:
            made = self._made(self._channels, outputs)
            with self._torch.no_grad():
                shape = tuple(made.eval()(self._torch.zeros(2, self._channels, *SIZE)).shape)
        except Exception as error:  # of somebody else's code
            raise PluginError(
                f"{self.title} can't be made, or takes no images of {SIZE[0]} x {SIZE[1]} pixels "
                f"and {self._channels} channels: {type(error).__name__}: {shortened(error)}"
            ) from error
        wanted = (2, outputs, *SIZE) if isinstance(self._task, Masks) else (2, outputs)
        if shape != wanted:
            raise PluginError(
                f"{self.title} gives the shape {shape} for 2 images, and should give {wanted}"
            )
        return made

    def _train(self, network: Module, job: Job, rng: np.random.Generator) -> None:
        torch = self._torch
        optimiser = torch.optim.Adam(network.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, RATE, total_steps=(job.steps or 0) + 1
        )
        network.train()
        for batch in _batches(len(job.real) + len(job.synthetic), job.steps or 0, rng):
            images, truth = self._taken(job, batch)
            if job.copies:
                images, truth = _varied(images, truth, rng, is_mask=truth.ndim > 1)
            loss = self._loss(network(self._tensor(images)), torch.from_numpy(truth))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

    def _taken(self, job: Job, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images of a batch, and what is true of them: real ones come first."""
        real = job.real[batch[batch < len(job.real)]]
        synthetic = job.synthetic[batch[batch >= len(job.real)] - len(job.real)]
        places = (("train", real), ("synthetic", synthetic))
        images, truth = (
            np.concatenate([of[name][chosen] for name, chosen in places])
            for of in (self._images, self._truth)
        )
        return images, truth

    def _tensor(self, images: np.ndarray) -> torch.Tensor:
        """Return images with their channels first, about 0."""
        values = self._torch.from_numpy(4 * images.astype(np.float32) - 2).permute(0, 3, 1, 2)
        # As they lie in memory, the hub's networks take less time; others may want them in order.
        tensor: torch.Tensor = values if self._is_own else values.contiguous()
        return tensor

    def _loss(self, said: torch.Tensor, truth: torch.Tensor) -> Any:
        functional = self._torch.nn.functional
        if not isinstance(self._task, Masks):
            return functional.cross_entropy(said, truth)
        wanted = truth[:, None].to(said.dtype)
        found = said.sigmoid()
        both, total = (found * wanted).sum((1, 2, 3)), (found + wanted).sum((1, 2, 3))
        dice = (2 * both + 1) / (total + 1)
        return functional.binary_cross_entropy_with_logits(said, wanted) + 1 - dice.mean()

    def _said(self, network: Module) -> np.ndarray:
        """Return probabilities of classes, or logits of masks, of all test images."""
        network.eval()
        images, parts = self._images["test"], []
        with self._torch.no_grad():
            for start in range(0, len(images), TESTED):
                said = network(self._tensor(images[start : start + TESTED]))
                is_mask = isinstance(self._task, Masks)
                parts.append((said if is_mask else said.softmax(dim=1)).numpy())
        return np.concatenate(parts)


def _batches(number: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield batches of one size out of so many images, each as often as any other but for once."""
    rest = np.zeros(0, np.int64)
    for _ in range(steps):
        while len(rest) < BATCH:
            rest = np.concatenate([rest, rng.permutation(number)])
        yield rest[:BATCH]
        rest = rest[BATCH:]


def _varied(
    images: np.ndarray, truth: np.ndarray, rng: np.random.Generator, *, is_mask: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return images, flipped with their masks, and noised."""
    images, truth = images.astype(np.float32), truth.copy()
    for n in range(len(images)):
        cut = turned(rng)
        images[n] = images[n][cut]
        if is_mask:
            truth[n] = truth[n][cut]
    images += rng.standard_normal(images.shape, np.float32) * np.float32(NOISE)
    return np.clip(images, 0, 1), truth
