"""The captioner of a bot: the one in its own process, or the one at `CAPTIONER_URL`.

A bot with `CAPTIONER_URL` loads no network and no runtime, and starts no process that decodes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot import metrics
from bot.settings import SettingProblem, Settings, SettingsError
from captioner.checkpoint import CheckpointError
from captioner.config import ModelConfig
from captioner.errors import Busy
from captioner.photo.limits import Limits
from captioner.remote.captioner import RemoteCaptioner, RemoteError
from captioner.remote.wire import About
from captioner.runtime.errors import UnusableError
from captioner.serving import ServingConfig
from captioner.shipped import name_of

if TYPE_CHECKING:
    from captioner import Captioner


@asynccontextmanager
async def started(config: Settings) -> "AsyncIterator[Captioner | RemoteCaptioner]":
    """Start the captioner that the settings name; finish its work at the end.

    Raises:
        SettingsError: it cannot be used. One that does not answer yet is no error: it may later.
    """
    pixels = int(config.max_megapixels * 1e6)
    limits = Limits(
        config.max_bytes,
        pixels,
        seconds=config.decode_seconds,
        video_seconds=config.video_seconds,
        video_frames=config.video_frames,
    )
    if config.captioner_url is None:
        async with _here(config, limits) as captioner:
            yield captioner
        return
    remote = RemoteCaptioner(
        config.captioner_url,
        limits,
        max_video_bytes=config.max_video_bytes,
        max_waiting=config.max_queue,
        seconds=config.photo_seconds,
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(remote)
        except RemoteError as error:
            raise unusable(str(error)) from error
        yield remote


def unusable(problem: str) -> SettingsError:
    """Return the error of a captioner that cannot be used where it is."""
    return SettingsError(SettingProblem("CAPTIONER_URL", problem))


def problem(captioner: "Captioner | RemoteCaptioner") -> str | None:
    """Return why a captioner accepts no photos, for the operator; None if it does."""
    return captioner.problem if isinstance(captioner, RemoteCaptioner) else None


def about(captioner: "Captioner | RemoteCaptioner", config: Settings) -> About:
    """Return what a captioner is.

    Raises:
        Busy: it is remote, and has not answered yet.
    """
    if isinstance(captioner, RemoteCaptioner):
        return captioner.about()
    return About(
        captioner.config,
        captioner.metadata.scores,
        captioner.languages,
        captioner.device,
        captioner.runtime,
        name_of(config.captioner_checkpoint),
    )


def model_name(captioner: "Captioner | RemoteCaptioner", config: Settings) -> str:
    """Return the name of the model for programs, such as "photo-captioner-default"."""
    try:
        shipped = about(captioner, config).shipped
    except Busy:
        shipped = None
    return f"photo-captioner-{shipped}" if shipped else "photo-captioner"


def network(model: ModelConfig) -> str:
    """Return what a network is, such as "ResNet-50 with an attention LSTM"."""
    depth = model.encoder.removeprefix("resnet")
    return f"ResNet-{depth} with {'an attention' if model.attention else 'an'} {model.cell.upper()}"


@asynccontextmanager
async def _here(config: Settings, limits: Limits) -> "AsyncIterator[Captioner]":
    """Load the captioner; the processes that decode photos start meanwhile."""
    from captioner.captioner import Captioner
    from captioner.photo.sandbox import Sandbox

    async with Sandbox(limits) as sandbox:
        try:
            captioner = await asyncio.to_thread(
                Captioner.load,
                config.captioner_checkpoint,
                config.captioner_device,
                runtime=config.captioner_runtime,
                serving=ServingConfig(
                    limits, max_queue=config.max_queue, max_video_bytes=config.max_video_bytes
                ),
                observe=metrics.observe,
                sandbox=sandbox,
            )
        except CheckpointError as error:
            raise SettingsError(SettingProblem("CAPTIONER_CHECKPOINT", str(error))) from error
        except UnusableError as error:
            key = f"CAPTIONER_{error.setting.upper()}"
            raise SettingsError(SettingProblem(key, str(error))) from error
        async with captioner:
            yield captioner
