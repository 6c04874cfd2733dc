"""A captioner elsewhere: what arrives, what is sent again, and what a server that is down does."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from aiohttp import web

from captioner import BadImage, Busy, Options
from captioner.options import OptionError
from captioner.photo.limits import Limits
from captioner.remote import captioner as remote
from captioner.remote import circuit
from captioner.remote.captioner import RemoteCaptioner, RemoteError
from captioner.remote.wire import HEADER, VERSION, Failed, WireError, pack
from tests.captioner.deployment import (
    ABOUT,
    PIXELS,
    TYPED,
    Answer,
    Deployment,
    captioned,
    hangs,
    hangs_up,
    is_cut,
    refuses,
    says,
    told,
)

PHOTO = b"a photo of some bytes"
VIDEO = b"a video of some bytes"
ATTEMPTS = len(remote.PAUSES) + 1
SERVE_ERRORS = [says(500), says(503, "no replica"), says(408, "timed out"), hangs_up, is_cut]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all pauses."""
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(circuit, "SOONEST", 0.05)
    monkeypatch.setattr(circuit, "LATEST", 0.1)


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    async with Deployment() as deployment:
        yield deployment


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_photo_is_captioned_elsewhere(deployment: Deployment) -> None:
    options = Options(beam=3, language="de", attention=True)
    async with RemoteCaptioner(deployment.url) as captioner:
        caption = await captioner.caption(PHOTO, options)
        assert captioner.about() == ABOUT
        assert captioner.languages == ["en", "de"]
        assert captioner.problem is None
    assert caption == captioned(PHOTO)
    assert caption.seconds == captioned(PHOTO).seconds
    assert deployment.asked == [(PHOTO, options)]


async def test_a_prefix_of_the_address_is_kept() -> None:
    paths = []

    async def note(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=500)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        async with RemoteCaptioner(f"http://127.0.0.1:{port}/photos/"):
            pass
    finally:
        await runner.cleanup()
    assert paths == ["/photos/about"]


async def test_pixels_come_from_there_too(deployment: Deployment) -> None:
    async with RemoteCaptioner(deployment.url) as captioner:
        np.testing.assert_array_equal(await captioner.pixels(PHOTO, 4), PIXELS)


async def test_a_file_above_the_limit_is_not_sent(deployment: Deployment) -> None:
    async with RemoteCaptioner(deployment.url, Limits(max_bytes=10)) as captioner:
        with pytest.raises(BadImage) as too_large:
            await captioner.caption(PHOTO)
        with pytest.raises(BadImage) as empty:
            await captioner.caption(b"")
    assert too_large.value.numbers == {"size": len(PHOTO), "limit": 10}
    assert empty.value.kind == "empty"
    assert deployment.asked == []


@pytest.mark.parametrize(("photo", "video"), [(10, 100), (100, 10)])
async def test_photos_and_videos_have_a_limit_each(
    deployment: Deployment, photo: int, video: int
) -> None:
    async with RemoteCaptioner(
        deployment.url, Limits(max_bytes=photo), max_video_bytes=video
    ) as captioner:
        for ask, most in ((captioner.caption, photo), (captioner.caption_video, video)):
            await ask(bytes(most))
            with pytest.raises(BadImage) as large:
                await ask(bytes(most + 1))
            assert large.value.numbers == {"size": most + 1, "limit": most}
    assert [len(file) for file, _ in deployment.asked] == [photo, video]


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (BadImage("too many pixels", width=1, height=2, max_pixels=3, max_side=4), 422),
        (Busy("full", 7.5), 503),
        (OptionError("language", "is 'xx'; it must be one of en, de"), 400),
    ],
)
async def test_an_error_of_the_captioner_comes_through_at_once(
    deployment: Deployment, problem: BadImage | Busy | OptionError, status: int
) -> None:
    deployment.next.append(refuses(problem, status))
    async with RemoteCaptioner(deployment.url) as captioner:
        with pytest.raises(type(problem)) as raised:
            await captioner.caption(PHOTO)
    assert vars(raised.value) == vars(problem)
    assert len(deployment.asked) == 1


