"""What `python -m bot --check` finds out, and prints: what would run, and what cannot."""

import io
import time
from typing import TYPE_CHECKING

from PIL import Image

from bot import captioners, stores
from bot.adapters import Adapter, adapters, off
from bot.platforms import TITLES
from bot.settings import Settings
from bot.store.sqlite import folder
from bot.stores import Stores
from bot.supervision import PlatformError
from bot.web.listener import AddressInUse, is_a_bot
from captioner import Busy
from captioner.output import complain, say
from captioner.runtime.select import unused_gpu

if TYPE_CHECKING:
    from captioner import Captioner
    from captioner.remote.captioner import RemoteCaptioner


async def check(config: Settings) -> bool:
    """Print what would run, and what cannot; change nothing.

    Returns:
        whether every platform that is on could run.

    Raises:
        DatabaseError: a bot could not use the store.
        OutputError: standard output cannot be written to.
        SettingsError: the captioner cannot be used.
    """
    await stores.check(config)
    user = folder.holder(config.data_dir) if config.database_url is None else None
    async with (
        captioners.started(config) as captioner,
        stores.opened(config, read_only=True) as store,
    ):
        say(await _captioner_line(captioner, config))
        if not config.captioner_url and (
            line := unused_gpu(config.captioner_device, config.captioner_runtime)
        ):
            say(line)
        say(await _data_line(config, store, user))
        say(_access_line(config))
        if store.feedback is not None:
            say("Feedback: on; captions, corrections and hashes of photos are kept, but no photos")
        made = adapters(config, captioner, store).values()
        can_run = [await _can_run(adapter, config, user) for adapter in made]
    for platform, key in off(config):
        say(f"{TITLES[platform]}: off; {key} is not set")
    return all(can_run)


async def _captioner_line(captioner: "Captioner | RemoteCaptioner", config: Settings) -> str:
    if problem := captioners.problem(captioner):
        raise captioners.unusable(problem)
    about = captioners.about(captioner, config)
    network = captioners.network(about.config)
    model = f"{network}, {about.device}, {about.config.vocabulary_size} words"
    started = time.monotonic()
    try:
        await captioner.caption(_test_photo())
    except Busy as error:
        raise captioners.unusable(str(error)) from error
    milliseconds = 1e3 * (time.monotonic() - started)
    return f"Captioner: {model}; a test photo took {milliseconds:.0f} ms"


def _test_photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 480), "skyblue").save(file, "JPEG")
    return file.getvalue()


async def _data_line(config: Settings, store: Stores, user: folder.Holder | None) -> str:
    states = await store.inbox.rows.counts()
    rows = f"{states.get('open', 0)} messages open, {states.get('given up', 0)} given up"
    return f"Data: {store.where}{_use(config, user)}; {rows}"


def _use(config: Settings, user: folder.Holder | None) -> str:
    if config.database_url is not None:
        return "; DATA_DIR is not used"
    if user is not None:
        return f", in use by a bot ({user})"
    return "" if config.data_dir.exists() else ", which the bot will create"


def _access_line(config: Settings) -> str:
    allowed = f"{len(config.allowed)} allowed" if config.allowed else "everyone"
    return (
        f"Access: {allowed}; {len(config.blocked)} blocked; {len(config.operators)} operators; "
        f"photos and videos: {config.photos_per_person} per person, {config.photos_per_chat} per "
        f"chat, {config.photos_per_address} per web address"
    )


async def _can_run(adapter: Adapter, config: Settings, user: folder.Holder | None) -> bool:
    """Print what a platform would do, or why it cannot; return whether it can."""
    try:
        say(await adapter.check())
    except AddressInUse as error:
        # A bot with a folder holds its lock. Of the bots that share a database, any may run on
        # this machine.
        may_run = user is not None or config.database_url is not None
        if not (may_run and await _is_that_bot(config, user)):
            complain(f"error: {error}")
            return False
        say(f"Web chat: {error.address}, in use; probably by the running bot")
    except PlatformError as error:
        complain(f"error: {error}")
        return False
    return True


async def _is_that_bot(config: Settings, user: folder.Holder | None) -> bool:
    # A process that has not said its name may be any.
    unknown = user is not None and not user.process
    store = "" if unknown else stores.mark(config, user)
    return await is_a_bot(config.web_host, config.web_port, store)
