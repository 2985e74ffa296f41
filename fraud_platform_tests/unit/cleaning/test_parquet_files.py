"""Files by URL, on this machine and through fsspec (here in memory)."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fraud_platform.adapters.storage.files import ByteFiles


@pytest.fixture(params=["path", "file URL", "other scheme"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder's URL, local in both spellings, or of a scheme that goes through fsspec."""
    if request.param == "path":
        return str(tmp_path)
    return tmp_path.as_uri() if request.param == "file URL" else f"memory://{tmp_path.name}"


def test_what_is_written_is_read_from_any_byte(place: str) -> None:
    files = pickle.loads(pickle.dumps(ByteFiles()))
    url = f"{place}/folder/one.bin"
    with files.create(url) as file:
        file.write(b"0123456789")
    assert files.size_bytes(url) == 10
    with files.open_input(url) as file:
        file.seek(4)
        assert file.read(3) == b"456"
        assert file.read(99) == b"789"
        assert file.read(1) == b""


def test_removing_is_repeatable(place: str) -> None:
    files = ByteFiles()
    for name in ("a/one", "a/b/two", "c/three"):
        with files.create(f"{place}/{name}") as file:
            file.write(b"x")
    for _ in range(2):
        files.remove(f"{place}/c/three")
        files.remove_folder(f"{place}/a")
    for name in ("a/one", "a/b/two", "c/three"):
        with pytest.raises(FileNotFoundError):
            files.size_bytes(f"{place}/{name}")


def test_a_missing_file_is_not_found(place: str) -> None:
    with pytest.raises(FileNotFoundError):
        ByteFiles().open_input(f"{place}/nothing").read(1)


def test_a_version_moves_with_the_content_and_with_nothing_else(place: str) -> None:
    files, url = ByteFiles(), f"{place}/one"
    assert files.version(url) == ""
    versions = []
    for content in (b"x", b"y"):
        with files.create(url) as file:
            file.write(content)
        versions.append(files.version(url))
        with files.open_input(url) as file:
            file.read()
        assert files.version(url) == versions[-1]
    assert "" not in versions
    assert versions[0] != versions[1]
