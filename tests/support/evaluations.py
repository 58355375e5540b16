"""Evaluations, as a run would give them."""

from __future__ import annotations

from typing import Any

from medigan_hub.evaluation.results import Baseline, Evaluation, Figure
from medigan_hub.evaluation.verdicts import Condition, Subgroup

DIGEST = "ab" * 32


def figure(metric: str = "KID", extractor: str | None = "texture", **more: Any) -> Figure:
    """Return a figure; without more words, of a good model."""
    facts: dict[str, Any] = {
        "metric": metric,
        "extractor": extractor,
        "normalize": "none",
        "value": 0.01234,
        "low": 0.01012,
        "high": 0.01456,
        "better": "lower",
        "ideal": 0.0,
        "num_real": 600,
        "num_synthetic": 600,
        "baseline": Baseline(0.00021, 0.00034, 300, 10, 0.0125),
        "biased": False,
        "groups": 20,
    }
    return Figure(**facts | more)


def subgroup(group: str = "sex F", **more: Any) -> Subgroup:
    """Return a group of real images; without more words, one that is left out."""
    facts: dict[str, Any] = {
        "group": group,
        "extractor": "texture",
        "normalize": "none",
        "num_real": 90,
        "num_others": 510,
        "coverage": 0.123,
        "others": 0.931,
        "difference": -0.808,
        "low": -0.9,
        "high": -0.71,
        "p": 0.00001,
        "p_corrected": 0.00002,
    }
    return Subgroup(**facts | more)


def condition(column: str = "label", **more: Any) -> Condition:
    """Return the score of a condition; without more words, of a model that obeys."""
    facts: dict[str, Any] = {
        "column": column,
        "score": "AUC",
        "better": "higher",
        "extractor": "texture",
        "normalize": "none",
        "value": 0.971,
        "low": 0.952,
        "high": 0.99,
        "ceiling": 0.98,
        "ceiling_low": 0.96,
        "ceiling_high": 0.991,
        "difference_low": -0.03,
        "difference_high": 0.02,
        "num_real": 600,
        "num_synthetic": 600,
    }
    return Condition(**facts | more)


def evaluation(*figures: Figure, model: str = "toy-noise", **more: Any) -> Evaluation:
    """Return an evaluation with these figures, of a model."""
    facts: dict[str, Any] = {
        "figures": list(figures),
        "settings": {"seed": 0, "protocol": "hub", "metrics": ["KID"], "normalize": "both"},
        "sets": {
            "real": {"title": "real", "num_images": 600, "key": DIGEST},
            "synthetic": {
                "title": f"model:{model}",
                "num_images": 600,
                "key": DIGEST[::-1],
                "model": model,
                "version": "1.0.0",
            },
        },
        "extractors": {
            name: {"title": f"features of {name}", "version": "1", "weights": None}
            for name in ("texture", "imagenet", "inception", "random")
        },
        "versions": {"medigan-hub": "0", "numpy": "2"},
    }
    return Evaluation(**facts | more)
