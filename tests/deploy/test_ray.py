"""The captioner on a real Ray, as a bot uses it: replicas die and go away, and no photo is lost."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import yaml

from captioner import BadImage, Busy, Captioner, Options
from captioner.options import OptionError
from captioner.photo.limits import Limits
from captioner.remote import captioner as remote
from captioner.remote.captioner import RemoteCaptioner
from captioner.remote.wire import HEADER, OPTIONS, VERSION, unpack_problem
from tests.bot.process import clean, closed_port
from tests.bot.web.stories import video_file
from tests.conftest import photo_bytes

pytest.importorskip("ray", reason="Ray is not installed; pip install -e '.[cluster]'")

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "ray" / "config.yaml"
PHOTOS = [photo_bytes(seed) for seed in range(4)]
MAX_QUEUE = 16
MAX_VIDEO_MB = 20.5
REPLICA = "ray::ServeReplica"  # how the titles of their processes begin
START_SECONDS = 120


@dataclass
class Cluster:
    """A running Ray with the application."""

    process: "subprocess.Popen[str]"
    url: str
    temporary: Path

    def scale(self, replicas: int) -> None:
        """Have as many replicas, and wait for those that are new."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{replicas}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:  # Ray writes there too
            if line == "ready\n":
                return
        raise AssertionError("it ended")

    def replicas(self) -> list[psutil.Process]:
        """Return the processes of the replicas, the oldest first."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        found = [one for one in children if one.name().startswith(REPLICA[:15])]
        return sorted(found, key=lambda one: one.create_time())


def environment(temporary: str) -> dict[str, str]:
    """Return the environment of the tests, in which Ray writes to a folder that they can delete.

    HAProxy passes requests on, as in `ray.env`, and replicas that go away do not wait half a minute
    for requests that come late.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    ours = {"PYTHONPATH": path, "RAY_TMPDIR": temporary, "HOME": temporary}
    proxy = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    }
    return clean() | ours | proxy | {"RAY_USAGE_STATS_ENABLED": "0"}


