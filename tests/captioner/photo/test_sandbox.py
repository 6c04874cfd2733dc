"""Photos are decoded in processes that can be killed without harm to others."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.errors import BadImage, BadImageKind
from captioner.photo.decode import decode, picture
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Preprocessing, middle, shrink
from captioner.photo.sandbox import Sandbox
from captioner.photo.worker import LENGTHS, memory
from tests.captioner.photo.hostile import HOSTILE
from tests.conftest import photo_bytes

PHOTOS = [photo_bytes(seed) for seed in range(8)]
SIDE = 32
SECONDS = 0.5
ROOT = Path(__file__).parents[3]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture(scope="session")
def slow() -> bytes:
    """Return a photo that takes minutes to decode, and little memory."""
    return HOSTILE["JPEG, a million EXIF segments"]()


async def assert_read(sandbox: Sandbox, photo: bytes) -> None:
    found = await sandbox.squeeze(photo, SIDE)
    assert np.array_equal(found.pixels, Preprocessing(SIDE).squeeze(decode(photo)))


async def worker(sandbox: Sandbox) -> Process:
    """Return the process of a sandbox with a single, idle worker."""
    return await asyncio.shield(sandbox._workers[0])


async def until_ended(pid: int) -> None:
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
            await asyncio.sleep(0.01)


async def at_work(pid: int) -> None:
    """Wait until a process has been busy for a while."""
    async with asyncio.timeout(10):
        before = processor_seconds(pid)
        while processor_seconds(pid) < before + 0.1:
            await asyncio.sleep(0.01)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_has_loaded_every_format_before_its_first_photo(tmp_path: Path) -> None:
    for form in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000"):
        (tmp_path / form).write_bytes(photo_bytes(0, form))
    code = (
        "import pathlib, sys\n"
        "from PIL import Image\n"
        "from captioner.photo import decode, worker\n"
        "worker.prepare()\n"
        "assert set(decode.FORMATS) <= set(Image.OPEN)\n"
        "before = set(sys.modules)\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    decode.decode(path.read_bytes())\n"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('PIL')))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip() == b"[]"


async def test_a_squeezed_photo_equals_one_squeezed_in_this_process() -> None:
    async with Sandbox(workers=1) as sandbox:
        await assert_read(sandbox, PHOTOS[0])
        found = await sandbox.squeeze(PHOTOS[0], SIDE)
    assert found.seconds > 0
    assert found.pixels.flags.writeable  # as PyTorch wants it


async def test_the_middle_of_a_photo_is_a_square_that_nothing_distorts() -> None:
    async with Sandbox(workers=1) as sandbox:
        found = await sandbox.squeeze(PHOTOS[0], SIDE, middle=20)
    assert np.array_equal(found.pixels, Preprocessing(SIDE).squeeze(decode(PHOTOS[0])))
    assert found.middle is not None
    assert np.array_equal(found.middle, middle(decode(PHOTOS[0]), 20))


async def test_a_large_photo_keeps_enough_pixels_for_a_large_middle() -> None:
    file = io.BytesIO()
    Image.effect_noise((2048, 2048), 64).save(file, "JPEG")
    async with Sandbox(workers=1) as sandbox:
        found = await sandbox.squeeze(file.getvalue(), SIDE, middle=400)
    assert found.middle is not None
    small = picture(file.getvalue(), side=300)
    assert small.size == (1024, 1024)  # an eighth, enough for the square alone, has 256
    assert np.array_equal(found.middle, middle(small, 400))


async def test_a_thumbnail_is_the_whole_photo_with_its_proportions() -> None:
    async with Sandbox(workers=1) as sandbox:
        small = (await sandbox.thumbnail(PHOTOS[0], 48)).pixels
    assert small.shape == (40, 48, 3)
    assert np.array_equal(small, shrink(decode(PHOTOS[0]), 48))


@pytest.mark.parametrize(
    ("photo", "kind", "numbers"),
    [
        (b"", "empty", {}),
        (b"hello", "unsupported", {}),
        (PHOTOS[0][:200], "damaged", {}),
        (bytes(20_000), "too many bytes", {"size": 20_000, "limit": 10_000}),
        (
            photo_bytes(0, "PNG"),
            "too many pixels",
            {"width": 96, "height": 80, "max_pixels": 7000, "max_side": 5000},
        ),
    ],
)
async def test_a_refusal_arrives_as_it_was_raised(
    photo: bytes, kind: BadImageKind, numbers: dict[str, int]
) -> None:
    limits = Limits(max_bytes=10_000, max_pixels=7000, max_side=5000)
    async with Sandbox(limits, workers=1) as sandbox:
        with pytest.raises(BadImage) as refused:
            await sandbox.squeeze(photo, SIDE)
    assert (refused.value.kind, refused.value.numbers) == (kind, numbers)


async def test_a_photo_that_takes_too_long_is_refused_and_holds_up_nobody(slow: bytes) -> None:
    async with Sandbox(Limits(seconds=SECONDS), workers=2) as sandbox:
        late = asyncio.create_task(sandbox.squeeze(slow, SIDE))
        for photo in PHOTOS:
            await assert_read(sandbox, photo)
        assert not late.done()
        with pytest.raises(BadImage) as refused:
            await late
        assert refused.value.kind == "too slow"
        for photo in PHOTOS:
            await assert_read(sandbox, photo)


@on_linux
async def test_a_worker_that_dies_fails_its_photo_alone(slow: bytes) -> None:
    async with Sandbox(workers=1) as sandbox:
        process = await worker(sandbox)
        lost = asyncio.create_task(sandbox.squeeze(slow, SIDE))
        waiting = asyncio.create_task(assert_read(sandbox, PHOTOS[0]))
        await at_work(process.pid)
        os.kill(process.pid, signal.SIGSEGV)
        with pytest.raises(BadImage) as refused:
            await lost
        assert refused.value.kind == "damaged"
        await waiting


@on_linux
async def test_an_idle_worker_that_was_killed_costs_no_photo() -> None:
    async with Sandbox(workers=1) as sandbox:
        process = await worker(sandbox)
        process.kill()
        await process.wait()
        await assert_read(sandbox, PHOTOS[0])


@on_linux
async def test_after_a_caller_went_away_the_next_gets_its_own_pixels(slow: bytes) -> None:
    async with Sandbox(workers=1) as sandbox:
        process = await worker(sandbox)
        gone = asyncio.create_task(sandbox.squeeze(slow, SIDE))
        await at_work(process.pid)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await assert_read(sandbox, PHOTOS[0])
        assert (await worker(sandbox)).pid != process.pid


async def test_callers_that_go_away_while_waiting_leave_the_worker_to_others() -> None:
    async with Sandbox(workers=1) as sandbox:
        starting = sandbox._workers[0]
        gone = [asyncio.create_task(sandbox.squeeze(photo, SIDE)) for photo in PHOTOS]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await assert_read(sandbox, PHOTOS[0])
        assert sandbox._workers[0] is starting


async def test_photos_are_decoded_in_the_order_in_which_they_came() -> None:
    order: list[int] = []

    async def ask(number: int) -> None:
        await assert_read(sandbox, PHOTOS[number])
        order.append(number)

    async with Sandbox(workers=1) as sandbox:
        await asyncio.gather(*map(ask, range(len(PHOTOS))))
    assert order == list(range(len(PHOTOS)))


async def test_closing_finishes_the_work_and_ends_the_workers() -> None:
    async with Sandbox(workers=1) as sandbox:
        process = await worker(sandbox)
        asked = [asyncio.create_task(assert_read(sandbox, photo)) for photo in PHOTOS]
        await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert process.returncode is not None


@on_linux
async def test_closing_right_after_a_worker_was_killed_leaves_none_running(slow: bytes) -> None:
    async with Sandbox(Limits(seconds=SECONDS), workers=1) as sandbox:
        process = await worker(sandbox)
        with pytest.raises(BadImage):
            await sandbox.squeeze(slow, SIDE)
    assert process.returncode == -signal.SIGKILL


async def test_closing_while_the_workers_start_leaves_none_running() -> None:
    async with Sandbox(workers=2) as sandbox:
        starting = list(sandbox._workers)
        await asyncio.sleep(0.05)
    assert all(task.cancelled() for task in starting)


@on_linux
async def test_a_worker_holds_to_its_limits_and_has_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "12345:secret")
    limits = Limits(max_pixels=10**6)
    async with Sandbox(limits, workers=1) as sandbox:
        process = await worker(sandbox)
        kept = Path(f"/proc/{process.pid}/limits").read_text()
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        files = [os.readlink(file) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
    soft = {line[:26].strip(): line[26:47].strip() for line in kept.splitlines()}
    assert (soft["Max file size"], soft["Max core file size"]) == ("0", "0")
    assert memory(limits) < int(soft["Max address space"]) < memory(limits) + 2**29
    assert b"secret" not in environment
    assert sum(file != os.devnull for file in files) == 2  # jobs come in, results go out


@on_linux
async def test_a_photo_that_needs_more_memory_than_its_pixels_should_is_refused() -> None:
    bomb = HOSTILE["TIFF, tile of a billion pixels"]()
    async with Sandbox(Limits(max_pixels=10**6), workers=1) as sandbox:
        process = await worker(sandbox)
        with pytest.raises(BadImage):
            await sandbox.squeeze(bomb, SIDE)
        status = Path(f"/proc/{process.pid}/status").read_text()
        await assert_read(sandbox, PHOTOS[0])
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmPeak" in line)
    assert peak < 500_000  # kB, of the million that the tile asks for


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_that_stop_the_parent_do_not_stop_a_worker(number: signal.Signals) -> None:
    async with Sandbox(workers=1) as sandbox:
        process = await worker(sandbox)
        process.send_signal(number)
        await assert_read(sandbox, PHOTOS[0])
        assert (await worker(sandbox)).pid == process.pid


SCRIPT = """
import asyncio, sys
from captioner.photo.sandbox import Sandbox

