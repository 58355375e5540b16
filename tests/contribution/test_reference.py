from __future__ import annotations

import json

import numpy as np
import pytest

from medigan_hub import Hub, PluginError, generation
from medigan_hub.reference import MAX_SHARE, deviations


@pytest.fixture
def package(install):
    package = install()
    Hub().save("toy-noise", 2, package / "reference")
    return package


def found():
    return deviations(Hub().model("toy-noise").plugin)


def test_a_model_that_makes_the_same_deviates_nowhere(package):
    assert found() == {"image/0": 0, "image/1": 0}


@pytest.mark.parametrize(("offset", "share"), [(1, 0), (2, 1)])
def test_one_grey_level_is_rounding_and_two_are_not(package, monkeypatch, offset, share):
    hub = Hub()
    made = list(hub.generate("toy-noise", 2))
    for batch in made:
        levels = batch.arrays["image"].astype(int)
        batch.arrays["image"] = np.where(levels > 99, levels - offset, levels + offset)
    monkeypatch.setattr(generation, "stream", lambda *_: iter(made))
    assert found() == {"image/0": share, "image/1": share}
    assert (share > MAX_SHARE) == (offset > 1)


def test_other_samples_are_found_out(package):
    header = json.loads((package / "reference" / "dataset.json").read_text())
    (package / "reference" / "dataset.json").write_text(json.dumps(header | {"seed": 1}))
    assert min(found().values()) > 0.9


def test_samples_that_are_missing_or_broken_are_named(install):
    package = install()
    with pytest.raises(PluginError, match=r"no readable reference samples in .* -n 2 --seed 0"):
        found()
    Hub().save("toy-noise", 2, package / "reference")
    (package / "reference" / "image" / "000001.png").write_bytes(b"")
    with pytest.raises(PluginError, match="no readable reference samples"):
        found()


def test_samples_of_other_weights_or_another_version_are_refused(package):
    header = json.loads((package / "reference" / "dataset.json").read_text())
    for change in ({"version": "0.9.0"}, {"weights_sha256": "0" * 64}):
        (package / "reference" / "dataset.json").write_text(json.dumps(header | change))
        with pytest.raises(
            PluginError, match=r"of another version or other weights; .*--overwrite"
        ):
            found()


def test_an_output_that_is_no_longer_made_is_found_out(package):
    manifest = package / "reference" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[1]["files"]["mask"] = rows[1]["files"]["image"]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert found() == {"image/0": 0, "image/1": 0, "mask/1": 1}
