from __future__ import annotations

import numpy as np
import pytest

from medigan_hub import Hub


@pytest.mark.parametrize("count", [1, 5, 12])
def test_a_preview_shows_every_sample_and_says_that_it_is_synthetic(install, count):
    install()
    hub = Hub()
    picture = np.asarray(hub.preview("toy-noise", count, seed=1))
    (batch,) = hub.generate("toy-noise", count, seed=1, batch_size=count)
    windows = np.lib.stride_tricks.sliding_window_view(picture[:, :, 0], (8, 6))
    for image in batch.arrays["image"]:
        assert (windows == image[:, :, 0]).all(axis=(-1, -2)).any()
    caption = picture[-20:]
    assert (caption == 255).any(), "white letters"


def test_a_caption_fits_into_the_picture_of_one_small_sample(install):
    install()
    picture = np.asarray(Hub().preview("toy-noise", 1))
    assert not (picture[-20:, -4:] == 255).any(), "letters end before the edge"


def test_a_sample_bears_its_labels(install, document):
    view = {"name": "view", "type": "string", "description": "View.", "default": "cc"}
    document["conditions"] = [view | {"choices": ["cc", "mlo"]}]
    label = {"name": "view", "kind": "label", "shape": [], "dtype": "uint8", "range": [0, 1]}
    document["outputs"].append(label | {"classes": ["cc", "mlo"]})
    install(document=document)
    shown = {
        view: np.asarray(Hub().preview("toy-noise", 1, conditions={"view": view}))
        for view in ("cc", "mlo")
    }
    rows = min(picture.shape[0] for picture in shown.values())
    columns = min(picture.shape[1] for picture in shown.values())
    one, other = (picture[:rows, :columns] for picture in shown.values())
    differs = np.argwhere((one != other).any(axis=-1))
    assert len(differs) > 10
    assert differs[:, 0].max() < 6 + 16, "the words are above the image"
