"""`python -m captioner export` names what is wrong with its arguments before any work."""

import os
import shutil
from pathlib import Path

import pytest

from captioner import checkpoint
from captioner.__main__ import main
from captioner.checkpoint import exported_path
from captioner.export import command
from tests.conftest import photo_bytes

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def model(tiny_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_file, tmp_path / "model.safetensors"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.jpg").write_bytes(photo_bytes(seed))
    return folder


def export(model: Path, photos: Path, *more: object) -> int:
    return main(["export", "--checkpoint", str(model), "--photos", str(photos), *map(str, more)])


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("no/x", "there is no folder"),
        ("photos", "it is a folder"),
        ("model.safetensors", "it is the checkpoint"),
        ("x" * 300, "File name too long"),
        ("/dev/null", "it is not a file"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(
    model: Path,
    photos: Path,
    output: str,
    reason: str,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "load", pytest.fail)
    path = model.parent / output
    assert export(model, photos, "--output", path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --output cannot be {path}: {reason}")


@pytest.mark.parametrize("name", ["missing", "model.safetensors", "x" * 300])
def test_a_folder_of_photos_that_is_none_is_refused_before_any_work(
    model: Path, name: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "load", pytest.fail)
    assert export(model, model.parent / name) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: --photos cannot be {model.parent / name}: there is no such folder"


def test_what_cannot_be_read_is_named_and_the_others_are_used(
    model: Path, photos: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "broken.jpg").write_bytes(photo_bytes(9)[:200])
    (photos / "nowhere.jpg").symlink_to("missing.jpg")
    (photos / "notes.txt").write_text("no photo")
    (photos / "._0.jpg").write_text("no photo")
    used = list[int]()

    def full(*arguments: object) -> None:
        used.append(len(arguments[3]))  # type: ignore[arg-type]
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(command, "export", full)
    assert export(model, photos) == 1
    *named, last = capsys.readouterr().err.splitlines()
    assert sorted(line.split(": ")[0] for line in named) == [
        str(photos / "broken.jpg"),
        str(photos / "nowhere.jpg"),
    ]
    assert used == [3]  # and one to compare captions on
    assert last == (f"error: --output cannot be {exported_path(model)}: No space left on device")
