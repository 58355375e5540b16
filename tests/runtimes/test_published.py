"""The models that medigan published, run from stand-ins for their archives."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from medigan_hub import Hub, RequestError, cli
from medigan_hub.card import readme
from medigan_hub.contribution.checking import check, package
from medigan_hub.inputs import resized
from support import ROOT, archives, stand_ins
from support.publishing import build_here
from support.zenodo import Zenodo

pytestmark = pytest.mark.slow

DOCUMENTS = {
    int(document["medigan_id"][:5]): document
    for document in (
        json.loads(path.read_text()) for path in (ROOT / "medigan_hub/catalogue").glob("*.json")
    )
    if document.get("medigan_id")
}
NUMBERS = sorted(DOCUMENTS)
RUNTIMES = {n: [each["runtime"] for each in DOCUMENTS[n]["weights"]] for n in NUMBERS}
NATIVE = [n for n in NUMBERS if "torch" in RUNTIMES[n]]
"""Those that the hub has a network of its own for."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Zenodo, with a stand-in for every archive."""
    folder = tmp_path_factory.mktemp("archives")
    with Zenodo() as zenodo:
        for document in DOCUMENTS.values():
            path = stand_ins.build(document, folder)
            file = document["weights"][0]["files"][0]
            zenodo.add(file["record"], file["file"], path.read_bytes())
        yield zenodo


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Packages that environments are made from: stand-ins that lead to those installed here."""
    names = {
        requirement if "==" in requirement else re.split(r"[\[<>]", requirement)[0]
        for document in DOCUMENTS.values()
        for requirement in document["archive"]["dependencies"]
    }
    return archives.stub_index(tmp_path_factory.mktemp("index"), sorted(names))


@pytest.fixture(scope="module")
def site(wheels, site_of):
    """The packages of all published models, installed."""
    names = [document["plugin"].replace("-", "_") for document in DOCUMENTS.values()]
    return site_of([wheel for wheel in wheels if wheel.name.split("-")[0] in names])


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, server, cache, index, site):
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("MEDIGAN_ZENODO_URL", server.url)
    monkeypatch.setenv("MEDIGAN_CACHE", str(cache))
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    for name, value in archives.without_network(index).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def medigan(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "medigan_hub", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    return run


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Return a function that runs a command here, where the frameworks are loaded once."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            cli.main(list(arguments))
        out, err = capsys.readouterr()
        assert not end.value.code, err
        return out

    return run


def samples(hub, number, count=2, **wishes):
    found = {}
    for batch in hub.generate(number, count, allow_archive_code=True, **wishes):
        found.update(dict(batch))
    return [found[index] for index in range(count)]


def largest_difference(one, other):
    return max(
        int(np.abs(a[name].astype(int) - b[name].astype(int)).max())
        for a, b in zip(one, other, strict=True)
        for name in a
    )


def size_of(number):
    """Return small options for models whose size is free."""
    names = {option["name"] for option in DOCUMENTS[number].get("options", ())}
    return {"height": 64, "width": 48} if {"height", "width"} <= names else {}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("runtime", ["torch", "archive"])
def test_every_model_generates(hub, command, number, runtime, tmp_path):
    if runtime == "torch" and number not in NATIVE:
        pytest.skip("its network is not public")
    options = [f"--option={name}={value}" for name, value in size_of(number).items()]
    said = command(
        *("generate", str(number), "-n", "4", "--seed", "1", "-o", "out", "--runtime", runtime),
        *("--allow-archive-code", "--json", *options),
    )
    assert json.loads(said)["count"] == 4
    assert hub.verify("out").ok
    header = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert header["runtime"] == runtime
    assert re.fullmatch("[0-9a-f]{64}", header["weights_sha256"])
    images = sorted((tmp_path / "out" / DOCUMENTS[number]["outputs"][0]["name"]).glob("*.png"))
    assert len({image.read_bytes() for image in images}) == 4


@pytest.mark.parametrize("number", NUMBERS)
def test_a_model_runs_by_what_its_metadata_names_first(hub, number):
    model = hub.model(number).metadata
    assert model.runtimes == (("torch", "archive") if number in NATIVE else ("archive",))
    with pytest.raises(RequestError, match="has no runtime 'tensorrt'; use auto or "):
        hub.generate(number, 1, runtime="tensorrt")


@pytest.mark.parametrize("number", [3, 13, 14, 15, 16, 23])
def test_our_translation_is_that_of_the_published_code(hub, number):
    image = _scene(number)
    wishes = {"inputs": image, "options": size_of(number)}
    ours = samples(hub, number, 1, **wishes)
    theirs = samples(hub, number, 1, runtime="archive", **wishes)
    assert ours[0]["image"].std() > 2
    assert largest_difference(ours, theirs) <= 1


@pytest.mark.parametrize("number", [13, 16])
def test_the_way_back_has_a_network_of_its_own(hub, number):
    wishes = {"inputs": _scene(number), "options": size_of(number)}
    there = samples(hub, number, 1, **wishes)
    back = samples(hub, number, 1, conditions={"low_to_high": False}, **wishes)
    theirs = samples(hub, number, 1, conditions={"low_to_high": False}, runtime="archive", **wishes)
    assert largest_difference(there, back) > 5
    assert largest_difference(back, theirs) <= 1


@pytest.mark.parametrize("number", [8, 12])
def test_our_masses_are_those_of_the_published_code(hub, number):
    latents = np.random.default_rng(3).standard_normal((4, 100), np.float32)
    ours = samples(hub, number, 4, latents=latents)
    theirs = samples(hub, number, 4, latents=latents, runtime="archive")
    assert [int(sample["label"]) for sample in ours] == [0, 1, 0, 1]
    assert largest_difference(ours, theirs) <= 1
    benign = samples(hub, number, 4, latents=latents, conditions={"label": "benign"})
    assert largest_difference(ours[1::2], benign[1::2]) == 0
    assert largest_difference(ours[::2], benign[::2]) > 1


def test_masses_of_the_test_part_have_weights_of_their_own(hub):
    wishes = {"options": {"is_cbisddsm_training_data": False}}
    ours = samples(hub, 8, 2, **wishes)
    assert largest_difference(ours, samples(hub, 8, 2)) > 1
    assert largest_difference(ours, samples(hub, 8, 2, runtime="archive", **wishes)) <= 1


def test_our_tumours_are_those_of_the_published_code(hub):
    rng = np.random.default_rng(5)
    names = [entry.name for entry in hub.model(7).metadata.inputs]
    given = {name: rng.integers(0, 255, (1, 256, 256, 1), np.uint8) for name in names}
    wishes = {
        "inputs": given,
        "options": {"add_variations_to_mask": False},
        "conditions": {"x_center": 100, "y_center": 140, "radius_2": 20},
    }
    ours = samples(hub, 7, 1, **wishes)
    theirs = samples(hub, 7, 1, runtime="archive", **wishes)
    assert largest_difference(ours, theirs) <= 1
    rows, columns = np.nonzero(ours[0]["mask"][:, :, 0])
    assert (round(rows.mean()), round(columns.mean())) == (100, 140)
    assert set(np.unique(ours[0]["grade_mask"])) == {0, 127, 191, 255}


def test_an_image_is_brought_to_size_alike_in_8_and_16_bits():
    image = _scene(3)[:, :, np.newaxis]
    small = resized(image, (40, 30))
    deep = resized(image.astype(np.uint16) * np.uint16(257), (40, 30))
    assert (small.shape, small.dtype, deep.dtype) == ((40, 30, 1), np.uint8, np.uint16)
    assert np.abs(deep / 257 - small).max() <= 1
    assert resized(image, (64, 48)) is image


def test_radii_out_of_order_are_refused(hub):
    with pytest.raises(RequestError, match="the radii are 30, 15 and 30; radius_1 must be below"):
        samples(hub, 7, 1, conditions={"radius_1": 30})


def test_inputs_that_belong_together_are_asked_for_together(hub):
    one = np.zeros((8, 8), np.uint8)
    with pytest.raises(RequestError, match="takes 4 inputs together, and brain_t1, brain_t1c, bra"):
        hub.generate(7, inputs={"brain_flair": one})
    with pytest.raises(RequestError, match="has no input head; it takes brain_flair, "):
        hub.generate(7, inputs={"head": one})
    several = {entry.name: one for entry in hub.model(7).metadata.inputs}
    several["brain_t2"] = np.zeros((2, 8, 8, 1), np.uint8)
    with pytest.raises(RequestError, match=r"there are 1 of brain_flair, .*2 of brain_t2"):
        hub.generate(7, inputs=several)


@pytest.mark.parametrize("number", [n for n in NATIVE if n not in (3, 13, 14, 15, 16, 20)])
def test_a_sample_does_not_depend_on_the_batch(hub, number):
    whole = samples(hub, number, 3, seed=4, batch_size=3)
    single = samples(hub, number, 3, seed=4, batch_size=1)
    other = samples(hub, number, 3, seed=5)
    # Between scales the 8-bit step of SinGAN may make more of a rounding.
    assert largest_difference(whole, single) <= 1
    if not DOCUMENTS[number].get("inputs"):
        assert largest_difference(whole, other) > 1


@pytest.mark.parametrize("number", [1, 6, 17])
def test_a_sample_of_published_code_does_not_depend_on_the_job(hub, number):
    few = samples(hub, number, 3, seed=4, batch_size=1, runtime="archive")
    many = samples(hub, number, 10, seed=4, runtime="archive")
    assert largest_difference(few, many[:3]) == 0
    assert largest_difference(many[:2], many[8:]) > 1


def test_each_slice_of_a_volume_is_translated(command, tmp_path):
    """Head to foot as it lies in the file, each slice as a viewer shows it."""
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 900, (40, 32, 3), dtype=np.int16)
    towards_left_and_front = np.diag([-0.7, 0.7, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(stored, towards_left_and_front), tmp_path / "breast.nii.gz")
    out = tmp_path / "out"
    command("generate", "23", "--input", tmp_path / "breast.nii.gz", "-o", out)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [(row["input"], row["frame"]) for row in rows] == [
        ("breast.nii.gz", n) for n in range(3)
    ]
    assert rows[0]["spacing_mm"] == pytest.approx([0.7, 0.7])
    low, high = stored.min(), stored.max()
    for row in rows:
        with Image.open(out / row["files"]["precontrast"]["path"]) as picture:
            shown = np.asarray(picture)
        expected = (stored[:, ::-1, row["frame"]].T - low) / (high - low)
        assert np.abs(shown / 65535 - expected).max() < 1e-4


def test_sequences_of_a_patient_go_together(hub, tmp_path):
    """Whatever the order of the files: by their names, without that of the sequence."""
    names = [entry["name"] for entry in DOCUMENTS[7]["inputs"]]
    for sequence, name in enumerate(names):
        for patient, level in (("anna", 10), ("bert", 100), ("p10", 150), ("p9", 200)):
            picture = Image.fromarray(np.full((8, 8), level + sequence, np.uint8))
            path = tmp_path / name / f"{patient}_{name}.png"
            path.parent.mkdir(exist_ok=True)
            picture.save(path)
    given = {name: tmp_path / name for name in names}
    batches = list(hub.generate("7", inputs=given, batch_size=4))
    for sequence, name in enumerate(names):
        levels = np.concatenate([batch.arrays[name][:, 0, 0, 0] for batch in batches])
        assert levels.tolist() == [level + sequence for level in (10, 100, 200, 150)]
    (tmp_path / names[1] / f"bert_{names[1]}.png").unlink()
    with pytest.raises(RequestError, match=f"bert_{names[0]}.png of {names[0]}.* no partner"):
        hub.generate("7", inputs=given)


def test_published_inputs_are_not_called_synthetic(hub, tmp_path):
    saved = hub.save(13, 2, tmp_path / "out", options=size_of(13))
    rows = [json.loads(line) for line in saved.manifest.read_text().splitlines()]
    assert all(row["input"].endswith(".png") for row in rows)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "were not made by the model: they are inputs published with the model" in text


def test_shapes_and_texture_make_masks(hub):
    made = {
        shape: samples(hub, 4, 2, seed=2, conditions={"shape": shape})
        for shape in ("oval", "lobulated")
    }
    for items in made.values():
        for sample in items:
            assert set(np.unique(sample["mask"])) == {0, 255}
            assert 0.02 < (sample["mask"] > 0).mean() < 0.5
    assert largest_difference(made["oval"], made["lobulated"]) == 255


def test_checkpoints_of_singan_are_chosen(hub):
    one = samples(hub, 11, 1, options={"checkpoint_id": 1})
    again = samples(hub, 11, 1, options={"checkpoint_id": 1})
    two = samples(hub, 11, 1, options={"checkpoint_id": 2})
    assert largest_difference(one, again) == 0
    assert one[0]["image"].shape[-1] == 3
    assert one[0]["mask"].shape[-1] == 1
    assert one[0]["image"].shape != two[0]["image"].shape or largest_difference(one, two) > 1
    with pytest.raises(RequestError, match="there is no checkpoint 9; the archive has 1, 2, 3"):
        hub.generate(11, 1, options={"checkpoint_id": 9})
    # From the last scale on, all but the finest details are the recorded ones.
    late = {"checkpoint_id": 1, "gen_start_scale": 2}
    first, second = samples(hub, 11, 2, options=late)
    early = samples(hub, 11, 2, options={"checkpoint_id": 1})
    assert _distance(first, second) < _distance(*early)
    with pytest.raises(RequestError, match="gen_start_scale=3 is not possible"):
        samples(hub, 11, 1, options={"checkpoint_id": 1, "gen_start_scale": 3})


def test_published_code_asks_first(medigan, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "cache"))
    done = medigan("generate", "17", "-n", "1", "-o", "out")
    assert done.returncode == 1
    assert "--allow-archive-code" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert medigan("generate", "17", "-n", "1", "-o", "out", "--allow-archive-code").returncode == 0
    assert medigan("generate", "17", "-n", "1", "-o", "again").returncode == 0


def test_published_code_takes_no_latents_but_where_it_says_so(hub):
    with pytest.raises(RequestError, match="draws its latent vectors itself"):
        samples(hub, 5, 1, latents=np.zeros((1, 100)), runtime="archive")


@pytest.mark.parametrize("number", NUMBERS)
def test_its_card_is_that_of_its_metadata(hub, number):
    entry = hub.model(number)
    folder = ROOT / "plugins" / entry.metadata.plugin
    assert (folder / "README.md").read_text() == readme(entry.metadata)


def test_the_table_of_models_says_how_each_runs_and_what_that_rests_on():
    text = (ROOT / "README.md").read_text()
    rows = list(csv.reader(re.findall(r"^\| (\d+ \| \[.*) \|$", text, re.MULTILINE), delimiter="|"))
    assert [int(row[0]) for row in rows] == NUMBERS
    for number, row in zip(NUMBERS, rows, strict=True):
        assert row[3].strip() == ", ".join(RUNTIMES[number])
        evidence = DOCUMENTS[number]["weights"][0]["evidence"]
        vector = re.search(r"reference vector (\S+)", evidence)
        rests = f"`{vector[1]}`, stand-in" if vector else "stand-in"
        assert row[4].strip() == rests
        assert row[5].strip() == (DOCUMENTS[number]["licence"] or "not stated")


def _scene(seed):
    rows, columns = np.mgrid[:64, :48]
    wave = np.sin(rows / (5 + seed % 7)) + np.cos(columns / 4)
    return np.uint8(np.clip(127 + 50 * wave, 0, 255))


def _distance(one, other):
    return float(np.abs(one["image"].astype(float) - other["image"].astype(float)).mean())


@pytest.mark.parametrize("number", NUMBERS)
def test_every_package_passes_the_check(number, monkeypatch):
    # In this process, as it is the same for all; those of test_bundled have their own for it.
    monkeypatch.setattr(package, "build", build_here)
    folder = ROOT / "plugins" / DOCUMENTS[number]["plugin"]
    report = check(folder, allow_archive_code=True, timeout=400)
    assert report.ok, report.failures
    assert {"model generates", "conditions work"} <= {each.check for each in report.findings}
