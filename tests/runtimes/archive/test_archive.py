"""Published code in a process of its own: what reaches it, what comes back, and how it ends."""

from __future__ import annotations

import copy
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medigan_hub import HubError, weights
from medigan_hub.execution import KNOBS, Execution
from medigan_hub.hashes import sha256_of
from medigan_hub.metadata import ModelMetadata
from medigan_hub.runtimes import archive
from medigan_hub.samples import GenerationRequest
from support import archives

pytestmark = pytest.mark.slow

IMAGE: dict[str, Any] = {
    "name": "image",
    "kind": "image",
    "shape": [4, 3, 1],
    "dtype": "uint8",
    "range": [0, 255],
    "channels": ["intensity"],
}
MASK = {**IMAGE, "name": "mask", "kind": "mask", "range": [0, 1]}
LABEL = {
    "name": "label",
    "kind": "label",
    "shape": [],
    "dtype": "uint8",
    "range": [0, 1],
    "classes": ["benign", "malignant"],
}
NOISE = """
import numpy as np

def generate(model_file, num_samples, output_path, save_images):
    return [np.random.randint(0, 256, (4, 3, 1), dtype=np.uint8) for _ in range(num_samples)]
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels and environments for all tests of this file."""
    folder = tmp_path_factory.mktemp("shared")
    archives.stub_index(folder / "index", ["torch"])
    (folder / "environments").mkdir()
    return folder


