"""`python -m bot feedback`: what people said is listed, exported and forgotten."""

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import stores
from bot.__main__ import main
from bot.settings import Settings
from bot.store import feedback_command
from bot.store.errors import DatabaseError
from bot.store.feedback_rows import FeedbackRow
from tests.conftest import photo_bytes

PHOTOS = [photo_bytes(seed) for seed in range(4)]
HASHES = [hashlib.sha256(photo).hexdigest() for photo in PHOTOS]
LONELY = "f" * 64  # nobody here has this photo
ROWS = (
    FeedbackRow(HASHES[0], "A dog runs.", "en", "good"),
    FeedbackRow(HASHES[0], "A dog sits.", "en", "bad", 'A "dog"\u00a0lies.'),
    FeedbackRow(HASHES[1], "A cat runs.", "en", "bad"),
    FeedbackRow(HASHES[1], "A cat sits.", "en", "bad", "=A cat lies."),
    FeedbackRow(HASHES[2], "A bird flies.", "en", "bad", "!?"),
    FeedbackRow(HASHES[0], "Ein Hund läuft.", "de", "good"),
    FeedbackRow(HASHES[3], "Das Boot.", "de", "bad", "Zwei Boote."),
    FeedbackRow(LONELY, "A horse stands.", "en", "good"),
)


