"""The gate: what is right passes, and what is broken fails for the reason that was planted."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import psutil
import pytest

from medigan_hub import PluginError, RequestError
from medigan_hub.contribution.checking import check, contents, static
from support import projects
from support.projects import PACKAGE, change, edit

pytestmark = pytest.mark.slow

MODULE = f"{PACKAGE}/__init__.py"
METADATA = f"{PACKAGE}/metadata.json"
WEIGHTS = f"{PACKAGE}/weights/generator.safetensors"
RAN = "\nclass Toy(NoiseToImage):\n"
"""Where code can be put that runs when the module is imported."""
BATCHES = "    def network_inputs(self, request, indices):\n"
"""Where code can be put that runs for every batch."""


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    return projects.make(tmp_path_factory.mktemp("good") / "project")


@pytest.fixture
def project(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / "project"))


def failures(report):
    return {finding.check: finding.message for finding in report.failures}


def test_a_sound_package_passes_every_check(project):
    report = check(project)
    assert failures(report) == {}
    statuses = {finding.check: finding.status for finding in report.findings}
    assert set(statuses.values()) == {"passed"}, statuses
    assert len(statuses) == 23
    assert report.model == "toy-levels"


def pickled(project):
    (project / PACKAGE / "extra.dat").write_bytes(pickle.dumps({"a": 1}))


def objects(project):
    np.save(project / PACKAGE / "names.npy", np.array(["a", None], dtype=object))


def code(old, new):
    return lambda project: change(project, MODULE, (old, new))


def batch(line):
    return code(BATCHES, f"{BATCHES}        {line}\n")


def weights(content):
    return lambda project: (project / WEIGHTS).write_bytes(content)


def text(name, content):
    return lambda project: (project / name).write_text(content)


STATIC = {
    "no-build": (text("pyproject.toml", "["), "package builds", "can't be built"),
    "no-entry-point": (
        lambda p: change(p, "pyproject.toml", ("medigan_hub.models", "other")),
        "entry point",
        "has 0 entry points in the group medigan_hub.models",
    ),
    "two-entry-points": (
        lambda p: change(p, "pyproject.toml", ("toy-levels =", 'other = "x:y"\ntoy-levels =')),
        "entry point",
        "has 2 entry points",
    ),
    "entry-point-elsewhere": (
        lambda p: change(p, "pyproject.toml", (f'"{PACKAGE}:plugin"', '"medigan_model_b:plugin"')),
        "entry point",
        "names 'medigan_model_b:plugin', which is no package of the wheel",
    ),
    "other-name": (
        lambda p: change(p, "pyproject.toml", ("toy-levels =", "toy-noise =")),
        "entry point",
        "the entry point is toy-noise, and metadata.json says toy-levels",
    ),
    "other-version": (
        lambda p: change(p, "pyproject.toml", ("1.0.0", "1.0.1")),
        "entry point",
        "the version of the distribution is 1.0.1, and metadata.json says 1.0.0",
    ),
    "no-metadata": (lambda p: (p / METADATA).unlink(), "metadata is valid", "has no metadata.json"),
    "no-json": (text(METADATA, "{"), "metadata is valid", "not JSON"),
    "invalid": (lambda p: edit(p, task="magic"), "metadata is valid", 'task: "magic" is not'),
    "no-licence": (lambda p: edit(p, licence=False), "metadata is valid", "licence: false"),
    "no-licence-file": (
        lambda p: (
            (p / "LICENSE").unlink(),
            change(p, "pyproject.toml", ('license-files = ["LICENSE"]', "")),
        ),
        "licence is there",
        "no file with a licence",
    ),
    "no-author": (lambda p: edit(p, authors=[]), "model can be cited", "nobody can cite"),
    "no-weights": (
        lambda p: (p / WEIGHTS).unlink(),
        "weights are as declared",
        "lacks the weights weights/generator.safetensors",
    ),
    "cut-weights": (
        lambda p: (p / WEIGHTS).write_bytes((p / WEIGHTS).read_bytes()[:-1]),
        "weights are as declared",
        "it is cut short",
    ),
    "empty-weights": (weights(b""), "weights are as declared", "it is empty"),
    "pickle": (pickled, "no code is pickled", "extra.dat is a pickle"),
    "objects": (objects, "no code is pickled", "names.npy is an array of Python objects"),
    "checkpoint": (
        text(f"{PACKAGE}/model.pth", "x"),
        "no code is pickled",
        "model.pth is a file of the kind .pth",
    ),
    "unpickles": (
        code("import safetensors.numpy\n", "import pickle as p, safetensors.numpy\nf = p.loads\n\n"
             "def g(x):\n    return p.loads(x)\n"),
        "no code is pickled",
        r"__init__\.py, line 8: pickle.loads runs code",
    ),
    "home": (
        text(f"{PACKAGE}/notes.txt", "from\n/home/ada/run7\n"),
        "nothing private",
        r"notes\.txt in the wheel, line 2: the path /home/ada",
    ),
    "secret": (
        text("deploy.py", 'ZENODO_TOKEN = "a1b2c3d4e5f6a1b2c3d4e5f6"\n'),
        "nothing private",
        r"deploy\.py in the source distribution, line 1: what looks like a token",
    ),
    "no-dependency": (
        lambda p: change(p, "pyproject.toml", ('"numpy>=1.26"', '"no-such-thing>=2"')),
        "dependencies are installed",
        "needs no-such-thing>=2, which is not installed",
    ),
    "old-dependency": (
        lambda p: change(p, "pyproject.toml", ('"numpy>=1.26"', '"numpy>=99"')),
        "dependencies are installed",
        "needs numpy>=99, and",
    ),
    "to-do": (
        lambda p: edit(p, description="TODO: say what it makes."),
        "everything is filled in",
        "TODO: say what it makes.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STATIC)
def test_what_is_wrong_with_the_files_is_told(project, name):
    plant, where, reason = STATIC[name]
    plant(project)
    report = check(project)
    found = failures(report)
    assert where in found
    assert re.search(reason, found[where]), found
    also = (
        {"samples are as declared", "reference samples are reproduced"}
        if "weights" in name
        else set()
    )
    assert set(found) - also == {where}
    assert all(finding.remedy for finding in report.failures)


DYNAMIC = {
    "import": (code(RAN, f"\nraise ImportError('no such thing')\n{RAN}"), "model loads",
               "can't be imported: ImportError: no such thing"),
    "exit": (code(RAN, f"\nimport os\nos._exit(3)\n{RAN}"), "model loads",
             "its process ended with exit code 3"),
    "crash": (batch("import ctypes; ctypes.string_at(0)"), "model generates",
              "its process ended by signal 11"),
    "raises": (batch("raise ValueError('too\\nbad')"), "model generates",
               "the plugin raises ValueError: too bad"),
    "hangs": (batch("import time; time.sleep(99)"), "model generates", "it takes over 3 seconds"),
    "memory": (batch("x = [np.ones(2**24) for _ in range(200)]"), "model generates",
               "it uses over 1 GiB of memory"),
    "prints": (batch("print('words ' * 10**6)"), "model is quiet", "the model prints"),
    "prints-on": (batch("while True: print('words ' * 10**6)"), "model generates",
                  "it prints over 64.0 MiB"),
    "shape": (code("reshape(-1, 8, 6, 1)", "reshape(-1, 6, 8, 1)"), "samples are as declared",
              r"has image of shape \(4, 6, 8, 1\), declared \(4, 8, 6, 1\)"),
    "nan": (
        lambda p: change(p, MODULE, (
            "plugin = Toy",
            "def broken(self, values):\n"
            "    return {'image': np.full((len(values), 8, 6, 1), np.nan, np.float32)}\n\n"
            "Toy.to_outputs = broken\nplugin = Toy",
        ), ) or edit(p, outputs=[
            projects.DOCUMENT["outputs"][0] | {"dtype": "float32"}, projects.DOCUMENT["outputs"][1],
        ]),
        "samples are as declared",
        "has image with values that are not numbers",
    ),
    "dtype": (
        code("plugin = Toy", "def broken(self, values):\n"
             "    return {'image': np.full((len(values), 8, 6, 1), 7.0)}\n\n"
             "Toy.to_outputs = broken\nplugin = Toy"),
        "samples are as declared",
        "has image as float64, declared uint8",
    ),
    "range": (
        lambda p: edit(p, outputs=[
            projects.DOCUMENT["outputs"][0] | {"range": [0, 100]}, projects.DOCUMENT["outputs"][1],
        ]) or change(p, MODULE, ("plugin = Toy", "def broken(self, values):\n"
             "    return {'image': np.full((len(values), 8, 6, 1), 101, np.uint8)}\n\n"
             "Toy.to_outputs = broken\nplugin = Toy")),
        "samples are as declared",
        "beyond its declared range of 0 to 100",
    ),
    "blank": (code("latents * scale", "latents * 0"), "images are not blank",
              r"one value alone in the samples \[0, 1, 2, 3\]"),
    "alike": (code("request.latents(indices)", "request.latents([0] * len(indices))"),
              "samples differ", "4 samples of seed 0 are [123] different ones"),
    "by-batch": (
        code("request.latents(indices)", "request.latents(range(len(indices)))[::-1]"),
        "same seed, same sample",
        "in batches of 1 than of 4",
    ),
    "by-chance": (
        code("request.latents(indices)",
             "np.random.default_rng().random((len(indices), 48), np.float32)"),
        "same seed, same sample",
        "image of the same seed is another",
    ),
    "no-seed": (
        lambda p: change(
            p,
            MODULE,
            ('request.condition("level", indices)', "[i % 3 for i in indices]"),
            ("request.latents(indices)", "np.stack([np.linspace(-1, 1, 48) / i for i in rows])"),
            ("        levels = np", "        rows = [i + 1 for i in indices]\n        levels = np"),
        ),
        "another seed, other samples",
        "seed 1 makes the same samples",
    ),
    "no-effect": (code("levels[:, np.newaxis]", "levels[:, np.newaxis] * 0"), "conditions work",
                  "level changes nothing"),
    "value-fails": (batch("assert 2 not in request.condition('level', indices) or "
                          "request.conditions['level'] is None, 'two'"),
                    "conditions work", "level=2 fails: .*two"),
    "label": (
        code("plugin = Toy", "Toy.labels = lambda self, request, indices: "
             "{'level': np.zeros(len(indices), np.int64)}\nplugin = Toy"),
        "conditions work",
        "with level=[12] the label level is 0",
    ),
    "reference": (code("latents * scale", "latents * scale * 0.9"),
                  "reference samples are reproduced", "the reference sample image/1 is made other"),
    "old-reference": (
        lambda p: change(p, f"{PACKAGE}/reference/dataset.json", ('"1.0.0"', '"0.9.0"')),
        "reference samples are reproduced",
        f"of another version .* -o {PACKAGE}/reference --overwrite",
    ),
    "no-reference": (lambda p: shutil.rmtree(p / PACKAGE / "reference"),
                     "reference samples are reproduced", "the package has no reference samples"),
    "writes": (code(RAN, f"\nopen('/tmp/medigan-stray', 'w')\n{RAN}"), "model loads",
               "wants to write to /tmp/medigan-stray"),
    "writes-quietly": (
        batch("exec(\"try:\\n open('/var/tmp/x', 'a')\\nexcept OSError: pass\")"),
        "writes nothing elsewhere",
        "the plugin writes to /var/tmp/x",
    ),
    "writes-by-others": (
        batch("import subprocess; subprocess.run(['touch', __file__])"),
        "writes nothing elsewhere",
        r"the model changed medigan_model_toy_levels/__init__\.py",
    ),
    "network": (
        batch("import urllib.request; urllib.request.urlopen('http://models.example.org/x')"),
        "model generates",
        "asks for models.example.org",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DYNAMIC)
def test_what_is_wrong_with_what_it_makes_is_told(project, name):
    plant, where, reason = DYNAMIC[name]
    plant(project)
    report = check(project, timeout=3 if name == "hangs" else 60, memory=1)
    found = {
        finding.check: finding.message
        for finding in reversed(report.failures)  # so that the first of a check counts
    }
    assert where in found
    messages = [each.message for each in report.failures if each.check == where]
    assert any(re.search(reason, message) for message in messages), messages
    assert not any("medigan-check-" in message for message in messages), "a folder that is gone"
    static = {"metadata is valid", "weights are as declared", "entry point", "nothing private"}
    assert not static & set(found)
    assert next(iter(failures(report))) in (where, "samples differ"), (
        "the first is what was planted"
    )
    assert all(finding.remedy for finding in report.failures)


def test_a_wheel_that_is_too_large_for_pypi_is_told(project, monkeypatch):
    monkeypatch.setattr(static, "MAX_WHEEL_BYTES", 2**10)
    found = failures(check(project))
    assert list(found) == ["wheel is of a fitting size"]


def test_a_model_that_hangs_leaves_no_process(project, tmp_path):
    mark = f"sleeper{os.getpid()}"
    batch(
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', "
        f"'import time; time.sleep(60)', '{mark}'], start_new_session=True)"
    )(project)
    report = check(project, timeout=3)
    assert "it takes over 3 seconds" in failures(report)["model generates"]
    running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(mark in word for words in running for word in words)


def test_a_model_does_not_see_tokens(project, monkeypatch):
    monkeypatch.setenv("ZENODO_API_TOKEN", "very-secret")
    batch("import os; assert 'ZENODO_API_TOKEN' not in os.environ")(project)
    report = check(project)
    assert failures(report) == {}


def test_a_wheel_and_an_installed_model_are_checked_alike(project, tmp_path, site_of, monkeypatch):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=project)
    (wheel,) = tmp_path.glob("*.whl")
    report = check(wheel)
    assert report.ok, failures(report)
    monkeypatch.syspath_prepend(str(site_of([wheel])))
    report = check("toy-levels")
    assert report.ok, failures(report)
    assert "package builds" not in {finding.check for finding in report.findings}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/folder", "there is no no/such/folder"),
        ("missing.whl", r"there is no missing\.whl"),
        ("cyclegan-dbtt", "cyclegan-dbt"),
        ("dcgan-mmg-calc-roi", "is not installed"),
    ],
)
def test_what_is_not_there_is_said(source, message):
    from medigan_hub import HubError

    with pytest.raises(HubError, match=message):
        _opened(source)


def _opened(source):
    report = check(source)
    raise PluginError(report.failures[0].message)


def test_a_folder_without_a_project_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"has no pyproject\.toml"):
        check(tmp_path)


def test_a_broken_wheel_is_one_failure(tmp_path):
    wheel = tmp_path / "x-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK no zip")
    (finding,) = check(wheel).findings
    assert finding.status == "failed"
    assert "can't be read" in finding.message


def medigan(*arguments, **environment):
    outside = {name: value for name, value in os.environ.items() if name != "GITHUB_ACTIONS"}
    return subprocess.run(
        [sys.executable, "-m", "medigan_hub", "check", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=outside | environment,
    )


def test_the_command_reports_as_a_table_json_junit_and_annotations(project, tmp_path):
    good = medigan(project, "--junit", tmp_path / "good.xml")
    assert good.returncode == 0, good.stdout
    assert "toy-levels passes: 23 checks" in good.stdout
    suite = ElementTree.parse(tmp_path / "good.xml").getroot()  # noqa: S314 (our own file)
    assert (suite.get("tests"), suite.get("failures")) == ("23", "0")

    edit(project, authors=[], description="TODO: a\x1b[31m")
    change(project, METADATA, ("\\u001b", ""))
    bad = medigan(project, "--json", "--junit", tmp_path / "bad.xml")
    assert (bad.returncode, bad.stderr) == (1, "")
    report = json.loads(bad.stdout)
    assert report["ok"] is False
    failed = {f["check"] for f in report["findings"] if f["status"] == "failed"}
    assert failed == {"model can be cited", "everything is filled in"}
    suite = ElementTree.parse(tmp_path / "bad.xml").getroot()  # noqa: S314
    assert suite.get("failures") == "2"
    cases = {case.get("name"): case for case in suite}
    assert "nobody can cite" in cases["model can be cited"].find("failure").get("message")

    bad = medigan(project, GITHUB_ACTIONS="true")
    assert bad.returncode == 1
    assert "error: toy-levels fails 2 of 23 checks" in bad.stderr
    assert "::error title=model can be cited::metadata.json names neither" in bad.stdout


def test_bounds_that_are_none_are_refused(project):
    result = medigan(project, "--memory", "0")
    assert (result.returncode, result.stderr) == (1, "error: --memory is 0; it must be above 0\n")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import torch\ntorch.load(x)", []),  # since 2.6, weights alone
        ("import torch\ntorch.load(x, weights_only=False)", [(2, "torch.load")]),
        ("from torch import load\nload(x, weights_only=w)", [(2, "torch.load")]),
        ("import numpy as np\nnp.load(x, allow_pickle=True)", [(2, "numpy.load")]),
        ("import numpy as np\nnp.load(x)\nnp.load(x, allow_pickle=False)", []),
        ("import joblib\njoblib.load(x)", [(2, "joblib.load")]),
        ("import json\njson.load(x)", []),
    ],
)
def test_calls_that_run_what_a_file_holds_are_seen(code, found):
    assert list(contents.unsafe_calls(code.encode())) == found


def test_a_secret_is_found_and_never_repeated():
    secret = "ghp_" + "a1" * 18
    ((line, words),) = contents.private("x.py", f"a\nkey {secret}\n".encode())
    assert (line, words) == (2, "a token of GitHub")
    assert list(contents.private("x.py", b"see /home/user/file and C:\\Users\\you\n")) == []
    assert list(contents.private("model.onnx", b"\0\0/home/ada/x")) == [
        (None, "the path /home/ada")
    ]
