"""Many photos into one file: what a kill, Ctrl-C, a full disk and a second run leave in it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner import Captioner
from captioner.__main__ import main
from captioner.command_line import recording
from captioner.command_line.attempt import in_flight
from captioner.command_line.files import PhotoFile
from captioner.command_line.lines import name_of
from captioner.command_line.record import BESIDE, opened
from captioner.interrupt import run
from captioner.options import Options
from captioner.result import Caption
from tests.captioner.command_line.test_captioning import Held
from tests.conftest import LONG, photo_bytes

if sys.platform != "win32":
    import resource

Captured = pytest.CaptureFixture[str]
LATIN = os.fsdecode(b"photo\xe9.jpg") if sys.platform == "linux" else "photo.jpg"
NAMES = ("in/a.jpg", "in/a 'b' \"c\".jpg", "in/line\nbreak.jpg", f"in/{LATIN}", "名.jpg")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "in").mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        (folder / name).write_bytes(photo_bytes(seed))
    return folder


def resume(checkpoint: Path, out: Path, *arguments: object) -> int:
    given = ["--checkpoint", checkpoint, "--device", "cpu", "--json", "--resume", out, *arguments]
    return main([*map(str, given)])


def names_in(out: Path) -> list[str]:
    return sorted(name_of(json.loads(line)) for line in out.read_bytes().splitlines())


def photos_of(folder: Path) -> list[str]:
    return sorted(str(folder / name) for name in NAMES)


def test_every_photo_has_a_line_as_without_a_file_and_nothing_is_printed(
    tiny_file: Path, folder: Path, out: Path, capsys: Captured
) -> None:
    assert resume(tiny_file, out, folder) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["--checkpoint", str(tiny_file), "--device", "cpu", "--json", str(folder)]) == 0
    assert sorted(out.read_text("utf-8").splitlines()) == sorted(
        capsys.readouterr().out.splitlines()
    )


def test_a_second_run_does_what_has_come_since_and_nothing_twice(
    tiny_file: Path, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resume(tiny_file, out, folder) == 0
    before = out.read_bytes()
    (folder / "in" / "new.jpg").write_bytes(photo_bytes(9))
    asked = list[bytes]()
    caption = Captioner.caption

    async def counted(self: Captioner, photo: bytes, options: Options) -> Caption:
        asked.append(photo)
        return await caption(self, photo, options)

    monkeypatch.setattr(Captioner, "caption", counted)
    assert resume(tiny_file, out, folder, folder / "in") == 0
    assert out.read_bytes().startswith(before)
    assert names_in(out) == sorted([*photos_of(folder), str(folder / "in" / "new.jpg")])
    assert asked == [photo_bytes(9)]


def test_a_failed_photo_is_recorded_and_only_tried_again_if_asked(
    tiny_file: Path, folder: Path, out: Path, capsys: Captured
) -> None:
    broken = folder / "broken.jpg"
    broken.write_bytes(b"no photo")
    assert resume(tiny_file, out, folder) == 1
    problem, summary = capsys.readouterr().err.splitlines()
    assert problem.startswith(f"{broken}: The file has no known format")
    assert summary == f"{out}: 1 file failed; --retry-failed tries it again"
    broken.write_bytes(photo_bytes(8))
    assert resume(tiny_file, out, folder) == 1
    assert capsys.readouterr().err.splitlines() == [summary]
    assert resume(tiny_file, out, "--retry-failed", folder) == 0
    assert capsys.readouterr().err == ""
    assert names_in(out) == sorted([*photos_of(folder), str(broken)])


def test_parts_share_the_photos_wherever_their_folder_is(
    tiny_file: Path, folder: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(folder)
    outs = [tmp_path / f"{part}.jsonl" for part in (1, 2, 3)]
    for part, (out, place) in enumerate(zip(outs, (folder, elsewhere, folder), strict=True)):
        assert resume(tiny_file, out, "--shard", f"{part + 1}/3", place) == 0
    found = [name for out in outs for name in names_in(out)]
    assert sorted(name.replace(str(elsewhere), str(folder)) for name in found) == photos_of(folder)


def test_a_part_is_printed_without_a_file_too(
    tiny_file: Path, folder: Path, capsys: Captured
) -> None:
    for part in (1, 2):
        given = ["--checkpoint", str(tiny_file), "--shard", f"{part}/2", "--json", str(folder)]
        assert main(given) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)


def test_a_file_that_other_options_made_is_one_line(
    tiny_file: Path, folder: Path, out: Path, capsys: Captured
) -> None:
    assert resume(tiny_file, out, folder) == 0
    before = out.read_bytes()
    assert resume(tiny_file, out, "--beam", 2, "--shard", "1/2", folder) == 1
    assert capsys.readouterr().err == (
        f"error: --resume: {out}: other settings made it: beam was 5 and is 2, shard was 1/1 and "
        "is 1/2. Use the same ones, or name another file\n"
    )
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "o.jsonl", "x.jpg"], "--resume writes JSON, so it needs --json"),
        (["--json", "--resume", ".", "x.jpg"], "--resume cannot be .: it is a folder"),
        (["--json", "--resume", "no/o", "x.jpg"], "--resume cannot be no/o: there is no folder no"),
        (["--json", "--resume", "o", "-"], "--resume and --shard are for files and folders"),
        (["--shard", "1/2", "-"], "--resume and --shard are for files and folders"),
        (["--json", "--resume", "o", "--profile", "x.jpg"], "--profile is not for --resume"),
        (["--retry-failed", "x.jpg"], "--retry-failed is for --resume, which is not given"),
        (["--shard", "17/16", "x.jpg"], "--shard is 17/16; the first number must be at least 1"),
    ],
)
def test_a_wrong_argument_is_named_before_any_work(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Captioner, "load", pytest.fail)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="asyncio has no handler for it there")
def test_ctrl_c_leaves_whole_lines_and_the_next_run_does_the_rest(
    tiny_file: Path, tmp_path: Path, out: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = many(tmp_path, 80)
    caption, asked = Captioner.caption, list[bytes]()

    async def interrupted(self: Captioner, photo: bytes, options: Options) -> Caption:
        found = await caption(self, photo, options)
        asked.append(photo)
        if len(asked) == 3:
            signal.raise_signal(signal.SIGINT)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Captioner, "caption", interrupted)
        assert run(lambda: resume(tiny_file, out, folder)) == 130
    assert capsys.readouterr() == ("", "")
    assert 2 <= len(names_in(out)) < 80
    assert resume(tiny_file, out, folder) == 0
    assert names_in(out) == sorted(map(str, folder.iterdir()))


async def test_a_slow_photo_holds_up_no_other_and_an_interrupt_waits_for_none(out: Path) -> None:
    photos = [PhotoFile(f"{number}.jpg", data=b"photo") for number in range(2 * in_flight("cpu"))]
    with opened(out, {}) as record:
        held = PhotoFile("held.jpg", data=b"held")
        task = asyncio.create_task(recording.run(Held(), [held, *photos], Options(), record))
        for _ in tries(10):
            await asyncio.sleep(0)
            if out.read_bytes().count(b"\n") == len(photos):
                break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert names_in(out) == sorted(photo.name for photo in photos)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_is_one_line_and_nothing_is_lost(served_file: Path, tmp_path: Path) -> None:
    folder, out = many(tmp_path, 60), tmp_path / "out.jsonl"
    # A file may not grow beyond this: what `write` and Python then do is the same but for the text.
    full = subprocess.run(
        command(served_file, folder, out),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )
    assert full.returncode == 1
    assert full.stderr == f"error: --resume: {out}: File too large\n"
    done = out.read_bytes()
    assert done.endswith(b"\n")
    assert 0 < len(done) <= 4000
    assert subprocess.run(command(served_file, folder, out)).returncode == 0
    assert out.read_bytes().startswith(done)
    assert names_in(out) == sorted(map(str, folder.iterdir()))


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
def test_after_each_kill_the_next_run_goes_on_and_no_photo_is_done_twice(
    served_file: Path, tmp_path: Path
) -> None:
    count, kills = (2000, 10) if LONG else (200, 2)
    folder, out = many(tmp_path, count), tmp_path / "out.jsonl"
    for kill in range(kills):
        process = subprocess.Popen(command(served_file, folder, out))
        wait_for(out, lines=(kill + 1) * count // (kills + 2))
        process.kill()
        process.wait()
        with out.open("ab") as file:  # as if it had been in the middle of a line
            file.write(b'{"file": "')
    second = subprocess.Popen(command(served_file, folder, out))
    assert second.wait() == 0
    assert names_in(out) == sorted(map(str, folder.iterdir()))
    assert json.loads(out.with_name(out.name + BESIDE).read_text())["beam"] == Options.beam


def many(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.jpg").write_bytes(photo_bytes(number % 7))
    return folder


def command(checkpoint: Path, folder: Path, out: Path) -> list[str]:
    options = ("--checkpoint", str(checkpoint), "--json", "--resume", str(out))
    return [sys.executable, "-m", "captioner", *options, str(folder)]


def wait_for(out: Path, lines: int) -> None:
    for _ in tries(60):
        if out.exists() and out.read_bytes().count(b"\n") >= lines:
            return
    pytest.fail(f"{out} did not get {lines} lines")


def tries(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.005)