def filled(settings: Settings, rows: Sequence[FeedbackRow] = ROWS) -> Settings:
    async def fill() -> None:
        async with stores.opened(settings) as store:
            assert store.feedback is not None
            for row in rows:
                await store.feedback.put(row)

    asyncio.run(fill())
    return settings


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Return the settings of a bot that keeps feedback, and has some."""
    shared = request.param == "postgres"
    url = SecretStr(request.getfixturevalue("database_url")) if shared else None
    return filled(Settings(data_dir=tmp_path / "data", database_url=url, feedback="on"))


@pytest.fixture
def kept(tmp_path: Path) -> Settings:
    """Return the same of a bot with a folder."""
    return filled(Settings(data_dir=tmp_path / "data", feedback="on"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with the photos, and with others."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    (folder / "one.jpg").write_bytes(PHOTOS[0])
    (folder / "deeper" / "two.jpg").write_bytes(PHOTOS[1])
    (folder / "deeper" / "again.jpg").write_bytes(PHOTOS[1])
    (folder / "three.jpg").write_bytes(PHOTOS[3])
    (folder / "other.jpg").write_bytes(photo_bytes(9))
    return folder


def run(settings: Settings, *arguments: str | Path) -> int:
    return feedback_command.main(
        list(map(str, arguments)),
        lambda read_only: stores.feedback(settings, read_only=read_only),
    )


def left(settings: Settings) -> list[FeedbackRow]:
    async def read() -> list[FeedbackRow]:
        async with stores.feedback(settings, read_only=True) as rows:
            return await rows.all()

    return asyncio.run(read())


def test_the_list_shows_what_was_said(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings) == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith(f"  {HASHES[0]}  en  good: A dog runs.")
    assert second.endswith(f'  {HASHES[0]}  en  bad: A dog sits. -> A "dog"\u00a0lies.')
    assert len(rest) == 6


def test_an_empty_list_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(filled(Settings(data_dir=tmp_path, feedback="on"), ()), "list") == 0
    assert capsys.readouterr().out == "Nobody has said anything about a caption.\n"


def test_good_captions_and_corrections_are_exported_and_what_is_left_out_is_counted(
    settings: Settings, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    assert run(settings, "export", out, "--photos", photos) == 0

    assert (out / "captions.tsv").read_text("utf-8").splitlines() == [
        "photo\tcaption",
        "photos/one.jpg\tA dog runs.",
        'photos/one.jpg\t"A ""dog""\u00a0lies."',
        "photos/again.jpg\tA cat lies.",  # no spreadsheet takes it for a formula
    ]
    german = (out / "languages" / "de.tsv").read_text("utf-8")
    assert german == "one.jpg\tEin Hund läuft.\n"
    linked = {file.name: file.read_bytes() for file in (out / "photos").iterdir()}
    assert linked == {"one.jpg": PHOTOS[0], "again.jpg": PHOTOS[1]}
    assert capsys.readouterr().out.splitlines() == [
        f"{out}/captions.tsv: 3 captions of 2 photos",
        f"{out}/languages/de.tsv: 1 caption",
        "left out: 1 bad caption without a correction",
        "left out: 1 caption without a word",
        f"left out: 1 caption whose photo is not in {photos}",
        "left out: 1 caption in 'de', of photos without one in 'en'; --language de exports them",
    ]


def test_another_language_is_exported_by_its_code(
    kept: Settings, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(kept, "export", out, "--photos", photos, "--language", "de") == 0
    assert (out / "captions.tsv").read_text("utf-8") == (
        "photo\tcaption\nphotos/one.jpg\tEin Hund läuft.\nphotos/three.jpg\tZwei Boote.\n"
    )
    assert (out / "languages" / "en.tsv").read_text("utf-8").startswith("one.jpg\tA dog runs.\n")


def test_photos_of_one_name_and_odd_names_are_kept_apart(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    names = ("a/cafe\u0301.jpg", "b/Caf\u00e9.JPG", "c/line\nbreak.jpg", "d/fine name.jpg")
    for name, photo in zip(names, PHOTOS, strict=True):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(photo)
    rows = [FeedbackRow(photo, f"Number {n}.", "en", "good") for n, photo in enumerate(HASHES)]
    settings = filled(Settings(data_dir=tmp_path / "data", feedback="on"), rows)

    assert run(settings, "export", out, "--photos", folder) == 0

    assert {file.name: file.read_bytes() for file in (out / "photos").iterdir()} == {
        f"{HASHES[0]}.jpg": PHOTOS[0],
        f"{HASHES[1]}.jpg": PHOTOS[1],
        f"{HASHES[2]}.jpg": PHOTOS[2],
        "fine name.jpg": PHOTOS[3],
    }


def test_photos_are_copied_where_they_cannot_be_linked(
    kept: Settings, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    assert run(kept, "export", tmp_path / "out", "--photos", photos) == 0
    assert (tmp_path / "out" / "photos" / "one.jpg").read_bytes() == PHOTOS[0]


def test_a_dataset_is_written_whole_or_not_at_all(
    kept: Settings,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(file: Path, copy: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(copy))

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        for module, name in ((os, "link"), (shutil, "copyfile")):
            patch.setattr(module, name, full)
        assert run(kept, "export", out, "--photos", photos) == 1
    assert capsys.readouterr().err == f"error: {out}/photos/again.jpg: No space left on device\n"
    assert list(out.iterdir()) == []
    assert run(kept, "export", out, "--photos", photos) == 0


def test_without_a_photo_nothing_is_written(
    kept: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    assert run(kept, "export", out, "--photos", tmp_path / "empty") == 1
    said = capsys.readouterr()
    assert "left out: 6 captions whose photo is not in" in said.out
    assert said.err == "error: there is no caption in 'en' to export\n"
    assert not out.exists()


def test_nothing_that_exists_is_written_over(
    kept: Settings, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(kept, "export", photos, "--photos", photos) == 1
    assert capsys.readouterr().err == f"error: {photos} exists; name a new folder\n"


@pytest.mark.parametrize("wrong", ["photos", "out"])
def test_a_folder_that_cannot_be_used_is_one_line(
    kept: Settings, photos: Path, tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = {"photos": photos, "out": tmp_path / "out"}
    folders[wrong] = photos / "one.jpg" / "folder"
    assert run(kept, "export", folders["out"], "--photos", folders["photos"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {folders[wrong]}")


def test_a_photo_is_forgotten_by_its_hash_or_by_its_file(
    settings: Settings, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "forget", HASHES[0].upper(), photos / "deeper" / "two.jpg") == 0
    assert capsys.readouterr().out == "forgot what was said of 5 captions\n"
    assert {row.photo for row in left(settings)} == {HASHES[2], HASHES[3], LONELY}


def test_everything_is_forgotten(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(settings, "forget", "all") == 0
    assert run(settings, "forget", "all") == 0
    assert capsys.readouterr().out.startswith("forgot what was said of 8 captions\n")
    assert left(settings) == []


def test_what_is_forgotten_is_no_longer_in_the_files(kept: Settings) -> None:
    assert run(kept, "forget", "all") == 0
    for file in kept.data_dir.glob("feedback.sqlite3*"):
        assert b"A dog runs." not in file.read_bytes()


def test_a_photo_of_which_nothing_was_said_is_an_error(
    kept: Settings, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = photos / "other.jpg"
    assert run(kept, "forget", other, "e" * 64, "no such file", "a\0b") == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 4
    assert said.err.startswith(f"error: nothing was said of {str(other)!r}; `list` has the hashes")
    assert len(left(kept)) == len(ROWS)


@pytest.mark.parametrize("arguments", [[], ["list"], ["forget", "all"]])
def test_feedback_that_is_not_there_is_named_and_not_created(
    arguments: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"
    with pytest.raises(DatabaseError, match=f"^DATA_DIR: {folder}: there is no feedback"):
        run(Settings(data_dir=folder), *arguments)
    assert list(tmp_path.iterdir()) == []


async def test_it_works_while_the_bot_runs_and_where_feedback_is_off_by_now(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    off = settings.model_copy(update={"feedback": "off"})
    async with stores.opened(settings) as running:
        assert await asyncio.to_thread(run, off, "forget", HASHES[0]) == 0
        assert running.feedback is not None
        assert len(await running.feedback.all()) == len(ROWS) - 3
    async with stores.opened(off) as running:
        assert running.feedback is None


def test_the_bot_has_the_command(
    kept: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(kept.data_dir))
    assert main(["feedback"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ROWS)
    monkeypatch.setenv("DATA_DIR", str(kept.data_dir / "mistyped"))
    assert main(["feedback", "list"]) == 1
    assert "there is no feedback" in capsys.readouterr().err
