"""Data sets in training loops: worker processes, real networks, PyTorch, Lightning and Keras.

Each test runs a program of its own, which can be stopped if it hangs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import save_file

pytestmark = pytest.mark.slow

METHODS = ("fork", "spawn", "forkserver")
START = """
import json, sys, threading, time
from medigan_hub import Hub, HubError
"""
START_TORCH = """
import torch
from torch import nn
from torch.utils.data import DataLoader

def joined(loader):
    return torch.cat([batch["sample"] for batch in loader])

def same(one, other):
    return torch.equal(*(torch.tensor(sorted(each.flatten(1).tolist())) for each in (one, other)))
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a program, and returns what its ``main`` returns."""

    def run_program(code: str, *arguments: str | Path, seconds: int = 100):
        file = tmp_path / "program.py"
        end = "if __name__ == '__main__':\n    print(json.dumps(main(*sys.argv[1:])))\n"
        file.write_text(START + ("" if code in (KERAS, FOLDERS) else START_TORCH) + code + end)
        command = [sys.executable, str(file), *map(str, arguments)]
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, cwd=tmp_path
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return json.loads(result.stdout.splitlines()[-1])

    return run_program


WORKERS = """
import multiprocessing

def doubled(item):
    return {"sample": item["sample"] * 2}

def main(site, method, folder):
    sys.path.insert(0, site)  # in the workers too, without further ado
    multiprocessing.set_forkserver_preload(["torch"])  # saves time
    hub = Hub()
    expected = torch.stack([item["sample"] for item in hub.dataset("toy-noise", 23)])
    workers = {"multiprocessing_context": method, "timeout": 60}
    found = {}
    loader = hub.dataloader(
        "toy-noise", 23, batch_size=4, shuffle=True, num_workers=2, persistent_workers=True,
        cache=folder, transform=doubled, **workers,
    )
    epochs = [joined(loader) for _ in range(2)]
    found["all, once"] = all(same(epoch, 2 * expected) for epoch in epochs)
    found["shuffled"] = not torch.equal(*epochs)
    stream = hub.iterable_dataset("toy-noise", 23, batch_size=4)
    count = 3 if method == "fork" else 2
    found["in order"] = torch.equal(
        joined(DataLoader(stream, batch_size=4, num_workers=count, **workers)), expected
    )
    if method == "fork":  # the others do the same, and take longer
        for count in (1, 2, 3):
            loader = DataLoader(stream, batch_size=3, num_workers=count, **workers)
            found[f"dealt to {count}"] = same(joined(loader), expected)
    import medigan_model_toy_noise
    medigan_model_toy_noise.plugin.run = None
    kept = hub.dataset("toy-noise", 23, cache=folder)
    found["kept"] = torch.equal(torch.stack([item["sample"] for item in kept]), expected)
    return found
"""


@pytest.mark.parametrize("method", METHODS)
def test_workers_of_every_kind_deliver_each_sample_once(install, run, tmp_path, method):
    site = install().parent
    found = run(WORKERS, site, method, tmp_path / "kept")
    assert len(found) == (7 if method == "fork" else 4)
    assert all(found.values()), found


def test_a_worker_forked_in_the_midst_of_things_starts_anew(install, run, document):
    """While another thread loads the network, and with one loaded that has threads of its own."""
    document["framework"] = "PyTorch"
    code = """
    import os, time, torch
    from medigan_hub.plugin import NoiseToImage

    here = os.getpid()

    def build(tensors):
        if os.getpid() == here:
            loading.append(1)
            time.sleep(90)
        return torch.nn.Unflatten(1, (1, 8, 6))

    loading = []
    plugin = NoiseToImage(__file__, torch=build)
    """
    package = install(code=code, document=document)
    save_file({}, package / "weights.bin")
    content = (package / "weights.bin").read_bytes()
    document["weights"][0]["runtime"] = "torch"
    document["weights"][0]["files"][0]["sha256"] = hashlib.sha256(content).hexdigest()
    (package / "metadata.json").write_text(json.dumps(document))
    program = """
