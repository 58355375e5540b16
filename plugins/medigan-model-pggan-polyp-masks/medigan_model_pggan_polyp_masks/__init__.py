"""Makes images of polyps with their masks, by a progressive GAN."""

from medigan_hub.networks import build
from medigan_hub.runtimes.published import PublishedNoise
from medigan_hub.runtimes.torch import TorchRuntime

plugin = PublishedNoise(__file__, TorchRuntime(lambda tensors: build("pggan-polyp", tensors)))
