"""A translator on PyTorch that doubles, and remembers what it saw."""

from medigan_hub.plugin import ImageToImage

# isort: split
import torch  # after the hub, which says what is missing where PyTorch is

loaded = []


class Doubler(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.factor = torch.nn.Parameter(tensors["factor"])
        self.seen = []
        loaded.append(self)

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        assert not torch.is_grad_enabled()
        return (x * self.factor).clamp(-1, 1)


class Plugin(ImageToImage):
    multiple = 8
    minimum = 16


plugin = Plugin(__file__, torch=Doubler)