@pytest.fixture(autouse=True)
def machine(shared: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without network; returns where its temporary folders are."""
    own_cache.mkdir()
    (own_cache / "environments").symlink_to(shared / "environments")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name, value in archives.without_network(shared / "index").items():
        monkeypatch.setenv(name, value)
    for name in ("MEDIGAN_ARCHIVE_PYTHON", "MEDIGAN_ARCHIVE_TIMEOUT", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return temporary


@pytest.fixture
def publish(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ModelMetadata]:
    """Return a function that publishes a model: its code, or the files of its package."""
    folder = tmp_path / "published"

    def publish_model(
        files: str | dict[str, str],
        outputs: tuple[dict[str, Any], ...] = (IMAGE,),
        name: str = "toy-noise",
        **how: Any,
    ) -> ModelMetadata:
        section = {
            "package": "00005_DCGAN_TOY",
            "function": "generate",
            "arguments": {},
            "dependencies": ["numpy"],
            **how,
        }
        files = {"__init__.py": files} if isinstance(files, str) else files
        path = archives.make_archive(
            folder / name / "toy.zip", section["package"], {"500.pt": "weights", **files}
        )
        with zipfile.ZipFile(path) as content:
            content.extractall(folder / name / "unpacked")
        return ModelMetadata.from_document(
            {
                **copy.deepcopy(document),
                "name": name,
                "outputs": list(outputs),
                "archive": section,
                "weights": [
                    {
                        "runtime": "archive",
                        "format": "pytorch",
                        "files": [
                            {
                                "role": "archive",
                                "file": "toy.zip",
                                "member": "500.pt",
                                "url": "https://user:secret@example.org/records/1/files/toy.zip",
                            }
                        ],
                    }
                ],
            }
        )

    def fetch(model: ModelMetadata, file: Any = None) -> Any:
        path = folder / model.name / "toy.zip"
        return SimpleNamespace(path=path, sha256=sha256_of(path))

    def unpack(model: ModelMetadata, file: Any = None) -> Path:
        assert model.archive is not None
        return folder / model.name / "unpacked" / model.archive.package

    monkeypatch.setattr(weights, "fetch", fetch, raising=False)
    monkeypatch.setattr(weights, "unpack", unpack, raising=False)
    return publish_model


def request(model: ModelMetadata, **wishes: Any) -> GenerationRequest:
    knobs = {name: wishes.pop(name) for name in KNOBS if name in wishes}
    execution = Execution(**{"runtime": "archive", "allow_archive_code": True, **knobs})
    return GenerationRequest(
        model, **{"indices": range(4), "seed": 0, "execution": execution, **wishes}
    )


def made(model: ModelMetadata, call: archive.Call, **wishes: Any) -> list[list[Any]]:
    """Return the samples of one call."""
    ((_, samples),) = archive.run(model, request(model, **wishes), [call])
    return samples


def one(model: ModelMetadata, call: archive.Call | None = None, **wishes: Any) -> Any:
    """Return the only item of the only sample."""
    ((item,),) = made(model, call or archive.Call((0,)), **wishes)
    return item


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # what nobody waits for stays as a zombie
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pids: list[int]) -> bool:
    """Wait until the processes are gone."""
    end = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, pids))


# What reaches the function


def test_the_function_is_called_as_medigan_calls_it(publish):
    model = publish(
        """
        import json, os

        def generate(**given):
            given["empty"] = os.listdir(given["output_path"]) == []
            given["weights"] = open(given["model_file"]).read()
            return [json.dumps(given)] * given["num_samples"]
        """,
        arguments={"image_size": [8, 6], "gpu_id": None},
    )
    samples = made(model, archive.Call((0, 1), {"gpu_id": "0"}))
    assert len(samples) == 2
    given = json.loads(samples[0][0])
    assert Path(given.pop("model_file")).name == "500.pt"
    assert Path(given.pop("output_path")).is_absolute()
    assert given == {
        "num_samples": 2,
        "save_images": False,
        "image_size": [8, 6],
        "gpu_id": "0",
        "empty": True,
        "weights": "weights",
    }


def test_paths_in_medigans_folder_are_those_in_the_archive(publish):
    model = publish(
        {
            "__init__.py": """
            import os
            def generate(paths, whole, here, **_):
                return [[open(paths[0]).read(), open(whole + "/a.txt").read(), os.listdir(here)[0]]]
            """,
            "a.txt": "found",
            "input/b.txt": "",
        },
        arguments={
            "paths": ["models/00005_DCGAN_TOY/a.txt", 3],
            "whole": "models/00005_DCGAN_TOY",
            "here": "input/",
        },
    )
    assert made(model, archive.Call((0,))) == [["found", "found", "b.txt"]]


def test_input_images_come_as_a_folder_of_png_files(publish):
    model = publish(
        """
        import os
        import numpy as np
        from PIL import Image

        def generate(input_path, **_):
            names = sorted(os.listdir(input_path))
            return [(n, np.asarray(Image.open(os.path.join(input_path, n)))) for n in names]
        """,
        dependencies=["torch"],
    )
    grey = np.arange(12, dtype=np.uint8).reshape(4, 3, 1)
    deep = np.full((4, 3, 3), 65535, dtype=np.uint16)
    samples = made(model, archive.Call((0, 1), images={"input_path": [grey, deep]}))
    assert [name for name, _ in samples] == ["000000.png", "000001.png"]
    np.testing.assert_array_equal(samples[0][1], grey[:, :, 0])
    np.testing.assert_array_equal(samples[1][1], np.full((4, 3, 3), 255, np.uint8))


def test_input_images_come_as_a_list_of_files_where_the_call_says_so(publish):
    model = publish(
        """
        import os
        def generate(image_paths, **_):
            return [[os.path.basename(path) for path in image_paths if os.path.isfile(path)]]
        """
    )
    images = {"image_paths": [np.zeros((4, 3, 1), np.uint8)] * 2}
    assert made(model, archive.Call((0,), images=images, files=True)) == [
        ["000000.png", "000001.png"]
    ]


def test_latents_come_as_tensors(publish):
    model = publish(
        "def generate(z, **_): return [(type(z).__name__, str(z.dtype), z * 2)]",
        arguments={"z": None},
        dependencies=["torch"],
    )
    latents = np.linspace(-1, 1, 5, dtype=np.float32)[np.newaxis]
    kind, dtype, doubled = made(model, archive.Call((0,), tensors={"z": latents}))[0]
    assert (kind, dtype) == ("Tensor", "torch.float32")
    np.testing.assert_array_equal(doubled, latents * 2)


def test_secrets_and_settings_of_the_hub_do_not_reach_published_code(publish, monkeypatch):
    for name in ("ZENODO_TOKEN", "my_password", "AWS_ACCESS_KEY_ID", "PYTHONPATH", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "/secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "/harmless")
    model = publish(
        "import json, os\ndef generate(**_): return [json.dumps(dict(os.environ))]",
    )
    seen = one(model)
    assert "/secret" not in seen
    assert "/harmless" in seen


def test_a_python_that_published_code_starts_is_that_of_its_own_environment(publish, shared):
    model = publish(
        "import subprocess\n"
        "def generate(**_):\n"
        "    code = 'import sys; print(sys.prefix)'\n"
        "    return [subprocess.check_output(['python', '-c', code], text=True).strip()]"
    )
    assert Path(one(model)).resolve().parent == (shared / "environments").resolve()


@pytest.mark.parametrize(
    ("device", "mine", "seen"),
    [("cpu", None, ""), ("cpu", "1", ""), ("auto", None, "all"), ("auto", "1,2", "1,2")],
)
def test_the_device_decides_which_gpus_published_code_sees(
    device, mine, seen, publish, monkeypatch
):
    if mine is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mine)
    model = publish(
        "import os\ndef generate(**_): return [os.environ.get('CUDA_VISIBLE_DEVICES', 'all')]"
    )
    assert one(model, device=device) == seen


def test_a_gpu_that_is_not_there_is_refused(publish, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(HubError, match="cuda:1 is not available"):
        one(publish(NOISE), device="cuda:1")
    with pytest.raises(HubError, match="not on mps"):
        archive.ArchiveRuntime.check("mps", "float32")
    with pytest.raises(HubError, match="a precision of its own"):
        archive.ArchiveRuntime.check("cpu", "bfloat16")


@pytest.mark.parametrize("package", ["00005_DCGAN_TOY", "MALIGN_DCGAN", "ProGAN-4ch", "v1.0"])
def test_a_package_of_any_name_finds_its_own_modules(package, publish):
    model = publish(
        {
            "__init__.py": """
            from .inner.net import image
            import helper
            from shapes.oval import NAME

            def generate(**_):
                import importlib
                importlib.import_module(__name__)
                return [image(helper.LEVEL)]
            """,
            "helper.py": "LEVEL = 7",
            "shapes/oval.py": "NAME = 'oval'",
            "inner/__init__.py": "",
            "inner/net.py": """
            from ..helper import LEVEL
            import numpy as np
            def image(level): return np.full((4, 3), level + LEVEL, np.uint8)
            """,
        },
        package=package,
    )
    np.testing.assert_array_equal(one(model), np.full((4, 3), 14, np.uint8))


def test_what_published_code_writes_leaves_the_cache_and_no_folder_behind(
    publish, machine, contents, own_cache
):
    model = publish(
        {
            "__init__.py": """
            import os
            def generate(output_path, **_):
                open("beside.txt", "w").write("x")
                open(os.path.join(os.path.dirname(__file__), "data.txt"), "a").write("changed")
                os.remove("500.pt")
                open(os.path.join(output_path, "image.png"), "w").write("x")
                return [0]
            """,
            "data.txt": "data",
        }
    )
    folder = weights.unpack(model)
    before = contents(folder)
    assert one(model) == 0
    assert contents(folder) == before
    assert list(machine.iterdir()) == []
    assert not (own_cache / "logs").exists()


# What is drawn at random

RANDOM = """
import random
import numpy as np
import torch

def generate(num_samples, **_):
    drawn = [random.random(), np.random.rand(), torch.rand(1).item(), hash("x")]
    return [drawn] * num_samples
"""


def test_a_call_draws_the_same_whatever_was_made_before(publish):
    model = publish(RANDOM, dependencies=["torch"])
    calls = [archive.Call((0, 1)), archive.Call((2, 3))]
    forth = [samples for _, samples in archive.run(model, request(model), calls)]
    back = [samples for _, samples in archive.run(model, request(model), calls[::-1])]
    assert forth == back[::-1]
    assert not set(forth[0][0][:3]) & set(forth[1][0][:3])


def test_another_seed_draws_something_else(publish):
    model = publish(RANDOM, dependencies=["torch"])
    first, second = (made(model, archive.Call((0,)), seed=seed) for seed in (0, 2**64 - 1))
    assert not set(first[0]) & set(second[0])


# What comes back


def test_arrays_become_the_declared_image(publish):
    model = publish(NOISE)
    samples = made(model, archive.Call((0, 1, 2)))
    images = [archive.outputs_of(model, items)["image"] for items in samples]
    assert len({image.tobytes() for image in images}) == 3
    assert {(image.shape, str(image.dtype)) for image in images} == {((4, 3, 1), "uint8")}


def test_an_image_with_a_mask_and_one_with_a_label_become_the_declared_outputs(publish):
    code = """
    import numpy as np
    def generate(**_):
        return [(np.full((4, 3), 9, np.uint8), np.arange(12).reshape(4, 3) > 5)]
    """
    pair = publish(code, (IMAGE, MASK))
    found = archive.outputs_of(pair, made(pair, archive.Call((0,)))[0])
    assert list(found) == ["image", "mask"]
    np.testing.assert_array_equal(found["mask"].ravel(), [0] * 6 + [1] * 6)
    code = """
    import numpy as np
    def generate(**_):
        return [(np.zeros((4, 3)), "malignant"), (np.zeros((4, 3)), np.int64(0))]
    """
    labelled = publish(code, (LABEL, IMAGE), name="labelled")
    samples = made(labelled, archive.Call((0, 1)))
    assert [int(archive.outputs_of(labelled, items)["label"]) for items in samples] == [1, 0]


@pytest.mark.parametrize(
    "returned",
    [
        "torch.full((1, 4, 3), 7.0, requires_grad=True)",
        "[torch.full((1, 4, 3), 7, dtype=torch.bfloat16)]",
        "[Image.new('L', (3, 4), 7)]",
        "[[[7, 7, 7]] * 4]",
        "(np.full((4, 3), 7, np.float16) for _ in range(1))",
        "[[np.full((4, 3), 7, np.uint8)]]",
        "np.full((1, 4, 3), 7, np.uint8)",
        "[np.matrix(np.full((4, 3), 7))]",
    ],
)
def test_tensors_pictures_and_lists_become_arrays(returned, publish):
    model = publish(
        f"import numpy as np, torch\nfrom PIL import Image\ndef generate(**_): return {returned}",
        dependencies=["torch"],
    )
    (items,) = made(model, archive.Call((0,)))
    np.testing.assert_array_equal(
        archive.outputs_of(model, items)["image"], np.full((4, 3, 1), 7, np.uint8)
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return None", "returned None"),
        ("return 'images'", "type str, not a list of samples"),
        ("return {'image': 1}", "type dict, not a list of samples"),
        ("return []", "returned 0 samples; expected 1"),
        ("return [np.zeros((4, 3))] * 2", "returned 2 samples; expected 1"),
        ("return [np.array([None])]", "of the type object"),
        ("return [np.array(['a', 'b'])]", "of the type <U1"),
        ("return [(np.zeros((4, 3)), None)]", "returned None .*type object"),
        ("return [{}]", "type dict"),
        ("return [[[1, 2], [3]]]", "no array"),
        ("return [np.zeros((4, 3), complex)]", "complex128"),
        ("raise ValueError('no\\n  such shape')", "failed: ValueError: no such shape; its messag"),
        ("sys.exit(3)", "failed: SystemExit: 3"),
        ("import no_such_module", "failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("input()", "failed: EOFError"),
        ("print('last words'); os._exit(3)", "exit code 3: last words; its messages are in"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("ctypes.string_at(0)", "SIGSEGV: Fatal Python error: Segmentation fault"),
        ("os.close(2); os.closerange(3, 99); os.abort()", "SIGABRT"),
        ("raise RuntimeError('\\x1b[31mred\\x1b[0m\\u2028' + 'x' * 9999)", "RuntimeError: red x+"),
    ],
)
def test_a_function_that_fails_is_told_in_one_line(body, words, publish, own_cache, machine):
    model = publish(f"import ctypes, os, sys\nimport numpy as np\ndef generate(**_):\n    {body}")
    with pytest.raises(HubError, match=words) as caught:
        one(model)
    message = str(caught.value)
    assert message.startswith("toy-noise: the published function generate ")
    assert message.isprintable()
    assert len(message) < 1000
    logs = list((own_cache / "logs").glob("*.log"))
    assert [str(log) in message for log in logs] == [True] * len(logs)
    assert list(machine.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def sample(): pass", "can't be loaded: AttributeError: .* 'generate'"),
        ("import no_such_module", "can't be loaded: ModuleNotFoundError"),
        ("def generate(:", "can't be loaded: SyntaxError"),
        ("import sys; sys.exit('stop')", "can't be loaded: SystemExit: stop"),
    ],
)
def test_code_that_cannot_be_loaded_is_told_in_one_line(code, words, publish):
    with pytest.raises(HubError, match=words):
        one(publish(code))


def test_an_archive_without_code_is_told_in_one_line(publish):
    with pytest.raises(HubError, match=r"can't be loaded: .*__init__\.py"):
        one(publish({"readme.txt": "nothing"}))


def test_what_published_code_prints_goes_to_a_log_that_is_kept_on_failure(publish, own_cache):
    code = """
    import os, subprocess, sys
    def generate(fail, **_):
        print('{"samples": [[{"value": 1}]]}', flush=True)
        os.write(1, b"rubbish\\n")
        subprocess.run(["echo", "from a child"])
        if fail:
            raise ValueError("on purpose")
        return [2]
    """
    model = publish(code)
    assert one(model, archive.Call((0,), {"fail": False})) == 2
    assert not (own_cache / "logs").exists()
    with pytest.raises(HubError, match="on purpose") as caught:
        one(model, archive.Call((0,), {"fail": True}))
    (log,) = (own_cache / "logs").glob("*.log")
    assert str(log) in str(caught.value)
    for line in ("rubbish", "from a child", "Traceback", "on purpose"):
        assert line in log.read_text()


def test_only_the_last_logs_are_kept(publish, own_cache):
    (own_cache / "logs").mkdir()
    for number in range(30):
        old = own_cache / "logs" / f"old-{number}.log"
        old.touch()
        os.utime(old, (number, number))
    with pytest.raises(HubError, match="on purpose"):
        one(publish("def generate(**_): raise ValueError('on purpose')"))
    logs = {log.name for log in (own_cache / "logs").iterdir()}
    assert len(logs) == 20
    assert "old-10.log" not in logs


BREAKING_IN = """
import os, pathlib
import numpy as np

def generate(output_path, **_):
    results = pathlib.Path(output_path).parent / "results"
    results.mkdir()
    np.save(results / "objects.npy", np.array([None]), allow_pickle=True)
    np.save(results / "words.npy", np.array(["a"]))
    np.save(results.parent / "outside.npy", np.zeros((4, 3)))
    (results / "link.npy").symlink_to(results.parent / "outside.npy")
    (results / "torn.npy").write_bytes((results.parent / "outside.npy").read_bytes()[:-8])
    (results / "text.npy").write_text("no array")
    os.mkfifo(results / "pipe.npy")
    for descriptor in range(3, 64):
        try:
            {write}
        except OSError:
            pass
    return [0]
"""


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        "[1, 2]",
        "[" * 100_000,
        "9" * 10_000,
        "\xff\xfe",
        "{}",
        '{"samples": 3}',
        '{"samples": [3]}',
        '{"samples": [[3]]}',
        '{"samples": [[{"value": [3]}]]}',
        '{"samples": [[{"array": 3}]]}',
        *(
            f'{{"samples": [[{{"array": "{name}"}}]]}}'
            for name in (
                *("objects.npy", "words.npy", "torn.npy", "text.npy", "pipe.npy", "link.npy"),
                *("missing.npy", "../outside.npy", "/etc/passwd", ".", "\\u0000"),
            )
        ),
    ],
)
def test_a_forged_answer_is_refused(line, publish):
    write = f"os.write(descriptor, {line.encode('latin-1') + bytes([10])!r})"
    with pytest.raises(HubError, match=r"broke into|can't be read|left an array") as caught:
        one(publish(BREAKING_IN.replace("{write}", write)))
    assert str(caught.value).isprintable()


def test_an_endless_answer_is_refused(publish):
    write = "[os.write(descriptor, b'x' * 2**16) for _ in range(2**9)]"
    with pytest.raises(HubError, match="broke into"):
        one(publish(BREAKING_IN.replace("{write}", write)))


def test_a_call_that_hangs_is_ended_and_says_which_setting_gives_it_longer(publish, monkeypatch):
    monkeypatch.setenv("MEDIGAN_ARCHIVE_TIMEOUT", "0.5")
    with pytest.raises(HubError, match=r"over 0\.5 seconds .*MEDIGAN_ARCHIVE_TIMEOUT"):
        one(publish("import time\ndef generate(**_): time.sleep(1000)"))


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(text, publish, monkeypatch):
    monkeypatch.setenv("MEDIGAN_ARCHIVE_TIMEOUT", text)
    with pytest.raises(HubError, match="MEDIGAN_ARCHIVE_TIMEOUT is"):
        one(publish(NOISE))


# Environments and permission


def test_archives_whose_dependencies_contradict_each_other_and_the_hub_run_in_one_process(
    publish, shared
):
    import pluggy

    mine = importlib.metadata.version("pluggy")
    site = Path(pluggy.__file__).parent.parent
    installed = sorted(entry.name for entry in site.iterdir())
    models = []
    for version in ("0.1", "0.2"):
        archives.make_wheel(
            shared / "index", "pluggy", version, {"pluggy.py": f"VERSION = '{version}'"}
        )
        model = publish(
            "import pluggy\ndef generate(**_): return [pluggy.VERSION]",
            name=f"toy-{version[-1]}",
            dependencies=[f"pluggy=={version}"],
        )
        models.append(model)
    runs = [
        archive.run(model, request(model), [archive.Call((0,)), archive.Call((1,))])
        for model in models
    ]
    seen = [next(each)[1][0][0] for each in (*runs, *runs)]  # both alive at the same time
    assert seen == ["0.1", "0.2", "0.1", "0.2"]
    for each in runs:
        each.close()
    assert importlib.metadata.version("pluggy") == mine
    assert sys.modules["pluggy"] is pluggy
    assert sorted(entry.name for entry in site.iterdir()) == installed


def test_published_code_runs_only_once_it_is_allowed(publish, own_cache, tmp_path):
    trace = tmp_path / "trace"
    (own_cache / "environments").unlink()
    model = publish(f"open({str(trace)!r}, 'w')\ndef generate(**_): return [0]")
    with pytest.raises(HubError) as caught:
        one(model, allow_archive_code=False)
    message = str(caught.value)
    digest = weights.fetch(model).sha256
    for words in ("toy.zip", digest[:12], "https://example.org/records/1/files/toy.zip"):
        assert words in message
    for words in ("whatever your account may", "allow_archive_code=True"):
        assert words in message
    assert "secret" not in message
    assert "\n" not in message
    assert not trace.exists()
    assert not (own_cache / "environments").exists()


def test_a_permission_is_remembered_for_that_very_archive(publish):
    model = publish(NOISE)
    made(model, archive.Call((0,)))
    assert made(model, archive.Call((0,)), allow_archive_code=False)
    other = publish("def generate(**_): return [0]")
    with pytest.raises(HubError, match="allow_archive_code=True"):
        made(other, archive.Call((0,)), allow_archive_code=False)
    made(other, archive.Call((0,)))
    assert made(other, archive.Call((0,)), allow_archive_code=False)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000])
def test_a_damaged_list_of_permissions_allows_nothing(content, publish, own_cache):
    (own_cache / "allowed-archives.json").write_text(content)
    model = publish(NOISE)
    with pytest.raises(HubError, match="allow_archive_code=True"):
        one(model, allow_archive_code=False)
    one(model)
    assert one(model, allow_archive_code=False) is not None


# How it goes on and ends


def test_calls_are_made_one_by_one_in_one_process_as_they_are_asked_for(publish):
    model = publish(
        "import os\ncount = 0\n"
        "def generate(**_):\n    global count\n    count += 1\n    return [(os.getpid(), count)]"
    )
    asked = []

    def calls():
        for index in range(3):
            asked.append(index)
            yield archive.Call((index,))

    running = archive.run(model, request(model), calls())
    assert asked == []
    first, second = next(running), next(running)
    assert asked == [0, 1]
    assert first[0].indices == (0,)
    ((pid, _),) = first[1]
    assert second[1] == [[pid, 2]]
    running.close()
    assert gone([pid])


SPAWNING = """
import os, signal, subprocess, time
def generate(then, **_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "1000"])
    if then == "fail":
        raise ValueError(f"{os.getpid()} {child.pid}")
    if then == "exit":
        print(os.getpid(), child.pid)
        os._exit(1)
    return [(os.getpid(), child.pid)]
