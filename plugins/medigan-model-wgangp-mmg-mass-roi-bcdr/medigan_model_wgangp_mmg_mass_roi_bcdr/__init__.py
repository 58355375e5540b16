"""Makes patches of mammograms with masses."""

from medigan_hub.networks import build
from medigan_hub.runtimes.published import Dcgan, entry
from medigan_hub.runtimes.torch import TorchRuntime

plugin = Dcgan(__file__, TorchRuntime(lambda file: build("dcgan128", entry(file, "generator"))))
