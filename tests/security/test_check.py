"""The gate against packages that want to pass it without deserving it, or to use it."""

from __future__ import annotations

import ctypes
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import zipfile

import psutil
import pytest

from medigan_hub import HubError, reference
from medigan_hub.contribution.checking import behaviour, check, frames, package, static
from medigan_hub.contribution.checking.fence import ASKS, WRITES
from medigan_hub.hashes import sha256_of
from medigan_hub.metadata import ModelMetadata
from medigan_hub.processes import groups
from support import projects
from support.projects import NAME, PACKAGE

pytestmark = pytest.mark.slow

LANDLOCK = sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1
"""Whether the kernel can keep a process from writing elsewhere."""
INFO = f"{PACKAGE}-1.0.0.dist-info"
VERDICTS = [
    line
    for name in (*behaviour.NAMES,)
    for line in (
        {"check": name},
        {"check": name, "status": "passed", "message": "", "remedy": ""},
    )
]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of a model that passes."""
    folder = tmp_path_factory.mktemp("sound")
    project = projects.make(folder / "project")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=project)
    return next(folder.glob("*.whl"))


def rewrite(wheel, target, files):
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name not in files:
                new.writestr(name, old.read(name))
        for name, content in files.items():
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.fixture
def with_code(wheel, tmp_path):
    """Return a function that writes the wheel with code that runs when it is imported."""

    def write(code, model=projects.CODE):
        return rewrite(wheel, tmp_path / wheel.name, {f"{PACKAGE}/__init__.py": f"{code}\n{model}"})

    return write


def failures(report):
    return {finding.check: finding.message for finding in reversed(report.failures)}


FRAME = """
import json, os, sys, threading, time
def frame(words, arrays=(), content=b""):
    return json.dumps([words, list(arrays)]).encode() + b"\\n" + content
def everywhere(data):
    for descriptor in range(3, 40):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, data)
        except OSError:
            pass