def main(site):
    sys.path.insert(0, site)
    import medigan_model_toy_noise
    hub = Hub()
    threading.Thread(target=lambda: hub.generate("toy-noise", 1), daemon=True).start()
    while not medigan_model_toy_noise.loading:
        time.sleep(0.01)
    loader = hub.dataloader(
        "toy-noise", 8, num_workers=1, multiprocessing_context="fork", timeout=60
    )
    return len(joined(loader))
"""
    assert run(program, package.parent, seconds=120) == 8


FORKED = """
import multiprocessing

def tf_dataset(model):
    try:
        Hub().tf_dataset(model)
    except HubError as error:
        return str(error)

def loader(model, workers, method):
    return Hub().dataloader(
        model, 8, batch_size=4, num_workers=workers, multiprocessing_context=method, timeout=60
    )

def main():
    hub = Hub()
    tensorflow = "cdcgan-breast-mass"
    found = {method: joined(loader(tensorflow, 1, method)) for method in ("fork", "spawn")}
    assert "tensorflow" not in sys.modules
    here = {}
    for model in ("fastgan-brain-mri", tensorflow):
        here[model] = torch.stack([item["sample"] for item in hub.dataset(model, 8, batch_size=4)])
    found |= {model: joined(loader(model, 2, "fork")) for model in here if model != tensorflow}
    try:
        list(loader(tensorflow, 2, "fork"))
    except HubError as error:
        lines = [str(error).strip().splitlines()[-1]]
    with multiprocessing.get_context("fork").Pool(1) as pool:  # not one of PyTorch's workers
        lines.append(pool.apply(tf_dataset, [tensorflow]))
    return lines, {
        name: float((images - here.get(name, here[tensorflow])).abs().max())
        for name, images in found.items()
    }
"""


def test_models_used_before_work_in_workers_or_say_what_does(run):
    lines, differences = run(FORKED)
    assert lines[0] == f"medigan_hub.errors.RequestError: {lines[1]}"
    assert lines[1].startswith("TensorFlow was in use before this process was forked")
    assert lines[1].endswith('start worker processes with multiprocessing_context="spawn"')
    assert len(differences) == 3
    assert max(differences.values()) <= 1 / 255 + 1e-6, differences


DISTRIBUTED = """
import pickle
from torch import distributed, multiprocessing

def rank(number, folder):
    stream = Hub().iterable_dataset("toy-noise", 22, batch_size=2)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2
    )
    found = [joined(DataLoader(stream, batch_size=2, num_workers=n)) for n in (0, 2)]
    package = pickle.dumps(stream)
    distributed.destroy_process_group()
    # As in a worker that was not forked, which knows of no other processes.
    found.append(joined(DataLoader(pickle.loads(package), batch_size=2)))
    torch.save(found, f"{folder}/{number}.pt")

def main(site, folder):
    sys.path.insert(0, site)
    multiprocessing.start_processes(rank, (folder,), nprocs=2, start_method="fork")
    batches = joined(Hub().dataloader("toy-noise", 22)).unflatten(0, (11, 2))
    return [
        torch.equal(images, batches[number::2].flatten(0, 1))  # the ranks take turns
        for number in (0, 1)
        for images in torch.load(f"{folder}/{number}.pt")
    ]
"""


def test_processes_that_train_together_share_a_stream(install, run, tmp_path):
    assert run(DISTRIBUTED, install().parent, tmp_path) == [True] * 6


TORCH = """
WISHES = {"conditions": {"height": [-20, 50]}, "balance": True}

def targets(batch):
    return (batch["label"] > 15).float()[:, None]

