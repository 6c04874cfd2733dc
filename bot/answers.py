"""Turns a file's bytes into the bot's answer, whatever happens; adapters only send it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import structlog

from bot import languages, metrics
from bot.platforms import Platform
from bot.replies import replies
from bot.sheets import maps_of, sheet_of_photo, sheet_of_scenes
from bot.wording import as_preview, is_preview, take_apart
from captioner import BadImage, Busy, Caption, Options
from captioner.errors import BadImageKind
from captioner.explain import can_draw, numbered
from captioner.languages.orthography import tokenize
from captioner.options import ANOTHER
from captioner.photo.preprocessing import Pixels
from captioner.video.kinds import is_moving
from captioner.video.result import VideoCaption
from captioner.wording import worded

log = structlog.stdlib.get_logger(__name__)

PAUSE = 0.1  # seconds between two looks whether there is room

Found = TypeVar("Found")
CaptionPhoto = Callable[[bytes, Options], Awaitable[Caption]]
CaptionVideo = Callable[[bytes, Options], Awaitable[VideoCaption]]
DecodePhoto = Callable[[bytes], Awaitable[Pixels]]
CheckRoom = Callable[[], None]
Problem = Literal["damaged", "too large", "unsupported", "busy", "late", "failed"]

# The coarser kinds that logs, metrics and the API's status codes use.
PROBLEMS: Mapping[BadImageKind, Problem] = {
    "empty": "damaged",
    "too many bytes": "too large",
    "too many pixels": "too large",
    "far too many pixels": "too large",
    "too slow": "too large",
    "too much memory": "too large",
    "damaged": "damaged",
    "unsupported": "unsupported",
    "unsupported HEIC": "unsupported",
    "unsupported variant": "unsupported",
    "unsupported video": "unsupported",
    "no frames": "unsupported",
}


@dataclass(frozen=True)
class Answer:
    """The bot's answer to one photo, or to one video."""

    text: str  # for the person who sent it, also when something went wrong
    caption: Caption | None = None  # None if something went wrong; of a video, the first one told
    video: VideoCaption | None = None  # what `text` tells, if that is a story
    problem: Problem | None = None
    error: BadImage | Busy | None = field(default=None, compare=False)  # from which `text` is
    retry_after: float | None = None  # seconds, for "busy"
    picture: bytes | None = None  # a JPEG that is sent with the text

    @property
    def outcome(self) -> str:
        """The outcome, as one word for logs and metrics."""
        guessed = self.caption is not None and self.caption.out_of_distribution
        return self.problem or ("guessed" if guessed else "captioned")


def despite_failures(
    outcomes: Sequence[Answer | BaseException], unreachable: Callable[[], Answer]
) -> list[Answer]:
    """Return an answer for each photo of one message, also for those that cannot be fetched now.

    If only some fail, trying again would caption the others a second time.

    Args:
        outcomes: of the photos.
        unreachable: answers one that failed.

    Raises:
        BaseException: the first one, if all photos failed.
    """
    errors = [one for one in outcomes if isinstance(one, BaseException)]
    if len(errors) == len(outcomes):
        raise errors[0]
    return [unreachable() if isinstance(one, BaseException) else one for one in outcomes]


async def with_room(ask: Callable[[], Awaitable[Found]], until: float) -> Found:
    """Wait for room in a full queue, but not for longer than `until` by the loop's clock.

    Raises:
        Busy: there was no room, or the captioner is stopping.
        Exception: whatever `ask` raises.
    """
    while True:
        try:
            return await ask()
        except Busy as error:
            if error.kind != "full" or asyncio.get_running_loop().time() + PAUSE > until:
                raise
        await asyncio.sleep(PAUSE)