async def main():
    async with Sandbox(workers=2) as sandbox:
        print(*[(await worker).pid for worker in list(sandbox._workers)], flush=True)
        await sandbox.squeeze(sys.stdin.buffer.read(), 32)
        print("read")

asyncio.run(main())
"""


def script(folder: Path) -> list[str]:
    """Write a script without a guard for its main module, and return the command that runs it."""
    file = folder / "script.py"
    file.write_text(SCRIPT)
    return [sys.executable, str(file)]


def test_a_script_needs_no_guard_for_its_main_module(tmp_path: Path) -> None:
    done = subprocess.run(
        script(tmp_path),
        input=PHOTOS[0],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"read") == len(done.stdout.splitlines()) - 1 == 1
    assert done.stderr == b""


@on_linux
async def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path, slow: bytes) -> None:
    parent = await asyncio.create_subprocess_exec(
        *script(tmp_path),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout
    workers = list(map(int, (await parent.stdout.readline()).split()))
    parent.kill()
    await parent.communicate()
    for pid in workers:
        await until_ended(pid)
    assert len(workers) == 2


async def test_a_worker_that_cannot_start_is_a_runtime_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", program(tmp_path, "echo no numpy >&2"))
        async with Sandbox(workers=1) as sandbox:
            with pytest.raises(RuntimeError, match="no numpy"):
                await sandbox.squeeze(PHOTOS[0], SIDE)
            broken.undo()
            await assert_read(sandbox, PHOTOS[0])


def message(text: str, behind: int = 0, body: str = "") -> str:
    """Return a worker's message, as `printf` writes it."""
    head = "".join(f"\\{byte:03o}" for byte in LENGTHS.pack(len(text), behind))
    return head + text + body


