"""Archives by chance: whatever one holds, it is unpacked in its folder, or not at all."""

import hashlib
import io
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

import medigan_hub
from medigan_hub import HubError, weights
from medigan_hub.metadata import load
from medigan_hub.weights.archives import JUNK
from support.variants import with_file
from support.zips import zipped

CATALOGUE = Path(medigan_hub.__file__).parent / "catalogue"
PARTS = st.sampled_from(
    [
        *("a", "b", "A", "e\u0301", "\u00e9", "__init__.py", "__MACOSX", "._a", "con", "nul.txt"),
        *("..", ".", "", " ", "a ", "a.", "C:", "~", "$HOME", "a:b", "\\", "..\\a", "\u202ea"),
        *("\x00", "\x1b[2J", "\n::x::", "\u2028", "x" * 300, ".lock", ".tmp-1", "files", "sums"),
    ]
)  # fmt: skip
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
MODES = st.sampled_from(
    [0, 0, 0, 0o100644, 0o040755, 0o120777, 0o010644, 0o060644, 0o140777, 0o4755]
)


@st.composite
def archives(draw):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in draw(st.lists(NAMES, max_size=5)):
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.external_attr = draw(MODES) << 16
            info.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            archive.writestr(info, draw(st.binary(max_size=20)))
    return stream.getvalue()


@st.composite
def damaged(draw):
    """Draw an archive of which some bytes are others, most of them in the headers."""
    plain = zipped({"__init__.py": b"", "a/b.pt": b"1" * 50, "c": b"2" * 50})
    content = bytearray(draw(archives() | st.just(plain)))
    marks = [place for place in range(len(content)) if content[place : place + 2] == b"PK"]
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.sampled_from(marks or [0])) + draw(st.integers(0, 60))
        taken = draw(st.sampled_from([0, 1, 1, 2, 4]))
        content[place : place + taken] = draw(
            st.binary(min_size=taken, max_size=taken)
            | st.sampled_from([b"\xff" * taken, b"\x00" * taken])
            | st.binary(max_size=4)
        )
    return bytes(content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_fuzz_what_is_unpacked(fuzz, tmp_path, own_cache):
    model = load(CATALOGUE / "dcgan-mmg-mass-roi-bcdr.json")
    package = tmp_path / "package"
    package.mkdir()

    def outside():
        """Return all that is not in the cache, with its content."""
        return {
            (path, path.lstat().st_mode, path.is_file() and path.read_bytes())
            for path in tmp_path.rglob("*")
            if not path.is_relative_to(own_cache)
        }

    def examine(content):
        (package / "x.zip").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        found, before = with_file(model, file="x.zip", sha256=sha256, url=None), outside()
        try:
            folder = weights.unpack(found, package)
            names = weights.names(found, package)
        except HubError as error:
            said = str(error)
        else:
            said = ""
            check_unpacked(content, folder, names)
            for name in names:
                check_inside(weights.extract(found, name, package), own_cache)
        assert said.isprintable()
        assert outside() == before
        for path in own_cache.rglob("*"):
            assert path.is_dir() or path.is_file()
            assert not path.is_symlink()
            assert path.is_dir() or not path.lstat().st_mode & 0o7111
        shutil.rmtree(own_cache, ignore_errors=True)

    def check_inside(path, folder):
        assert path.resolve().is_relative_to(folder.resolve())
        assert path.is_file()

    def check_unpacked(content, folder, names):
        check = zipfile.ZipFile(io.BytesIO(content))
        promised = [each for each in check.infolist() if not JUNK.search(each.filename)]
        files = [each.filename for each in promised if not each.is_dir()]
        inside = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        assert set(names) <= inside
        assert len(names) <= len(files)
        for name in names:
            check_inside(folder / name, own_cache)

    fuzz(damaged(), examine, examples=300)
