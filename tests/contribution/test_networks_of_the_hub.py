"""`medigan new` with each of the hub's networks: the package runs as it is made."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from medigan_hub import Hub, metadata, networks
from medigan_hub.cli import command_line
from medigan_hub.contribution.recognition import small


@pytest.mark.parametrize("name", networks.by_name())
def test_a_package_with_a_network_of_the_hub_makes_images(name, tmp_path, monkeypatch, install):
    monkeypatch.chdir(tmp_path)
    task = networks.by_name()[name].tasks[0]
    answers = ["name=my-gan", f"network={name}", f"task={task}", "organ=lung", "modality=ct"]
    command_line(["new"])(["new", "--no-input", *answers], standalone_mode=False)
    made = tmp_path / "medigan-model-my-gan" / "medigan_model_my_gan"
    document = metadata.read(made / "metadata.json")
    assert metadata.validate(document) == []
    assert document["architecture"] == small(name).facts.architecture
    shutil.copytree(made, install("my-gan"), dirs_exist_ok=True)
    entry = Hub().model("my-gan")
    (batch,) = Hub().generate("my-gan", 3, seed=7, batch_size=3)
    for output in entry.metadata.outputs:
        assert len(batch.arrays[output.name]) == 3
    first = batch.arrays[entry.metadata.outputs[0].name]
    assert first.std() > 0
    assert not np.array_equal(first[0], first[1])