"""
LOADED = 'frame({"number": 2, "answer": {}})'
FORGERIES = {
    "verdicts": (
        f"import json, os\nfor line in json.loads({json.dumps(json.dumps(VERDICTS))}):\n"
        "    for descriptor in range(1, 40):\n"
        "        try: os.write(descriptor, json.dumps(line).encode() + b'\\n')\n"
        "        except OSError: pass\nos._exit(0)",
        "what it answers is no answer|its process ended with exit code 0",
    ),
    "verdicts-through-the-stream": (
        f"import gc, io, json, os\nfor line in json.loads({json.dumps(json.dumps(VERDICTS))}):\n"
        "    for stream in [each for each in gc.get_objects()\n"
        "                   if isinstance(each, (io.TextIOWrapper, io.BufferedWriter))]:\n"
        "        try:\n"
        "            data = json.dumps(line) + '\\n'\n"
        "            stream.write(data if isinstance(stream, io.TextIOBase) else data.encode())\n"
        "            stream.flush()\n"
        "        except (OSError, ValueError): pass\nos._exit(0)",
        "what it answers is no answer|its process ended with exit code 0",
    ),
    "exit": ("import os\nos._exit(0)", "its process ended with exit code 0"),
    "loaded-and-exit": (
        f"{FRAME}everywhere({LOADED})\nos._exit(0)",
        "its process ended with exit code 0",
    ),
    "fork": (
        "import os, time\nif os.fork():\n    os._exit(0)\nos.setsid()\ntime.sleep(99)",
        "its process ended with exit code 0",
    ),
    "closes": ("import os\nos.closerange(0, 99)", "answers no more|its process ended"),
    "garbage": (f"{FRAME}everywhere(b'\\xff\\x00rubbish\\n' * 9)", "what it answers is no answer"),
    "deep": (f"{FRAME}everywhere(b'[' * 50_000 + b'\\n')", "what it answers is no answer"),
    "without-end": (
        f"{FRAME}\nfor _ in range(99): everywhere(b'x' * 2**16); time.sleep(0.01)",
        "what it answers is no answer|seconds",
    ),
    "too-much": (
        f'{FRAME}everywhere(frame({{"number": 2}}, [["uint8", [10**15]]]))',
        "what it answers is no answer .*MiB",
    ),
    "cut": (
        f'{FRAME}everywhere(frame({{"number": 2}}, [["uint8", [9]]], b"x"))\nos._exit(0)',
        "no answer|its process ended",
    ),
    "objects": (
        f'{FRAME}everywhere(frame({{"number": 2}}, [["object", [1]]], b"x" * 8))',
        "what it answers is no answer",
    ),
    "unasked": (
        f'{FRAME}everywhere({LOADED} + frame({{"number": 7, "answer": []}}) * 9)',
        "an answer to what was not asked",
    ),
    "from-a-thread": (
        f"{FRAME}threading.Thread(target=lambda: [time.sleep(0.01) or everywhere(b'x\\n') "
        "for _ in range(200)], daemon=True).start()\ntime.sleep(0.5)",
        "what it answers is no answer",
    ),
    "sleeps": ("import time\ntime.sleep(99)", "it takes over 3 seconds"),
    "stops": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "it takes over 3 seconds"),
    "prints": ("while True: print('x' * 10**6)", "it prints over 64.0 MiB"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_model_that_makes_nothing_passes_nothing(name, with_code):
    code, reason = FORGERIES[name]
    report = check(with_code(code), timeout=3 if "3 seconds" in reason else 60)
    found = failures(report)
    first = next(iter(failure for failure in report.failures))
    assert first.check in ("model loads", "model generates")
    assert re.search(reason, first.message), found
    statuses = {finding.check: finding.status for finding in report.findings}
    for check_name in (*behaviour.NAMES[1:], WRITES, ASKS):
        assert statuses[check_name] in ("failed", "skipped")
    assert {statuses[WRITES], statuses[ASKS]} == {"failed"}, "nobody saw it"
    assert all(message.isprintable() and len(message) < 2500 for message in found.values())


def test_without_namespaces_it_is_the_same(with_code, monkeypatch):
    monkeypatch.setattr(groups, "can_be_alone", lambda: False)
    for name in ("verdicts", "fork", "stops"):
        code, reason = FORGERIES[name]
        report = check(with_code(code), timeout=3)
        assert re.search(reason, report.failures[0].message), name


def test_a_fence_that_was_taken_down_reports_nothing(with_code):
    code = "import os, sys\nsys.modules['__main__'].Probe.report = lambda *_: os._exit(0)\n"
    found = failures(check(with_code(code)))
    assert set(found) == {WRITES, ASKS}
    assert all("nobody can tell" in message for message in found.values())


def test_what_is_made_is_judged_whatever_becomes_of_the_judgement_in_its_process(with_code):
    code = (
        "from medigan_hub import generation\n"
        "from medigan_hub import reference\n"
        "generation.fault = lambda *_: None\nreference.share = lambda *_: 0.0\n"
    )
    blank = projects.CODE.replace("latents * scale + levels / 4", "latents * 0")
    assert blank != projects.CODE
    found = failures(check(with_code(code, blank)))
    assert {"images are not blank", "conditions work", "reference samples are reproduced"} <= set(
        found
    )


@pytest.mark.parametrize("way", ["open", "shell"])
def test_a_model_that_rewrites_its_own_metadata_is_found_out(way, with_code):
    code = (
        "import pathlib, subprocess\n"
        "path = pathlib.Path(__file__).with_name('metadata.json')\n"
        "text = path.read_bytes().replace(b'Makes noise.', b'Makes music.')\n"
        "about = path.stat()\n"
    )
    if way == "open":
        code += "path.write_bytes(text)\n"
    else:
        # The same size and times: its content is what counts.
        code += (
            "subprocess.run(['sh', '-c', 'cat > ' + str(path)], input=text)\n"
            "subprocess.run(['touch', '-d', '@%f' % about.st_mtime, str(path)])\n"
        )
    report = check(with_code(code))
    assert not report.ok
    messages = [finding.message for finding in report.failures]
    assert any("metadata.json" in message for message in messages), messages


PLANTS = """
import json, os, subprocess
def plant(folder):
    for name, text in (("allowed-archives.json", json.dumps({{"0" * 64: {{}}}})),
                       ("weights/pins.json", "{{")):
        path = os.path.join(folder, name)
        {by}
for folder in (os.environ["MEDIGAN_CACHE"], {real!r}):
    try: plant(folder)
    except OSError: pass