@contextmanager
def ended(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """End a process, and those that it started."""
    try:
        yield
    finally:
        if process.poll() is None:  # else it has ended its own before itself
            _end(process)


def _end(process: "subprocess.Popen[Any]") -> None:
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in psutil.wait_procs(started, timeout=10)[1]:
        one.kill()


@pytest.fixture(scope="module")
def cluster(served_file: Path) -> Iterator[Cluster]:
    limits = {"max_queue": MAX_QUEUE, "max_video_mb": MAX_VIDEO_MB}
    port, arguments = closed_port(), {"checkpoint": str(served_file), **limits}
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as temporary:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.deploy.cluster", str(port), json.dumps(arguments)],
            cwd=ROOT,
            env=environment(temporary),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with ended(process):
            yield Cluster(process, f"http://127.0.0.1:{port}", Path(temporary))
            assert process.stdin
            process.stdin.close()
            process.wait(60)
            assert process.stdout
            process.stdout.close()


async def under_load(
    captioner: RemoteCaptioner, photos: int, event: "asyncio.Future[None] | None" = None
) -> Counter[str]:
    """Caption photos from as many callers as fit the queue of one replica; count the outcomes."""
    outcomes: Counter[str] = Counter()
    numbers = iter(range(photos))

    async def call() -> None:
        for number in numbers:
            try:
                caption = await captioner.caption(PHOTOS[number % len(PHOTOS)])
                outcomes["captioned" if caption.text else "empty"] += 1
            except Busy as error:
                outcomes[error.kind] += 1
            if number == photos // 3 and event is not None:
                event.set_result(None)

    await asyncio.gather(*(call() for _ in range(MAX_QUEUE // 2)))
    return outcomes


async def test_a_replica_captions_as_the_captioner_in_the_process_does(
    cluster: Cluster, served_file: Path
) -> None:
    await asyncio.to_thread(cluster.scale, 1)
    options = Options(alternatives=2, attention=True)
    async with (
        RemoteCaptioner(cluster.url) as there,
        Captioner.load(served_file, "cpu") as here,
    ):
        assert there.problem is None
        assert there.about().config == here.config
        assert there.languages == list(here.languages)
        for photo in PHOTOS:
            caption, expected = [await one.caption(photo, options) for one in (there, here)]
            assert caption.text == expected.text
            assert [one.text for one in caption.alternatives] == [
                one.text for one in expected.alternatives
            ]
            assert [word.attention is None for word in caption.words] == [
                word.attention is None for word in expected.words
            ]
        assert (await there.pixels(PHOTOS[0], 48)).shape == (40, 48, 3)
        with pytest.raises(BadImage) as damaged:
            await there.caption(PHOTOS[0][:100])
        assert damaged.value.kind == "damaged"
        with pytest.raises(OptionError, match=r"^language is 'xx'; it must be one of en$"):
            await there.caption(PHOTOS[0], Options(language="xx"))
        for options in (Options(beam=21), Options(alternatives=101), Options(max_length=241)):
            with pytest.raises(OptionError, match=r"; it must be at most "):
                await there.caption(PHOTOS[0], options)


async def test_a_replica_tells_a_video_as_the_captioner_in_the_process_does(
    cluster: Cluster, served_file: Path
) -> None:
    await asyncio.to_thread(cluster.scale, 1)
    options = Options(attention=True)
    async with (
        RemoteCaptioner(cluster.url) as there,
        Captioner.load(served_file, "cpu") as here,
    ):
        told, expected = [await one.caption_video(video_file(), options) for one in (there, here)]
        assert told.text == expected.text
        assert (told.seconds, told.duration) == (expected.seconds, expected.duration)
        times = [
            [(scene.start, scene.end, scene.frame) for scene in video.scenes]
            for video in (told, expected)
        ]
        assert times[0] == times[1]
        with pytest.raises(BadImage) as damaged:
            await there.caption_video(video_file()[:100])
        assert damaged.value.kind == "damaged"
        with pytest.raises(OptionError, match=r"; it must be at most "):
            await there.caption_video(video_file(), Options(beam=21))


async def test_every_answer_of_a_replica_says_that_it_is_one(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.scale, 1)
    large = io.BytesIO(bytes(Limits().max_bytes + 1))
    requests: list[tuple[str, str, Any, int]] = [
        ("GET", "about", None, 200),
        ("POST", "caption", PHOTOS[0], 200),
        ("POST", "caption", b"", 422),
        ("POST", "caption", large, 422),
        ("POST", "pixels?max_side=9999", PHOTOS[0], 400),
        ("POST", "nothing", PHOTOS[0], 400),
        ("DELETE", "about", None, 400),
    ]
    async with aiohttp.ClientSession() as session:
        for method, path, body, status in requests:
            async with session.request(method, f"{cluster.url}/{path}", data=body) as answer:
                assert (answer.status, answer.headers[HEADER]) == (status, str(VERSION))
                await answer.read()
        headers = {OPTIONS: '{"wire": 1, "beam": 3}'}
        async with session.post(
            f"{cluster.url}/caption", data=PHOTOS[0], headers=headers
        ) as answer:
            assert answer.status == 400
            problem = unpack_problem(await answer.read())
            assert str(problem).startswith("Options: alternatives, attention, ")


async def test_photos_and_videos_have_a_limit_each(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.scale, 1)
    photo, video = Limits().max_bytes, int(MAX_VIDEO_MB * 2**20)
    async with aiohttp.ClientSession() as session:
        for path, most in (("caption", photo), ("video", video)):
            for size, kind in ((most, "unsupported"), (most + 1, "too many bytes")):
                body = io.BytesIO(bytes(size))
                async with session.post(f"{cluster.url}/{path}", data=body) as answer:
                    problem = unpack_problem(await answer.read())
                assert isinstance(problem, BadImage)
                assert problem.kind == kind


async def test_a_full_replica_refuses_by_itself(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.scale, 1)
    async with RemoteCaptioner(cluster.url, max_waiting=1000) as there:
        answers = await asyncio.gather(
            *(there.caption(PHOTOS[0]) for _ in range(20 * MAX_QUEUE)), return_exceptions=True
        )
    refused = [one for one in answers if isinstance(one, BaseException)]
    assert refused
    assert all(isinstance(one, Busy) and one.kind == "full" for one in refused)
    assert len(answers) - len(refused) >= MAX_QUEUE


async def test_a_replica_that_is_killed_under_load_loses_no_photo(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.scale, 2)
    async with RemoteCaptioner(cluster.url) as there:
        third = asyncio.get_running_loop().create_future()
        load = asyncio.create_task(under_load(there, 150, third))
        await third
        cluster.replicas()[0].kill()
        assert await load == {"captioned": 150}


async def test_the_only_replica_that_is_killed_is_replaced_and_no_photo_is_lost(
    cluster: Cluster,
) -> None:
    await asyncio.to_thread(cluster.scale, 1)
    async with RemoteCaptioner(cluster.url) as there:
        third = asyncio.get_running_loop().create_future()
        load = asyncio.create_task(under_load(there, 60, third))
        await third
        cluster.replicas()[-1].kill()
        assert await load == {"captioned": 60}


async def test_a_replica_that_goes_away_finishes_its_photos(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSES", ())  # each photo is sent once
    await asyncio.to_thread(cluster.scale, 2)
    async with RemoteCaptioner(cluster.url) as there:
        third = asyncio.get_running_loop().create_future()
        load = asyncio.create_task(under_load(there, 150, third))
        await third
        await asyncio.to_thread(cluster.scale, 1)
        assert await load == {"captioned": 150}


def reports(statement: str, **environment: str) -> str:
    """Return whether Ray would report its use after a statement, and where to."""
    code = (
        f"{statement}; from ray._common.usage import usage_lib as usage; "
        "print(usage.usage_stats_enabled(), usage._usage_stats_report_url())"
    )
    kept = {key: value for key, value in clean().items() if not key.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_ray_reports_its_use_to_nobody() -> None:
    lines = (ROOT / "deploy" / "ray" / "ray.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert reports("pass").startswith("True https://")
    assert reports("import deploy.ray.app").startswith("False ")
    assert reports("pass", **settings) == "False http://127.0.0.1:9/"


async def test_the_file_of_the_deployment_is_served_by_one_command(
    served_file: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load(CONFIG.read_text())
    port = closed_port()
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    (application,) = config["applications"]
    application["args"] |= {"checkpoint": str(served_file)}
    application["deployments"][0]["ray_actor_options"] = {"num_cpus": 0.5}  # whatever there is
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as temporary:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.serve.scripts", "run"),
                *("--address", "local", str(tmp_path / "config.yaml")),
            ],
            cwd=ROOT,
            # Two HAProxies on one machine would want the same ports.
            env=environment(temporary) | {"RAY_SERVE_ENABLE_HA_PROXY": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with ended(process):
            async with RemoteCaptioner(f"http://127.0.0.1:{port}") as there:
                async with asyncio.timeout(START_SECONDS):
                    while there.problem:
                        assert process.poll() is None
                        await asyncio.sleep(0.1)
                assert (await there.caption(PHOTOS[0])).text
