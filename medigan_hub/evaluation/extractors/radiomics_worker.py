"""A process that describes images by frd-score.

What it imports takes matplotlib and the log for itself, and does one thing at a time: so it
has a process of its own, of which there is one for each processor.

An image comes as a line with its height and width in JSON, and its grey levels, float32. The
answer is a line of JSON: the features, or in words why there are none. Before all it says so
that it is ready (nothing), or why not.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

import numpy as np


def main() -> None:
    """Describe one image after the other, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # so that nothing that is printed comes between the answers
    logging.disable()
    for needless in ("matplotlib", "sklearn"):  # for pictures that nobody asks for
        sys.modules[needless] = None  # type: ignore[assignment]
    try:
        from frd_score import frd

        extractor = frd.get_feature_extractor(frd.FRD_VERSION_V1, image_dim=2)
    except Exception as error:  # of a package of others, which is here and can't be imported
        say(_words(error), answers)
        return
    say("", answers)
    while line := sys.stdin.buffer.readline():
        height, width = json.loads(line)
        pixels = sys.stdin.buffer.read(4 * height * width)
        image = np.frombuffer(pixels, np.float32).reshape(height, width)
        answer: list[float] | str
        try:
            answer = described(image, frd, extractor)
        except Exception as error:  # of whatever kind pyradiomics and ITK raise
            answer = _words(error)
        say(answer, answers)


def say(answer: list[float] | str, answers: TextIO) -> None:
    """Write one line."""
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _words(error: Exception) -> str:
    return str(error).strip().split("\n")[-1] or type(error).__name__


def described(image: np.ndarray, frd: Any, extractor: Any) -> list[float]:
    """Return the features of an image, (height, width), by frd-score's own function.

    That takes a file; one of ITK's own format holds the values as they are.
    """
    import SimpleITK

    with tempfile.TemporaryDirectory(prefix="medigan-") as folder:
        path = Path(folder, "image.mha")
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(image), str(path))
        values: list[float]
        values, _, _ = frd.process_image_mask_pair((path, None), feature_extractor=extractor)
    return values
