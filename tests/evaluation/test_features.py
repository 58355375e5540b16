"""Features are taken once, kept, and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from PIL import Image

from medigan_hub import HubError, HubNote, OutputError, PluginError, RequestError
from medigan_hub.evaluation import features, sources
from medigan_hub.evaluation.extractors.base import ImageError
from medigan_hub.evaluation.preparation import Preparation
from support import ROOT
from support.extractors import Means
from support.image_sets import ArraySet

NUMBER = 60
PLAIN, NORMALIZED = Preparation(), Preparation(is_normalized=True)


def images(number=NUMBER, seed=1):
    rng = np.random.default_rng(seed)
    return {f"{n}.png": rng.integers(0, 256, (6, 5, 1), np.uint8) for n in range(number)}


@pytest.fixture
def found():
    return ArraySet(images())


@pytest.fixture
def wanted():
    """The features, as they are without a cache."""
    return Means().features([image / np.float32(255) for image in images().values()])


def entries(folder, suffix=".npy"):
    return sorted(folder.glob(f"evaluation/*{suffix}"))


def test_features_are_those_of_each_image_in_order(found, wanted):
    (rows,) = features.of(found, [(Means(), PLAIN)])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0


def test_a_second_time_nothing_is_read_opened_or_described(found):
    (before,) = features.of(found, [(Means(), PLAIN)])
    again = Means()
    (after,) = features.of(found, [(again, PLAIN)])
    assert np.array_equal(before, after)
    assert (found.opened, again.opened, again.described) == (1, 0, [])


def test_several_extractors_share_one_pass(found, wanted):
    class Other(Means):
        name = "other"
        batch = 3

    extractors = [Means(), Other()]
    made = features.of(found, [(each, way) for each in extractors for way in (PLAIN, NORMALIZED)])
    assert found.opened == 1
    assert found.read == list(images())
    np.testing.assert_allclose(made[0], wanted, rtol=1e-6)
    assert np.array_equal(made[0], made[2])
    assert np.array_equal(made[1], made[3])
    assert not np.array_equal(made[0], made[1])
    assert max(extractors[1].described) == 3


def test_an_extractor_that_is_wanted_twice_works_once(found):
    extractor = Means()
    one, other = features.of(found, [(extractor, PLAIN), (extractor, PLAIN)])
    assert np.array_equal(one, other)
    assert sum(extractor.described) == NUMBER


def test_progress_counts_images_for_each_extractor(found):
    told = []
    features.of(
        found, [(Means(), PLAIN), (Means(), NORMALIZED)], progress=lambda *n: told.append(n)
    )
    assert told[0] == (0, 2 * NUMBER)
    assert told[-1] == (2 * NUMBER, 2 * NUMBER)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    told.clear()
    features.of(found, [(Means(), PLAIN)], progress=lambda *n: told.append(n))
    assert told[-1] == (NUMBER, NUMBER)


class Other(Means):
    version = "2"


class Weighed(Means):
    weights = "another hash"


@pytest.mark.parametrize(
    ("extractor", "preparation", "given"),
    [
        (Other(), PLAIN, images()),
        (Weighed(), PLAIN, images()),
        (Means(), NORMALIZED, images()),
        (Means(), PLAIN, dict(reversed(images().items()))),
        (Means(), PLAIN, images(NUMBER - 1)),
        (Means(), PLAIN, images(seed=2)),
    ],
    ids=["version", "weights", "preparation", "order", "number", "content"],
)
def test_whatever_decides_features_tells_them_apart(
    found, own_cache, extractor, preparation, given
):
    features.of(found, [(Means(), PLAIN)])
    features.of(ArraySet(given), [(extractor, preparation)])
    assert len(entries(own_cache)) == 2


class StopError(HubError):
    """What an extractor raises at some image."""


@pytest.mark.parametrize("error", [StopError, KeyboardInterrupt])
def test_work_that_was_interrupted_goes_on_and_gives_the_same(found, own_cache, error):
    def stop(done):
        if done == 40:
            raise error

    threads = threading.active_count()
    with pytest.raises(error):
        features.of(found, [(Means(before=stop), PLAIN)])
    assert threading.active_count() == threads
    assert entries(own_cache) == []
    (part,) = entries(own_cache, ".part")
    with part.open("ab") as stream:
        stream.write(b"torn row, and three more" + bytes(3))

    again, told = Means(), []
    features.of(found, [(again, PLAIN)], progress=lambda done, _: told.append(done))
    assert sum(again.described) == NUMBER - 40
    assert 40 in told
    (path,) = entries(own_cache)
    whole = path.read_bytes()
    path.unlink()
    at_once = Means()
    features.of(found, [(at_once, PLAIN)])
    assert entries(own_cache)[0].read_bytes() == whole
    assert at_once.described[5:] == again.described  # images came together as they would have


def test_two_extractors_go_on_from_where_each_was(found):
    def stop(done):
        if done == 24:
            raise StopError

    features.of(ArraySet(images()), [(Means(), NORMALIZED)])
    with pytest.raises(StopError):
        features.of(found, [(Means(before=stop), PLAIN)])
    again = Means()
    plain, normalized = features.of(found, [(again, PLAIN), (again, NORMALIZED)])
    assert sum(again.described) == NUMBER - 24
    assert len(plain) == len(normalized) == NUMBER


JOB = """
import sys, time
sys.path.insert(0, {tests!r})
from medigan_hub.evaluation import features, sources
from medigan_hub.evaluation.preparation import Preparation
from support.extractors import Means

