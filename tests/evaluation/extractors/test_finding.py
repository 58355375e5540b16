"""Extractors by name: the hub's own, and those of extensions."""

from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import HubWarning, RequestError
from medigan_hub.evaluation import extractors

EXTENSION = """
import sys
import numpy as np
from medigan_hub.evaluation.extractors import Extractor
from medigan_hub.hookspecs import hookimpl

class Mean(Extractor):
    name = "mean"
    title = "the mean"
    shape = (1,)

    def features(self, images):
        return np.array([[image.mean()] for image in images], np.float32)

class Nameless(Extractor):
    name = "No Name"

@hookimpl
def register_extractors():
    return [Mean, Nameless]

plugin = sys.modules[__name__]
"""


def test_the_offline_default_comes_first():
    assert extractors.names()[0] == "texture"


def test_unknown_names_are_answered_with_close_ones():
    with pytest.raises(RequestError) as caught:
        extractors.find("inceptoin")
    text = str(caught.value)
    assert text.startswith(
        "there is no extractor 'inceptoin'; did you mean inception? use texture,"
    )
    assert text.endswith("or the path of an ONNX file")


def test_weights_are_refused_where_none_are_taken(tmp_path):
    with pytest.raises(
        RequestError, match=r"^the extractor texture takes no weights; leave w\.pth"
    ):
        extractors.find("texture", weights="w.pth")


def test_an_extension_brings_an_extractor(install):
    install("more", code=EXTENSION, distribution="more", group="medigan_hub.extensions")
    with pytest.warns(HubWarning, match="its name is 'No Name'; a name is lower case"):
        assert "mean" in extractors.names()
    with pytest.warns(HubWarning):
        found = extractors.find("mean").features([np.ones((2, 2, 1), np.float32)])
    assert found == [[1]]