@pytest.mark.parametrize(
    "reply",
    [
        message("{}", 3, "abc"),
        message("{}", 2**32 - 1),
        message("", 0).replace(r"\000", r"\377", 4),
        message("{x}"),
        message('{"shapes":[[9,9]]}'),
        message('{"shapes":[[1,4,3]]}', 12, "123456789012"),
        message('{"shapes":[]}'),
        message('{"shapes":7}'),
        message('{"shapes":[[32,32,3]]}', 3, "abc"),
        message('{"refused":"my own text","numbers":{}}'),
        message('{"refused":1,"numbers":{}}'),
        message('{"refused":["empty"],"numbers":{}}'),
        message('{"refused":"empty"}'),
        message('{"refused":"empty","numbers":"my own text"}'),
        message('{"refused":"empty","numbers":{"text":1}}'),
        message('{"refused":"too many bytes","numbers":{"size":"my own text","limit":1}}'),
        message('{"refused":"too many bytes","numbers":{"size":true,"limit":1}}'),
        message('{"refused":"too many bytes","numbers":{"size":1.5,"limit":1}}'),
        message('{"refused":"too many bytes","numbers":{"size":-1,"limit":1}}'),
        message('{"refused":"too many bytes","numbers":{"size":%s,"limit":1}}' % (400 * "9")),
        message('{"refused":"too many bytes","numbers":{"size":1}}'),
    ],
)
async def test_a_worker_that_answers_nonsense_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reply: str
) -> None:
    lying = rf"printf '\0\0\0\2\0\0\0\0{{}}'; head -c 20 >/dev/null; printf '{reply}'; exec sleep 9"
    monkeypatch.setattr(sys, "executable", program(tmp_path, lying))
    async with Sandbox(workers=1) as sandbox:
        started = time.perf_counter()
        with pytest.raises(BadImage) as refused:
            await sandbox.squeeze(PHOTOS[0], SIDE)
        assert refused.value.kind == "damaged"
        assert time.perf_counter() - started < 5


def program(folder: Path, commands: str) -> str:
    """Return a program that runs instead of Python."""
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{commands}\n")
    file.chmod(0o755)
    return str(file)