"""


@pytest.mark.parametrize(
    "by",
    [
        "os.makedirs(os.path.dirname(path), exist_ok=True); open(path, 'w').write(text)",
        pytest.param(
            "subprocess.run(['sh', '-c', 'mkdir -p \"$(dirname $1)\"; cat > $1', '-', path], "
            "input=text.encode(), stderr=subprocess.DEVNULL)",
            marks=pytest.mark.skipif(not LANDLOCK, reason="the kernel has no Landlock"),
        ),
        pytest.param(
            "subprocess.run(['cp', '/dev/null', path], stderr=subprocess.DEVNULL)",
            marks=pytest.mark.skipif(not LANDLOCK, reason="the kernel has no Landlock"),
        ),
    ],
)
def test_a_model_plants_no_permission_and_damages_no_pin(by, with_code, own_cache):
    (own_cache / "weights").mkdir(parents=True)
    (own_cache / "weights" / "pins.json").write_text('{"version": 1, "files": {}}')
    (own_cache / "allowed-archives.json").write_text("{}")
    before = {p: (sha256_of(p), p.stat().st_mtime_ns) for p in own_cache.rglob("*.json")}
    check(with_code(PLANTS.format(by=by, real=str(own_cache))))
    after = {p: (sha256_of(p), p.stat().st_mtime_ns) for p in before}
    assert after == before


DAEMON = """
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(3):
            os.dup2(os.open("/dev/null", os.O_RDWR), descriptor)
        os.closerange(3, 99)
        os.execvp(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", {mark!r}])
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such means")
@pytest.mark.parametrize("alone", [True, False])
def test_a_daemon_does_not_outlive_the_check(alone, with_code, monkeypatch):
    if not alone:
        monkeypatch.setattr(groups, "can_be_alone", lambda: False)
    mark = f"daemon-of-{os.getpid()}-{alone}"
    check(with_code(DAEMON.format(mark=mark)), timeout=60)
    running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(mark in words for words in running)


@pytest.mark.skipif(not LANDLOCK, reason="the kernel has no Landlock")
def test_a_model_writes_nowhere_else_by_whatever_means(with_code, tmp_path):
    stray = tmp_path / "stray"
    library = "ctypes.CDLL(None).creat"
    code = (
        f"import ctypes, subprocess\n{library}({os.fsencode(stray)!r}, 0o644)\n"
        f"subprocess.run(['touch', {str(stray)!r}], stderr=subprocess.DEVNULL)"
    )
    check(with_code(code))
    assert not stray.exists()


@pytest.mark.skipif(not LANDLOCK, reason="the kernel has no Landlock")
@pytest.mark.parametrize("alone", [True, False])
def test_a_model_neither_reads_nor_ends_the_hub(alone, with_code, monkeypatch):
    if not alone:
        monkeypatch.setattr(groups, "can_be_alone", lambda: False)
    code = (
        "import os\n"
        f"for path in ('/proc/{os.getpid()}/environ', '/proc/{os.getpid()}/mem'):\n"
        "    try: open(path, 'rb').read(1)\n"
        "    except OSError: continue\n"
        "    raise ImportError('it reads the hub')\n"
    )
    assert failures(check(with_code(code))) == {}


# What lies in the package


def test_a_wheel_with_a_million_files_is_refused_before_they_are_read(tmp_path):
    entry = b"PK\x01\x02" + bytes(24) + b"\1\0" + bytes(16) + b"a"
    directory = entry * 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), 0, 0)
    path = tmp_path / "many-1.0-py3-none-any.whl"
    path.write_bytes(directory + end)
    begin = time.monotonic()
    (finding,) = check(path).findings
    assert f"over {package.MAX_FILES} files" in finding.message
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("claimed", [10, 2**31])
def test_a_wheel_whose_sizes_lie_fills_no_disk(claimed, wheel, tmp_path):
    path = rewrite(wheel, tmp_path / wheel.name, {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{PACKAGE}/zeros.bin", b"\0" * 2**24)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<L", claimed)
    path.write_bytes(content)
    (finding,) = check(path).findings
    assert finding.status == "failed"
    assert "unpacks to over" in finding.message or "can't be read" in finding.message


@pytest.mark.parametrize("damage", ["deflate", "truncated", "method", "name"])
def test_a_damaged_wheel_is_one_failure(damage, wheel, tmp_path):
    path = tmp_path / wheel.name
    content = bytearray(wheel.read_bytes())
    if damage == "truncated":
        del content[len(content) // 2 :]
    elif damage == "method":
        content = content.replace(b"\x08\x00", b"\x63\x00")
    elif damage == "name":
        content = content.replace(PACKAGE.encode(), b"\0" * len(PACKAGE))
    else:
        begin = content.index(b"PK\x03\x04") + 30
        content[begin + 60 : begin + 90] = b"\xff" * 30
    path.write_bytes(content)
    report = check(path)
    assert not report.ok
    assert all(finding.message.isprintable() for finding in report.failures)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("entry_points.txt", "[medigan_hub.models]\nno equals sign\n"),
        ("entry_points.txt", f"[medigan_hub.models]\n{NAME} = ../../../etc:plugin\n"),
        ("entry_points.txt", f"[medigan_hub.models]\n{NAME} = /etc:plugin\n"),
        ("entry_points.txt", f"[medigan_hub.models]\n{NAME} = \n"),
        ("entry_points.txt", f"[medigan_hub.models]\n{NAME} = :::[[\n"),
        ("entry_points.txt", b"\xff\xfe\x00"),
        ("METADATA", None),
        ("METADATA", ""),
        ("METADATA", b"\xff\xfe\x00"),
        ("METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\nRequires-Dist: !!\x1b[31m\n"),
    ],
)
def test_a_distribution_that_cannot_be_read_is_told_in_one_line(name, content, wheel, tmp_path):
    report = check(rewrite(wheel, tmp_path / wheel.name, {f"{INFO}/{name}": content}))
    assert not report.ok
    assert all(f.message.isprintable() and len(f.message) < 2500 for f in report.failures)
    assert not any("root:" in finding.message for finding in report.failures)


