"""How far synthetic images are from real ones."""

from medigan_hub.evaluation.patches import compare, sliced_wasserstein

__all__ = ["compare", "sliced_wasserstein"]
