from __future__ import annotations

import pytest

from medigan_hub.errors import OutputError
from medigan_hub.files import cache_folder, write_atomically


def test_a_file_is_written_whole_into_folders_that_are_made(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_the_cache_is_where_the_environment_says_or_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIGAN_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("MEDIGAN_CACHE")
    assert cache_folder().name == "medigan-hub"


def test_a_cache_in_the_home_of_nobody_is_an_error_in_words(monkeypatch):
    monkeypatch.setenv("MEDIGAN_CACHE", "~nobody-has-this-name/cache")
    with pytest.raises(OutputError, match="there is no such user"):
        cache_folder()
