"""Gives images back as they came, by the base class of models that start from one."""

from medigan_hub.plugin import ImageToImage, NetworkRuntime


class Same(NetworkRuntime):
    def open(self, files, device, precision):
        return lambda images: images


plugin = ImageToImage(__file__, numpy=Same())