"""


@pytest.mark.parametrize("then", ["return", "fail", "exit"])
def test_nothing_that_published_code_started_outlives_the_job(then, publish, machine):
    model = publish(SPAWNING)
    running = archive.run(model, request(model), [archive.Call((0,), {"then": then})])
    if then == "return":
        pids = next(running)[1][0]
        assert all(map(alive, pids))
        running.close()
    else:
        with pytest.raises(HubError) as caught:
            next(running)
        found = re.search(r"(\d+) (\d+); its messages", str(caught.value))
        assert found is not None
        pids = list(map(int, found.groups()))
    assert gone(pids)
    assert list(machine.iterdir()) == []


HUB = """
import sys, tempfile
from pathlib import Path
from types import SimpleNamespace
import json
from medigan_hub import weights
from medigan_hub.execution import Execution
from medigan_hub.metadata import ModelMetadata
from medigan_hub.runtimes import archive
from medigan_hub.samples import GenerationRequest

document, folder, tempfile.tempdir, then = sys.argv[1:]
weights.fetch = lambda model, file: SimpleNamespace(sha256="0")
weights.unpack = lambda model, file: Path(folder)
model = ModelMetadata.from_document(json.loads(document))
request = GenerationRequest(model, range(1), 0, execution=Execution(allow_archive_code=True))
for _, samples in archive.run(model, request, [archive.Call((0,), {"then": then})]):
    print(*samples[0], flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_nothing_outlives_a_hub_that_is_killed(signal, publish, machine):
    import signal as signals

    model = publish(SPAWNING)
    document = json.dumps(model.document)
    with subprocess.Popen(
        [sys.executable, "-c", HUB, document, weights.unpack(model), machine, "return"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as hub:
        pids = list(map(int, hub.stdout.readline().split()))
        assert len(pids) == 2
        assert all(map(alive, pids))
        hub.send_signal(getattr(signals, signal))
        hub.wait()
    assert gone(pids)
    assert list(machine.iterdir()) == []


# From items to outputs


@pytest.fixture
def declaring(publish) -> Callable[..., ModelMetadata]:
    return lambda *outputs: publish(NOISE, outputs)


LEVELS = np.arange(12, dtype=np.uint8).reshape(4, 3, 1)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (LEVELS, LEVELS),
        (LEVELS[:, :, 0], LEVELS),
        (LEVELS[np.newaxis], LEVELS),
        (np.moveaxis(LEVELS, -1, 0), LEVELS),
        (np.moveaxis(LEVELS, -1, 0)[np.newaxis], LEVELS),
        (np.repeat(LEVELS, 3, axis=-1), LEVELS),
        (LEVELS.astype(np.float32) + 0.3, LEVELS),
        (LEVELS.astype(np.int64), LEVELS),
        (LEVELS / 255, np.zeros((4, 3, 1))),
    ],
)
def test_an_image_is_taken_in_any_usual_form(item, expected, declaring):
    found = archive.outputs_of(declaring(IMAGE), [item])["image"]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_a_colour_image_is_taken_with_its_channels_first_or_with_one(declaring):
    colour = declaring({**IMAGE, "shape": [4, 3, 3]})
    levels = np.arange(36, dtype=np.uint8).reshape(4, 3, 3)
    for item, expected in [
        (levels, levels),
        (np.moveaxis(levels, -1, 0), levels),
        (LEVELS, np.repeat(LEVELS, 3, axis=-1)),
    ]:
        np.testing.assert_array_equal(archive.outputs_of(colour, [item])["image"], expected)


def test_an_image_of_a_free_size_keeps_its_own(declaring):
    model = declaring({**IMAGE, "shape": [None, None, 1]}, {**MASK, "shape": [None, None, 1]})
    found = archive.outputs_of(model, [np.zeros((1, 9, 5)), np.ones((9, 5), bool)])
    assert {name: array.shape for name, array in found.items()} == {
        "image": (9, 5, 1),
        "mask": (9, 5, 1),
    }
    assert found["mask"].min() == 1


def test_labels_that_the_function_does_not_return_are_left_to_the_caller(declaring):
    assert list(archive.outputs_of(declaring(LABEL, IMAGE), [LEVELS])) == ["image"]


@pytest.mark.parametrize("label", [1, True, 1.0, "malignant", np.array(1), np.array([1])])
def test_a_label_is_a_number_or_a_word_of_its_classes(label, declaring):
    found = archive.outputs_of(declaring(IMAGE, LABEL), [label, LEVELS])["label"]
    assert (found.shape, found.dtype, int(found)) == ((), np.uint8, 1)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "nothing for a sample; expected image, mask, and perhaps label"),
        ([LEVELS], "an array of uint8 .* expected image, mask"),
        ([LEVELS] * 3, "expected image, mask"),
        ([LEVELS, LEVELS > 3, 0, 1], "expected image, mask"),
        ([LEVELS, "mask"], "'mask' for a sample; expected image, mask"),
        ([LEVELS[:2], LEVELS > 3], r"the shape \[2, 3, 1\] for image; .* \[4, 3, 1\]"),
        ([np.zeros((4, 3, 2)), LEVELS > 3], r"for image; expected the shape"),
        ([np.arange(36).reshape(4, 3, 3), LEVELS > 3], r"for image; expected the shape"),
        ([np.zeros((0, 3)), LEVELS > 3], r"for image; expected the shape"),
        ([np.full((4, 3), np.nan), LEVELS > 3], "nan for image; expected 0 to 255"),
        ([np.full((4, 3), -1), LEVELS > 3], "values from -1 to -1 for image"),
        ([np.full((4, 3), 256), LEVELS > 3], "values from 256"),
        ([np.full((4, 3), 1e300), LEVELS > 3], "values from 1e"),
        ([LEVELS, LEVELS], "values from 0 to 11 for mask; expected 0 to 1"),
        ([LEVELS > 3, LEVELS > 3], "bool .* for image; expected numbers"),
        ([LEVELS, LEVELS > 3, "odd"], "'odd' for label; expected one of benign, malignant"),
        ([LEVELS, LEVELS > 3, 2], "values from 2 to 2 for label"),
        ([LEVELS, LEVELS > 3, 0.5], "0.5 for label; expected whole numbers"),
        ([LEVELS, LEVELS > 3, float("nan")], "nan for label"),
        ([LEVELS, LEVELS > 3, 10**30], "for label; expected numbers"),
        ([LEVELS, LEVELS > 3, np.array([0, 1])], "for label; expected the shape"),
    ],
)
def test_what_was_not_declared_is_refused_in_one_line(items, words, declaring):
    with pytest.raises(HubError, match=words) as caught:
        archive.outputs_of(declaring(IMAGE, MASK, LABEL), items)
    assert str(caught.value).startswith("toy-noise: the published function generate returned ")
    assert "\n" not in str(caught.value)


def test_a_model_without_published_code_is_told_so(publish):
    model = replace(publish(NOISE), archive=None)
    with pytest.raises(HubError, match="no published code"):
        one(model)