@pytest.mark.parametrize("error", [*SERVE_ERRORS, refuses(Busy("stopping"))])
async def test_what_died_with_its_replica_is_sent_again(
    deployment: Deployment, error: Answer
) -> None:
    deployment.next.extend([error, error])
    async with RemoteCaptioner(deployment.url) as captioner:
        assert await captioner.caption(PHOTO) == captioned(PHOTO)
        assert captioner.problem is None
    assert deployment.asked == [(PHOTO, Options())] * 3


@pytest.mark.parametrize("error", SERVE_ERRORS)
async def test_a_photo_is_sent_a_few_times_at_most(deployment: Deployment, error: Answer) -> None:
    deployment.next.extend([error] * 9)
    async with RemoteCaptioner(deployment.url) as captioner:
        with pytest.raises(Busy):
            await captioner.caption(PHOTO)
    assert len(deployment.asked) == ATTEMPTS


async def test_a_replica_that_hangs_costs_one_attempt(deployment: Deployment) -> None:
    deployment.next.append(hangs)
    async with RemoteCaptioner(deployment.url, seconds=ATTEMPTS * 0.2) as captioner:
        assert await captioner.caption(PHOTO) == captioned(PHOTO)


async def test_a_failure_at_a_photo_is_repeated_and_leaves_the_circuit_closed(
    deployment: Deployment,
) -> None:
    deployment.next.extend([refuses(Failed(), 500)] * (ATTEMPTS + 1))
    async with RemoteCaptioner(deployment.url) as captioner:
        for _ in range(circuit.FAILURES):
            deployment.next.extend([refuses(Failed(), 500)] * ATTEMPTS)
            with pytest.raises(Failed):
                await captioner.caption(PHOTO)
        assert captioner.problem is None


async def test_a_proxy_that_refuses_large_photos_is_named_and_stops_no_other_photo(
    deployment: Deployment,
) -> None:
    async with RemoteCaptioner(deployment.url) as captioner:
        for _ in range(circuit.FAILURES):
            deployment.next.extend([says(413, "<html>")] * ATTEMPTS)
            with pytest.raises(Failed, match=r"refuses files of this size, with status 413"):
                await captioner.caption(PHOTO)
        assert captioner.problem is None
        assert await captioner.caption(PHOTO) == captioned(PHOTO)


async def test_a_server_that_does_not_speak_http_is_one_clear_error() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RemoteError, match=r"^another program is there; .* not HTTP$"):
            await RemoteCaptioner(f"http://127.0.0.1:{port}").__aenter__()


async def test_a_garbled_answer_is_one_line() -> None:
    async def garble(request: web.Request) -> web.Response:
        garbled = web.Response(body=b"{}", headers={HEADER: str(VERSION)})
        garbled.headers["Content-Encoding"] = "gzip"
        return garbled

    async with Deployment(about=garble) as deployment, RemoteCaptioner(deployment.url) as captioner:
        assert captioner.problem is not None
        assert captioner.problem.startswith("the connection was lost (")
        assert "\n" not in captioner.problem


async def test_photos_beyond_those_that_may_wait_are_refused(deployment: Deployment) -> None:
    deployment.next.extend([hangs] * 2)
    async with RemoteCaptioner(deployment.url, max_waiting=2) as captioner:
        tasks = [asyncio.create_task(captioner.caption(PHOTO)) for _ in range(2)]
        await until(lambda: len(deployment.asked) == 2)
        assert captioner.waiting == 2
        with pytest.raises(Busy, match="Too many files"):
            await captioner.caption(PHOTO)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert captioner.waiting == 0
        assert await captioner.caption(PHOTO) == captioned(PHOTO)


