"""Rewrites mammograms so that the breast looks denser."""

from medigan_hub.networks import build
from medigan_hub.runtimes.published import Translator
from medigan_hub.runtimes.torch import TorchRuntime

plugin = Translator(__file__, TorchRuntime(lambda tensors: build("resnet-translator", tensors)))
