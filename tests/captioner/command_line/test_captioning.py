"""Many photos: what fails alone, and what is left when someone presses Ctrl-C."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import pytest

from captioner import Caption, Captioner, Options
from captioner.command_line import captioning
from captioner.command_line.attempt import in_flight
from captioner.command_line.captioning import Printing
from captioner.command_line.files import PhotoFile
from captioner.interrupt import run
from captioner.output import OutputError, say
from captioner.photo.limits import Limits
from captioner.serving import ServingConfig
from tests.conftest import Trained, on_cpu, photo_bytes

PRINTING = Printing(as_json=False, named=True, explain=None, profile=False)
Captured = pytest.CaptureFixture[str]


def photos(count: int) -> list[PhotoFile]:
    return [PhotoFile(f"{index}.jpg", data=photo_bytes(1)) for index in range(count)]


def caption_all(
    tiny: Trained,
    files: Sequence[PhotoFile],
    limits: Limits = Limits(),
    printing: Printing = PRINTING,
) -> int:
    captioner = Captioner(*on_cpu(tiny), ServingConfig(limits, decoders=1))
    return asyncio.run(captioning.run(captioner, files, Options(), printing))


@pytest.mark.skipif(sys.platform == "win32", reason="asyncio has no handler for it there")
def test_an_interrupt_among_many_photos_keeps_what_was_printed_and_says_nothing(
    tiny: Trained, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = list[str]()

    def interrupted(line: str) -> None:
        say(line)
        said.append(line)
        if len(said) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("captioner.command_line.captioning.say", interrupted)
    assert run(lambda: caption_all(tiny, photos(80))) == 130
    output = capsys.readouterr()
    names = [line.split(":")[0] for line in output.out.splitlines()]
    assert names == [f"{index}.jpg" for index in range(len(names))]
    assert 3 <= len(names) < 80
    assert output.err == ""


class Held(Captioner):
    """The first photo takes for ever."""

    def __init__(self) -> None:
        self.serving = ServingConfig()

    @property
    def device(self) -> str:
        return "cpu"

    async def __aenter__(self) -> "Held":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing runs."""

    async def caption(self, photo: bytes, options: Options = Options()) -> Caption:
        if photo == b"held":
            await asyncio.Event().wait()
        return Caption("A dog runs.", -1.0, 0.9, ())


async def test_an_interrupt_prints_what_was_captioned_out_of_turn(capsys: Captured) -> None:
    files = [PhotoFile("0.jpg", data=b"held"), *photos(3)[1:]]
    task = asyncio.create_task(captioning.run(Held(), files, Options(), PRINTING))
    while len(asyncio.all_tasks()) > 3:  # this one, the one above, and that of the first photo
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert capsys.readouterr().out == ""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert capsys.readouterr().out == "1.jpg: A dog runs.\n2.jpg: A dog runs.\n"


def test_an_error_that_nobody_expects_is_one_line_and_the_others_are_captioned(
    tiny: Trained, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption = Captioner.caption

    async def failing(self: Captioner, photo: bytes, options: Options) -> Caption:
        if photo == b"odd":
            raise RuntimeError("a process to decode photos\ndid not start")
        return await caption(self, photo, options)

    monkeypatch.setattr(Captioner, "caption", failing)
    files = [PhotoFile("odd.jpg", data=b"odd"), *photos(1)]
    assert caption_all(tiny, files) == 1
    output = capsys.readouterr()
    assert output.out.startswith("0.jpg: ")
    assert output.err == (
        "odd.jpg: Something went wrong in this program, not with the file: "
        "RuntimeError: a process to decode photos did not start.\n"
    )


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (Limits(max_bytes=100), "--max-mb"),
        (Limits(max_pixels=100), "--max-megapixels"),
        (Limits(max_side=10), None),  # which no option sets
        (Limits(seconds=1e-9), "--decode-seconds"),
    ],
)
def test_a_refused_photo_names_the_option_that_sets_its_limit(
    tiny: Trained, capsys: Captured, limits: Limits, option: str | None
) -> None:
    assert caption_all(tiny, photos(1), limits) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.findall(r"--[\w-]+", line) == ([option] if option else [])


def test_every_photo_has_its_line_in_json_and_the_problem_of_a_folder_too(
    tiny: Trained, capsys: Captured
) -> None:
    files = [PhotoFile("locked", problem="Permission denied"), *photos(1)]
    assert caption_all(tiny, files, printing=replace(PRINTING, as_json=True)) == 1
    output = capsys.readouterr()
    first, second = map(json.loads, output.out.splitlines())
    assert first == {"file": "locked", "error": "Permission denied"}
    assert second["file"] == "0.jpg"
    assert output.err == "locked: Permission denied\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_a_full_output_ends_the_work_at_once(
    tiny: Trained, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[bytes]()
    caption = Captioner.caption

    async def counted(self: Captioner, photo: bytes, options: Options) -> Caption:
        asked.append(photo)
        return await caption(self, photo, options)

    monkeypatch.setattr(Captioner, "caption", counted)
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError):
            caption_all(tiny, photos(80))
    assert len(asked) <= in_flight("cpu")