@dataclass(frozen=True)
class Answers:
    """Answers the photos of one platform; raises nothing but cancellation."""

    caption: CaptionPhoto
    caption_video: CaptionVideo
    pixels: DecodePhoto  # to draw on
    platform: Platform
    options: Options = Options()
    deadline: float = 60.0  # seconds for each photo
    check_room: CheckRoom = lambda: None  # raises Busy if there is no room for a photo
    languages: Collection[str] = ()  # that captions can be in besides the model's own

    def no_room(self) -> Answer | None:
        """Return the answer to a photo that would be refused now, before it is sent; else None."""
        try:
            self.check_room()
        except Busy as error:
            answer = _busy(error)
            self._record(answer, 0.0)
            return answer
        return None

    async def first(self, photo: bytes, options: Options | None = None) -> Answer:
        """Caption a photo."""
        return await self._answer(photo, options or self.options, _plain)

    async def story(self, video: bytes, options: Options | None = None) -> Answer:
        """Describe a video or an animation, scene by scene."""

        async def told(options: Options) -> Answer:
            # An album may have more videos than are decoded at a time.
            until = asyncio.get_running_loop().time() + self.deadline / 2
            story = await with_room(lambda: self.caption_video(video, options), until)
            moves = story.seconds > 0  # a GIF of one frame does not
            return Answer(story.text, story.told[0].caption, video=story if moves else None)

        return await self._made(told, options or self.options)

    async def moving_or_still(self, file: bytes) -> Answer:
        """Describe a file scene by scene if it is a video or an animation, else caption it."""
        return await (self.story(file) if is_moving(file) else self.first(file))

    async def preview(self, photo: bytes) -> Answer:
        """Caption the preview of a video; say that it is only one."""
        answer = await self.first(photo)
        if answer.caption is None:
            return answer
        return replace(answer, text=as_preview(answer.text))

    async def another(self, photo: bytes, turn: int, shown: str) -> Answer:
        """Give a different caption.

        Args:
            photo: the same photo again.
            turn: how often another caption was asked for; each turn samples other sentences.
            shown: the text that is shown now.
        """
        # The words of doubt, and that it is a preview, say nothing about the photo.
        known = set(tokenize(take_apart(shown).caption))

        async def choose(photo: bytes, caption: Caption) -> Answer:
            samples = (caption, *caption.alternatives)
            for choice in sorted(samples, key=lambda one: one.confidence, reverse=True):
                # None if only a name would be said: that is no other caption.
                words = set(tokenize(worded(choice).caption))
                if words and len(words - known) >= ANOTHER.difference * len(words):
                    answer = await _plain(photo, choice)
                    text = as_preview(answer.text) if is_preview(shown) else answer.text
                    return replace(answer, text=text)
            return Answer(replies.NOTHING_ELSE, caption)

        options = replace(ANOTHER, seed=turn, attention=self.options.attention)
        return await self._answer(photo, options, choose)

    async def looked(self, photo: bytes) -> Answer:
        """Show the attention; the picture is a sheet with one map for each word."""

        async def draw(photo: bytes, caption: Caption) -> Answer:
            if not maps_of(caption):
                return Answer(replies.NO_ATTENTION, caption)
            pixels = await self.pixels(photo)
            sheet = await asyncio.to_thread(sheet_of_photo, pixels, caption)
            text = replies.LOOKED if worded(caption).caption else replies.LOOKED_UNSAID
            words = [word.text for word in caption.words]
            if not can_draw(words):
                text += f"\n\n{numbered(words)}"
            return Answer(text, caption, picture=sheet)

        return await self._answer(photo, replace(self.options, attention=True), draw)

    async def looked_at_scenes(self, video: bytes) -> Answer:
        """Show the frames that a story is about, and the attention in each."""

        async def drawn(options: Options) -> Answer:
            told = (await self.caption_video(video, options)).told
            sheet = await asyncio.to_thread(sheet_of_scenes, told)
            text = replies.LOOKED_AT_SCENES if sheet else replies.NO_ATTENTION
            return Answer(text, told[0].caption, picture=sheet)

        return await self._made(drawn, replace(self.options, attention=True))

    async def _answer(
        self,
        photo: bytes,
        options: Options,
        finish: Callable[[bytes, Caption], Awaitable[Answer]],
    ) -> Answer:
        async def captioned(options: Options) -> Answer:
            return await finish(photo, await self.caption(photo, options))

        return await self._made(captioned, options)

    async def _made(self, make: Callable[[Options], Awaitable[Answer]], options: Options) -> Answer:
        started = time.perf_counter()
        if options.language is None and languages.language() in self.languages:
            options = replace(options, language=languages.language())
        try:
            async with asyncio.timeout(self.deadline):
                answer = await make(options)
        except BadImage as error:
            text = replies.bad_image(error)
            answer = Answer(text, problem=PROBLEMS[error.kind], error=error)
        except Busy as error:
            answer = _busy(error)
        except TimeoutError:
            answer = Answer(replies.LATE, problem="late")
        except Exception:
            log.exception("a photo failed unexpectedly", platform=self.platform)
            answer = Answer(replies.FAILED, problem="failed")
        self._record(answer, time.perf_counter() - started)
        return answer

    def _record(self, answer: Answer, seconds: float) -> None:
        metrics.ANSWER_SECONDS.labels(self.platform).observe(seconds)
        if answer.problem:
            metrics.refused(self.platform, answer.problem)
        else:
            metrics.PHOTOS.labels(self.platform, answer.outcome).inc()
        if answer.video:
            metrics.VIDEOS.labels(self.platform).inc()
        log.info(
            "answered",
            platform=self.platform,
            outcome=answer.outcome,
            seconds=round(seconds, 3),
            **{stage: round(took, 3) for stage, took in _stages(answer).items()},
        )


def _busy(error: Busy) -> Answer:
    text = replies.busy(error)
    return Answer(text, problem="busy", error=error, retry_after=error.retry_after)


def _stages(answer: Answer) -> Mapping[str, float]:
    # Those of a story's first scene would be neither its own nor the video's.
    return answer.caption.seconds if answer.caption and not answer.video else {}


async def _plain(photo: bytes, caption: Caption) -> Answer:
    return Answer(worded(caption).text, caption)
