"""Makes patches of mammograms with masses that are benign or malignant as asked."""

from medigan_hub.networks import build
from medigan_hub.runtimes.published import ConditionalDcgan, entry
from medigan_hub.runtimes.torch import TorchRuntime

plugin = ConditionalDcgan(
    __file__, TorchRuntime(lambda file: build("dcgan128", entry(file, "generator")))
)