async def test_a_caller_that_goes_away_ends_its_request(deployment: Deployment) -> None:
    ended = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        try:
            return await hangs(request)
        finally:
            ended.set()

    deployment.next.append(wait)
    async with RemoteCaptioner(deployment.url) as captioner:
        task = asyncio.create_task(captioner.caption(PHOTO))
        await until(lambda: bool(deployment.asked))
        task.cancel()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_leaving_waits_for_what_was_sent_and_sends_no_more(deployment: Deployment) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return await says(200, "")(request)

    deployment.next.append(slowly)
    captioner = RemoteCaptioner(deployment.url)
    await captioner.__aenter__()
    task = asyncio.create_task(captioner.caption(PHOTO))
    await until(lambda: bool(deployment.asked))
    await captioner.__aexit__(None, None, None)
    assert task.done()
    with pytest.raises(Busy, match="stopping"):
        await captioner.caption(PHOTO)


async def test_a_connection_is_used_again(deployment: Deployment) -> None:
    ports = set()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return await refuses(Busy("full"))(request)

    deployment.next.extend([note] * 3)
    async with RemoteCaptioner(deployment.url) as captioner:
        for _ in range(3):
            with pytest.raises(Busy):
                await captioner.caption(PHOTO)
    assert len(ports) == 1


async def test_the_environment_sets_no_proxy(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with RemoteCaptioner(deployment.url) as captioner:
        assert await captioner.caption(PHOTO) == captioned(PHOTO)


async def test_a_captioner_that_is_down_at_the_start_is_found_later(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    await deployment.__aexit__()
    async with RemoteCaptioner(deployment.url) as captioner:
        assert captioner.problem is not None
        assert captioner.problem.startswith("nothing answers there (")
        languages = captioner.languages
        assert languages == []
        for call in (captioner.check_room, captioner.about):
            with pytest.raises(Busy):
                call()
        started = time.perf_counter()
        with pytest.raises(Busy) as refused:
            await captioner.caption(PHOTO)
        assert time.perf_counter() - started < 0.05
        assert refused.value.retry_after >= 1
        await deployment.__aenter__()
        await until(lambda: captioner.problem is None)
        assert await captioner.caption(PHOTO) == captioned(PHOTO)
        assert captioner.about() == ABOUT
        assert languages == ["en", "de"]
    said = [record.getMessage() for record in caplog.records if record.name == circuit.__name__]
    assert len(said) == 2
    assert re.match("the captioner: nothing answers there .*; it is asked again", said[0])
    assert said[1] == "the captioner answers again"


async def test_failures_in_a_row_open_the_circuit_and_a_probe_closes_it(
    deployment: Deployment,
) -> None:
    deployment.next.extend([says(500)] * ATTEMPTS * circuit.FAILURES)
    async with RemoteCaptioner(deployment.url) as captioner:
        deployment.about = says(503, "no replica")
        for _ in range(circuit.FAILURES):
            assert captioner.problem is None
            with pytest.raises(Busy):
                await captioner.caption(PHOTO)
        assert captioner.problem == "no captioner answers there, only a server with status 500"
        sent, probes = len(deployment.asked), deployment.probes
        for _ in range(20):
            with pytest.raises(Busy):
                await captioner.caption(PHOTO)
        assert len(deployment.asked) == sent
        await until(lambda: deployment.probes >= probes + 2)
        deployment.about = None
        await until(lambda: captioner.problem is None)
        assert await captioner.caption(PHOTO) == captioned(PHOTO)


async def test_a_success_between_failures_keeps_the_circuit_closed(deployment: Deployment) -> None:
    async with RemoteCaptioner(deployment.url) as captioner:
        for _ in range(2 * circuit.FAILURES):
            deployment.next.extend([says(500)] * ATTEMPTS)
            with pytest.raises(Busy):
                await captioner.caption(PHOTO)
            await captioner.caption(PHOTO)
        assert captioner.problem is None


async def test_many_photos_of_one_dead_replica_do_not_open_the_circuit(
    deployment: Deployment,
) -> None:
    deployment.next.extend([says(500)] * 40)
    async with RemoteCaptioner(deployment.url) as captioner:
        captions = await asyncio.gather(*(captioner.caption(PHOTO) for _ in range(40)))
    assert captions == [captioned(PHOTO)] * 40


async def test_a_restart_of_the_server_loses_no_photo(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.1, 0.2, 0.4))

    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        raise AssertionError

    deployment.next.extend([slowly] * 8)
    async with RemoteCaptioner(deployment.url) as captioner:
        tasks = [asyncio.create_task(captioner.caption(PHOTO)) for _ in range(8)]
        await until(lambda: len(deployment.asked) == 8)
        await deployment.__aexit__()
        await asyncio.sleep(0.05)
        await deployment.__aenter__()
        assert await asyncio.gather(*tasks) == [captioned(PHOTO)] * 8


async def test_a_new_model_is_noticed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "WATCH_SECONDS", 0.05)
    async with RemoteCaptioner(deployment.url) as captioner:
        captioner.languages.clear()
        await until(lambda: captioner.languages == ["en", "de"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says(200, "<html>"), "another program is there; it answered with status 200"),
        (says(404, "no such page"), "another program is there; it answered with status 404"),
        (
            says(301, "", Location="https://a.example/"),
            "another program is there; it answered with status 301 and refers to "
            "'https://a.example/'",
        ),
        (
            says(200, "{}", **{HEADER: str(VERSION + 1)}),
            f"the captioner there has version {VERSION + 1} of the wire format, and this program "
            f"has version {VERSION}; run the same version of photo-captioner on both sides",
        ),
        (
            says(200, "{}", **TYPED),
            "what the captioner there says cannot be read (not a document of a captioner)",
        ),
        (refuses(WireError("GET /about is not answered here"), 400), "GET /about is not answered"),
    ],
)
async def test_something_else_at_the_address_is_one_clear_error(
    deployment: Deployment, answer: Answer, said: str
) -> None:
    deployment.about = answer
    with pytest.raises(RemoteError, match=f"^{re.escape(said)}"):
        async with RemoteCaptioner(deployment.url):
            pass