def main():
    hub = Hub()
    torch.manual_seed(0)
    network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(256, 1))
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    loader = hub.dataloader(
        "fastgan-brain-mri", 64, batch_size=16, shuffle=True, num_workers=2,
        persistent_workers=True, cache="memory", timeout=60, **WISHES,
    )
    losses = []
    for _ in range(5):
        for batch in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(batch["sample"]), targets(batch)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    unseen = next(iter(hub.dataloader("fastgan-brain-mri", 32, seed=1, **WISHES)))
    right = (network(unseen["sample"]) > 0) == (targets(unseen) > 0.5)
    return losses[0], losses[-1], float(right.float().mean())
"""


def test_a_network_learns_in_pytorch(run):
    first, last, accuracy = run(TORCH)
    assert last < first / 2
    assert accuracy > 0.9


LIGHTNING = """
import lightning

class Network(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(256, 1))
        self.losses = []

    def training_step(self, batch, _):
        found = self.layers(batch["sample"])[:, 0]
        loss = nn.functional.mse_loss(found, batch["label"] / 60)
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.01)

def main():
    hub = Hub()
    model = "fastgan-brain-mri"
    torch.manual_seed(0)
    network = Network()
    for loader in (
        hub.dataloader(model, 64, batch_size=8, shuffle=True, num_workers=2),
        DataLoader(hub.iterable_dataset(model, 32, batch_size=8), batch_size=8, num_workers=2),
    ):
        trainer = lightning.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )
        trainer.fit(network, loader)
    return network.losses
"""


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="Lightning is missing")
def test_a_network_learns_in_lightning(run):
    losses = run(LIGHTNING)
    assert len(losses) == 8 + 4
    assert sum(losses[-4:]) < sum(losses[:4])


KERAS = """
def height(item):
    return item["sample"], item["label"] > 15

def mass(item):
    import tensorflow as tf
    return item["sample"], tf.cast(item["mask"], tf.float32)

def main():
    hub = Hub()
    wishes = {"conditions": {"height": [-20, 50]}, "balance": True, "batch_size": 32}
    brains = hub.tf_dataset("fastgan-brain-mri", 64, **wishes).map(height)
    unseen = hub.tf_dataset("fastgan-brain-mri", 32, seed=1, **wishes).map(height)
    masses = hub.tf_dataset("cdcgan-breast-mass", 16, batch_size=4).map(mass)
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [layers.AveragePooling2D(8), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    network.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    network.fit(brains.cache().shuffle(64).batch(16), epochs=5, verbose=0)
    _, accuracy = network.evaluate(unseen.batch(16), verbose=0)

    # The model runs on TensorFlow itself, anew in every epoch, while Keras trains.
    finder = keras.Sequential([layers.Conv2D(1, 9, padding="same", activation="sigmoid")])
    finder.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    history = finder.fit(masses.batch(4).prefetch(1), epochs=2, verbose=0)
    return accuracy, history.history["loss"]
"""


def test_networks_learn_in_keras(run):
    accuracy, losses = run(KERAS)
    assert accuracy > 0.9
    assert losses[-1] < losses[0]


FOLDERS = """
def main():
    split = {"train": 0.5, "test": 0.5}
    wishes = {"layout": "classes", "split": split, "balance": True}
    saved = Hub().save("cdcgan-breast-mass", 16, "out", **wishes)
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    import keras

    told, read = {}, {}
    for name in split:
        told[name] = sorted(
            [row["files"]["image"]["path"], row["conditions"]["mass"]]
            for row in rows
            if row["split"] == name
        )
        found = keras.utils.image_dataset_from_directory(f"out/{name}/image", shuffle=False)
        paths = [path.removeprefix("out/") for path in found.file_paths]
        labels = [found.class_names[label] for _, each in found for label in each]
        read[name] = sorted(map(list, zip(paths, labels)))
    return told, read
"""


def test_keras_reads_folders_of_classes(run):
    told, read = run(FOLDERS)
    assert read == told
    assert all(len({mass for _, mass in each}) == 2 for each in told.values())