def wait(done):
    if done == {at}:
        print("there", flush=True)
        time.sleep({seconds})

features.of(sources.find(sys.argv[1]), [(Means(before=wait), Preparation())])
"""


def job(folder, at, seconds):
    code = textwrap.dedent(JOB).format(tests=str(ROOT / "tests"), at=at, seconds=seconds)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], env=environment, stdout=subprocess.PIPE
    )


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "images"
    made.mkdir()
    for name, image in images().items():
        Image.fromarray(image[:, :, 0]).save(made / name)
    return made


def test_work_that_was_killed_goes_on(folder, own_cache):
    process = job(folder, at=32, seconds=60)
    assert process.stdout.readline() == b"there\n"
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    again = Means()
    (rows,) = features.of(sources.find(folder), [(again, PLAIN)])
    assert sum(again.described) == NUMBER - 32
    (path,) = entries(own_cache)
    path.unlink()
    assert np.array_equal(features.of(sources.find(folder), [(Means(), PLAIN)])[0], rows)


def test_two_processes_at_a_time_do_the_work_once(folder):
    process = job(folder, at=16, seconds=1)
    assert process.stdout.readline() == b"there\n"
    here = Means()
    (rows,) = features.of(sources.find(folder), [(here, PLAIN)])
    assert process.wait() == 0
    process.stdout.close()
    assert len(rows) == NUMBER
    assert here.described == []


def test_an_entry_that_is_not_whole_is_made_anew(found, own_cache):
    (rows,) = features.of(found, [(Means(), PLAIN)])
    before = rows.copy()
    (path,) = entries(own_cache)
    for content in (b"", path.read_bytes()[:-1], path.read_bytes() + b"x"):
        path.write_bytes(content)
        assert np.array_equal(features.of(found, [(Means(), PLAIN)])[0], before)
    path.unlink()
    path.with_suffix(".part").write_bytes(b"something else, and more of it than a header has" * 9)
    assert np.array_equal(features.of(found, [(Means(), PLAIN)])[0], before)


def broken(rows, at=0):
    class Broken(Means):
        def features(self, images):
            made = super().features(images)
            return rows(made) if sum(self.described) > at else made

    return Broken()


def with_nan(rows):
    rows[3, 1] = np.nan
    return rows


def raising(error):
    def rows(_):
        raise error

    return rows


@pytest.mark.parametrize(
    ("extractor", "error", "words"),
    [
        (broken(with_nan, 8), RequestError, r"^means makes no numbers of 11\.png; look at"),
        (broken(lambda rows: rows[:, :1]), PluginError, r"shape \(8, 1\) for 8 images, and decl"),
        (broken(lambda rows: rows[1:]), PluginError, r"shape \(7, 2\) for 8 images, and decl"),
        (broken(raising(ImageError(2, "is black")), 16), RequestError, r"^18\.png is black$"),
        (broken(raising(RequestError("no")), 16), RequestError, r"^16\.png to 23\.png: no$"),
    ],
    ids=["NaN", "too few features", "too few images", "an image", "some images"],
)
def test_what_an_extractor_gets_wrong_is_told_with_the_image(
    found, own_cache, extractor, error, words
):
    with pytest.raises(error, match=words):
        features.of(found, [(extractor, PLAIN)])
    assert entries(own_cache) == []


def test_images_that_fail_are_told_and_leave_no_thread(found, own_cache):
    class Failing(ArraySet):
        def images(self, start=0):
            yield from list(super().images(start))[:20]
            raise RequestError("20.png can't be read")

    threads = threading.active_count()
    with pytest.raises(RequestError, match=r"^20\.png can't be read$"):
        features.of(Failing(images()), [(Means(), PLAIN)])
    assert threading.active_count() == threads
    assert entries(own_cache) == []


def test_fewer_images_than_there_were_to_be_are_refused(own_cache):
    class Fewer(ArraySet):
        def images(self, start=0):
            yield from list(super().images(start))[:-1]

    with pytest.raises(RequestError, match=f"gave {NUMBER - 1} images instead of {NUMBER}"):
        features.of(Fewer(images()), [(Means(), PLAIN)])
    assert entries(own_cache) == []


def test_an_image_that_can_not_be_prepared_is_named(own_cache):
    given = images() | {"bad.png": np.full((6, 5, 1), 1.5, np.float32)}
    with pytest.raises(RequestError, match=r"^bad\.png: an image has values from 1\.5 to 1\.5"):
        features.of(ArraySet(given), [(Means(), PLAIN)])


def test_a_cache_that_can_not_be_written_is_told_in_one_line(found, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"the cache .*file can't be written: .* MEDIGAN_CACHE"):
        features.of(found, [(Means(), PLAIN)])


def test_a_full_disk_is_told_in_one_line_and_gone_on_from(found, own_cache, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="can't be written: No space left on device; make"):
            features.of(found, [(Means(), PLAIN)])
    assert entries(own_cache) == []
    assert len(features.of(found, [(Means(), PLAIN)])[0]) == NUMBER


def test_what_reading_told_is_known_from_the_cache(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        size = (5, 6 + number // 15)
        Image.fromarray(np.full(size, 900, np.uint16)).save(folder / f"{number}.png")
    first, second, third = (sources.find(folder) for _ in range(3))
    with pytest.warns(HubNote, match="taken as 12 bits"):
        features.of(first, [(Means(), PLAIN)])
    again = Means()
    features.of(second, [(again, PLAIN)])
    assert again.described == []
    assert second.notes == first.notes
    assert len(first.notes) == 2
    with pytest.warns(HubNote, match="taken as 12 bits"):
        features.of(third, [(Means(), NORMALIZED)])
    assert third.notes == first.notes


def test_what_nobody_reads_goes_where_there_is_much(own_cache, monkeypatch):
    old, kept, new = (ArraySet(images(seed=seed)) for seed in range(3))
    for each in (old, kept):
        features.of(each, [(Means(), PLAIN)])
    for path in entries(own_cache):
        os.utime(path, (0, 0))
    monkeypatch.setattr(features, "MOST_BYTES", 1000)
    features.of(kept, [(Means(), PLAIN), (Means(), NORMALIZED)])  # which are in use
    assert len(entries(own_cache)) == 2
    features.of(new, [(Means(), PLAIN)])
    assert len(entries(own_cache)) == 3


def test_a_byte_that_changed_in_the_cache_is_not_believed(found, wanted, own_cache):
    features.of(found, [(Means(), PLAIN)])
    (entry,) = entries(own_cache)
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1
    entry.write_bytes(content)
    (rows,) = features.of(found, [(Means(), PLAIN)])
    np.testing.assert_allclose(rows, wanted, rtol=1e-6)


def test_an_extractor_that_fails_is_told_with_the_image(found):
    class Failing(Means):
        def features(self, images):
            raise ZeroDivisionError("of its own")

    with pytest.raises(PluginError, match=r"0\.png.* can't be described: ZeroDivisionError"):
        features.of(found, [(Failing(), PLAIN)])
