"""A bot with `CAPTIONER_URL` captions elsewhere, and is small: it has no network and no runtime."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from bot import captioners
from bot.settings import Settings
from captioner import BadImage
from captioner.remote.captioner import RemoteCaptioner
from captioner.remote.wire import pack
from tests.bot.process import Bot, caption, clean, closed_port
from tests.captioner.deployment import ABOUT, TYPED, Deployment, captioned, refuses, says
from tests.captioner.video.making import encoded
from tests.conftest import photo_bytes

ROOT = Path(__file__).parents[2]
# Nothing of these is on the machine of such a bot, as far as it knows.
BLOCKED = (
    *("torch", "torchvision", "onnxruntime", "ray"),
    *("captioner.captioner", "captioner.model", "captioner.photo.sandbox"),
    "captioner.naming.classifier",
)
PHOTO = photo_bytes(1)


@asynccontextmanager
async def front(folder: Path, url: str, *arguments: str, **settings: str) -> AsyncIterator[Bot]:
    """Run `python -m bot` with a captioner elsewhere, and nothing that captions itself."""
    # Python reads this file at its start.
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules |= dict.fromkeys({BLOCKED})\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        cwd=folder,
        env=clean()
        | {"PYTHONPATH": f"{folder}:{ROOT}", "WEB_PORT": "0", "LOG_FORMAT": "text"}
        | {"CAPTIONER_URL": url}
        | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Bot(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def finished(folder: Path, url: str, *arguments: str) -> tuple[int, str, str]:
    """Run it to its end; return its status, its output and its errors."""
    async with front(folder, url, *arguments) as bot:
        output, errors = await bot.process.communicate()
        assert bot.process.returncode is not None
        return bot.process.returncode, output.decode(), errors.decode()


async def ready(address: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{address}/readyz") as response,
    ):
        return response.status


async def until_ready(address: str) -> None:
    async with asyncio.timeout(20):
        while await ready(address) != 200:
            await asyncio.sleep(0.05)


async def test_photos_are_captioned_elsewhere_without_any_runtime(tmp_path: Path) -> None:
    async with Deployment() as deployment, front(tmp_path, deployment.url) as bot:
        address = (await bot.until(r"http://127\.0\.0\.1:\d+"))[0]
        deployment.next.append(says(500))  # a replica dies
        status, answer = await caption(address, PHOTO)
        deployment.next.append(refuses(BadImage("damaged"), 422))
        refusal, sentence = await caption(address, PHOTO)

        assert (status, answer["caption"]) == (200, captioned(PHOTO).text)
        assert refusal == 400
        assert sentence["error"].startswith("The picture is damaged or cut off.")
        assert await ready(address) == 200
        bot.process.terminate()
        assert await bot.ended() == 0
    assert [photo for photo, _ in deployment.asked] == [PHOTO] * 3
    assert "Traceback" not in bot.said


async def test_photos_and_videos_are_sent_up_to_their_own_limits() -> None:
    limits: dict[str, Any] = {"max_photo_mb": 10 / 2**20, "max_video_mb": 100 / 2**20}
    async with Deployment() as deployment:
        settings = Settings.model_construct(captioner_url=deployment.url, **limits)
        async with captioners.started(settings) as captioner:
            for ask, most in ((captioner.caption, 10), (captioner.caption_video, 100)):
                await ask(bytes(most))
                with pytest.raises(BadImage) as large:
                    await ask(bytes(most + 1))
                assert large.value.numbers["limit"] == most


@pytest.mark.parametrize(
    ("shipped", "name"), [("small", "photo-captioner-small"), (None, "photo-captioner")]
)
async def test_a_model_has_a_name_for_programs(shipped: str | None, name: str) -> None:
    about = pack(replace(ABOUT, shipped=shipped))

    async def says_about(request: web.Request) -> web.Response:
        return web.Response(body=about, headers=TYPED)

    async with (
        Deployment(about=says_about) as deployment,
        RemoteCaptioner(deployment.url) as captioner,
    ):
        assert captioners.model_name(captioner, Settings.model_construct()) == name


async def test_a_model_that_is_not_known_yet_has_a_name_for_programs() -> None:
    async with RemoteCaptioner(f"http://127.0.0.1:{closed_port()}") as captioner:
        assert captioners.model_name(captioner, Settings.model_construct()) == "photo-captioner"


async def test_the_check_describes_the_captioner_elsewhere(tmp_path: Path) -> None:
    async with Deployment() as deployment:
        status, output, errors = await finished(tmp_path, deployment.url, "--check")

    assert (status, errors) == (0, "")
    line = "Captioner: ResNet-50 with an attention LSTM, cpu, 9 words; a test photo took "
    assert output.startswith(line)


async def test_a_captioner_that_is_down_stops_no_bot_and_is_found_later(tmp_path: Path) -> None:
    deployment = Deployment(port=closed_port())
    async with front(tmp_path, deployment.url) as bot:
        address = (await bot.until(r"http://127\.0\.0\.1:\d+"))[0]
        assert await ready(address) == 503
        status, answer = await caption(address, PHOTO)
        assert (status, "try again" in answer["error"]) == (503, True)
        async with deployment:
            await until_ready(address)
            assert (await caption(address, PHOTO))[0] == 200
        bot.process.terminate()
        assert await bot.ended() == 0
    assert bot.said.count("nothing answers there") == 1


async def test_the_check_names_a_captioner_that_is_down(tmp_path: Path) -> None:
    status, _, errors = await finished(tmp_path, f"http://127.0.0.1:{closed_port()}", "--check")

    assert status == 1
    assert "error: CAPTIONER_URL: nothing answers there (" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("arguments", [(), ("--check",)])
async def test_another_program_at_the_address_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async with Deployment(about=says(404, "no such page")) as deployment:
        status, output, errors = await finished(tmp_path, deployment.url, *arguments)

    said = "error: CAPTIONER_URL: another program is there; it answered with status 404\n"
    assert (status, output, errors) == (1, "", said)


async def test_settings_say_how_much_of_a_video_is_used(served_file: Path) -> None:
    frames = [Image.new("RGB", (64, 64), (index, 0, 0)) for index in range(50)]
    config = Settings.model_construct(
        captioner_checkpoint=served_file, captioner_device="cpu", video_seconds=3, video_frames=1
    )
    async with captioners.started(config) as captioner:
        told = await captioner.caption_video(encoded(frames, rate=10))
    assert (told.seconds, told.duration) == (3, 5)
    assert len(told.scenes) == 1