@pytest.mark.parametrize("text", ["[" * 970 + "]" * 970, '{"a":' * 400 + "1" + "}" * 400])
def test_metadata_that_is_nested_deep_is_refused(text, wheel, tmp_path):
    report = check(rewrite(wheel, tmp_path / wheel.name, {f"{PACKAGE}/metadata.json": text}))
    assert re.search("nested|can be used", failures(report)["metadata is valid"])


def test_a_record_that_names_files_elsewhere_brings_none_of_them(wheel, site_of, monkeypatch):
    site = site_of([wheel])
    secret = site.parent / "secret.txt"
    secret.write_text("TODO: a secret\n")
    record = next(site.glob("*.dist-info")) / "RECORD"
    lines = "".join(f"{path},,\n" for path in (secret, "../secret.txt", "/etc/passwd"))
    record.write_text(record.read_text() + lines)
    monkeypatch.syspath_prepend(str(site))
    report = check(NAME)
    assert report.ok, failures(report)
    assert secret.read_text() == "TODO: a secret\n"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "[" * 2000, '{"url": 3, "dir_info": {"editable": true}}',
     '{"url": "https://example.org/x", "dir_info": {"editable": true}}',
     '{"url": "file:///no/such/folder", "dir_info": {"editable": true}}',
     '{"url": "file:///\\u0000", "dir_info": {"editable": true}}', '{"dir_info": 3}'],
)  # fmt: skip
def test_where_a_distribution_says_it_was_installed_from_is_read_with_care(text):
    assert package._edited_in(text) is None


def test_a_pipe_in_place_of_a_licence_is_not_waited_for(tmp_path):
    project = projects.make(tmp_path / "project", reference=False)
    (project / "LICENSE").unlink()
    os.mkfifo(project / "LICENSE")
    (finding,) = check(project).findings
    assert "LICENSE is neither a file nor a folder" in finding.message