async def test_an_http_server_at_an_https_address_is_one_clear_error(
    deployment: Deployment,
) -> None:
    with pytest.raises(RemoteError, match=r"^no connection is possible"):
        async with RemoteCaptioner(deployment.url.replace("http:", "https:")):
            pass


@pytest.mark.parametrize(
    "answer",
    [says(500), says(503), says(404, "Path '/about' not found. Ping http://.../-/routes for ...")],
)
async def test_ray_serve_without_a_captioner_is_merely_down(
    deployment: Deployment, answer: Answer
) -> None:
    deployment.about = answer
    async with RemoteCaptioner(deployment.url) as captioner:
        assert captioner.problem
        deployment.about = None
        await until(lambda: captioner.problem is None)


async def test_a_video_is_told_elsewhere(deployment: Deployment) -> None:
    options = Options(language="de", attention=True)
    async with RemoteCaptioner(deployment.url) as captioner:
        assert await captioner.caption_video(VIDEO, options) == told(VIDEO)
    assert deployment.asked == [(VIDEO, options)]


async def test_a_video_that_died_with_its_replica_is_sent_again(deployment: Deployment) -> None:
    deployment.next.extend([says(500), hangs_up])
    async with RemoteCaptioner(deployment.url) as captioner:
        assert await captioner.caption_video(VIDEO) == told(VIDEO)
    assert len(deployment.asked) == 3


@pytest.mark.parametrize(
    ("problem", "status"), [(BadImage("damaged", video=True), 422), (Busy("full", 7.5), 503)]
)
async def test_the_error_of_a_video_comes_through_at_once(
    deployment: Deployment, problem: BadImage | Busy, status: int
) -> None:
    deployment.next.append(refuses(problem, status))
    async with RemoteCaptioner(deployment.url) as captioner:
        with pytest.raises(type(problem)) as raised:
            await captioner.caption_video(VIDEO)
        assert captioner.problem is None
    assert vars(raised.value) == vars(problem)
    assert len(deployment.asked) == 1


async def test_a_video_has_the_time_of_all_attempts_at_a_photo(deployment: Deployment) -> None:
    async def is_slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.6)  # longer than one attempt at a photo
        return web.Response(body=pack(told(VIDEO)), headers=TYPED)

    deployment.next.append(is_slow)
    async with RemoteCaptioner(deployment.url, seconds=2) as captioner:
        assert await captioner.caption_video(VIDEO) == told(VIDEO)
    assert len(deployment.asked) == 1