def test_a_citation_that_links_elsewhere_is_not_shown(tmp_path):
    project = projects.make(tmp_path / "project", reference=False)
    secret = tmp_path / "secret"
    secret.write_text("TODO: root:secret-hash\n")
    (project / "CITATION.cff").symlink_to(secret)
    site = package.Package(tmp_path / "site", project)
    (site.site / INFO).mkdir(parents=True)
    (site.site / INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    assert list(static._filled_in(site)) == []


@pytest.mark.parametrize("kind", ["link", "loop", "many", "large", "sparse", "damaged"])
def test_a_source_distribution_is_read_within_bounds(kind, tmp_path, monkeypatch):
    path = tmp_path / "x-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("x-1.0/a")
        if kind == "link":
            info.type, info.linkname = tarfile.SYMTYPE, "no/such/file"
        elif kind == "loop":
            info.type, info.linkname = tarfile.LNKTYPE, "x-1.0/a"
        elif kind == "large":
            info.size = static.MAX_UNPACKED_BYTES + 1
            archive.fileobj.write(info.tobuf())
            info = tarfile.TarInfo("b")
        archive.addfile(info)
        if kind == "many":
            monkeypatch.setattr(static, "MAX_FILES", 10)
            for number in range(20):
                archive.addfile(tarfile.TarInfo(str(number)))
    if kind == "sparse":
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo("x-1.0/sparse")
            info.pax_headers = {
                "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "s",
                "GNU.sparse.size": str(2**40), "GNU.sparse.map": "0,0,1099511627776,0",
            }  # fmt: skip
            archive.addfile(info, io.BytesIO())
    if kind == "damaged":
        path.write_bytes(path.read_bytes()[:30])
    if kind in ("link", "loop"):
        assert list(static._members(path)) == []
    else:
        with pytest.raises(HubError, match=r"unpacks to too much|can't be read"):
            list(static._members(path))


@pytest.mark.parametrize(
    "file", ["../secret.png", "/etc/hostname", "image/pipe.png", "image/x.eps"]
)
def test_reference_samples_are_pictures_in_their_folder(file, wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)  # noqa: S202 (it is our own)
    folder = tmp_path / PACKAGE / "reference"
    shutil.copyfile(folder / "image" / "000000.png", tmp_path / PACKAGE / "secret.png")
    os.mkfifo(folder / "image" / "pipe.png")
    (folder / "image" / "x.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 8\n")
    manifest = folder / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[0]["files"]["image"]["path"] = file
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = json.loads((tmp_path / PACKAGE / "metadata.json").read_text())
    with pytest.raises(HubError, match="no readable reference samples"):
        reference.read(ModelMetadata.from_document(document), tmp_path / PACKAGE)


# What is said between the two processes


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\n", b"{}\n", b"[1, 2]\n", b"[1, [[1]]]\n", b'[1, [["uint8", [-1]]]]\n',
     b'[1, [["uint8", [true]]]]\n', b'[1, [["uint8", [1.5]]]]\n', b'[1, [["O", [1]]]]\nxxxxxxxx',
     b'[1, [["V8", [1]]]]\nxxxxxxxx', b'[1, [["uint8", "9"]]]\n', b'[1, [["uint8", [4]]]]\nxxx',
     b'[1, [["uint8", [99, 99]]]]\n', b'[1, [["uint8", [1, 1, 1, 1, 1, 1, 1, 1, 1]]]]\nx',
     b"[" * 10_000 + b"\n", b"1" * 2**21],
)  # fmt: skip
def test_a_frame_that_is_none_is_refused(content):
    with pytest.raises((ValueError, EOFError)):
        frames.read(io.BytesIO(content), 1000)


def test_fuzz_frames(fuzz):
    strategies = pytest.importorskip("hypothesis.strategies")

    def examine(case):
        words, rest = case
        try:
            _, arrays = frames.read(io.BytesIO(json.dumps(words).encode() + b"\n" + rest), 2**12)
        except (ValueError, EOFError):
            return
        assert sum(array.nbytes for array in arrays) <= 2**12
        assert all(str(array.dtype) in frames.DTYPES for array in arrays)

    value = strategies.recursive(
        strategies.none() | strategies.integers() | strategies.sampled_from(frames.DTYPES),
        lambda inner: strategies.lists(inner, max_size=4),
        max_leaves=20,
    )
    shape = strategies.lists(strategies.integers(-2, 20), max_size=4)
    array = strategies.tuples(strategies.sampled_from([*frames.DTYPES, "O", ">f4"]), shape)
    frame = strategies.tuples(value, strategies.lists(array, max_size=3)) | value
    fuzz(strategies.tuples(frame, strategies.binary(max_size=300)), examine)
