"""The asynchronous front: many callers, one network, as many worker threads as it serves best.

async with Captioner.load() as captioner:
    caption = await captioner.caption(photo)
    print(caption.text)
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from captioner.batching import Batcher
from captioner.checkpoint import Metadata
from captioner.config import ModelConfig
from captioner.errors import BadImage, Busy
from captioner.forward_pass import Answer, ForwardPass, Request
from captioner.in_progress import InProgress
from captioner.languages.file import LanguagesFile
from captioner.naming.classifier import Naming
from captioner.naming.second_opinion import SecondOpinion
from captioner.options import Options
from captioner.photo.preprocessing import Pixels
from captioner.photo.sandbox import Sandbox, Unpacked
from captioner.result import Caption
from captioner.runtime import select
from captioner.runtime.protocols import Floats, Runnable
from captioner.runtime.select import Runtime
from captioner.serving import Measurement, Observe, ServingConfig
from captioner.shipped import DEFAULT_CHECKPOINT, find
from captioner.speakers import Speakers, languages_of
from captioner.video.kinds import is_video
from captioner.video.result import VideoCaption
from captioner.video.storyteller import Storyteller

# Of the network on the CPU: files are decoded first, so that fuller batches wait for a free core.
NICENESS = 5

# Frames of videos that wait for a batch, for each worker: one is in a batch, the next one is ready.
FRAMES_EACH = 2

log = logging.getLogger(__name__)


class Captioner:
    """Captions photos for many callers at once, in batches formed from whatever is waiting.

    Files are decoded in separate processes, so that one that hangs or crashes fails alone.
    """

    def __init__(
        self,
        metadata: Metadata,
        network: Runnable[Any],
        serving: ServingConfig = ServingConfig(),
        observe: Observe | None = None,
        naming: Naming | None = None,
        sandbox: Sandbox | None = None,
        languages: LanguagesFile | None = None,
    ) -> None:
        """Serve a network; nothing runs before `async with`.

        Args:
            metadata: of the network.
            network: on its device; see `runtime.select`.
            serving: how to serve it.
            observe: is called with each measurement, from any thread.
            naming: names what the photos of doubtful captions show; without it nothing is named.
            sandbox: decodes the photos; whoever passes it starts and stops it. If None, the
                captioner does, as `serving` says.
            languages: other languages that captions can be in.
        """
        self.metadata, self.serving = metadata, serving
        self._network = network
        self._speakers = Speakers(metadata, network, languages)
        self._observe = observe or (lambda measurement: None)
        self._forward_pass = ForwardPass(metadata, network, self._speakers, self._observe)
        self._batcher: Batcher[Request, Answer] = Batcher(
            self._forward,
            parallel=network.parallel,
            max_batch=serving.max_batch or network.max_batch,
            max_wait=serving.max_wait,
            max_queue=serving.max_queue,
            niceness=NICENESS if network.device == "cpu" else 0,
        )
        self._sandbox = sandbox or Sandbox(serving.limits, serving.decoders)
        self._owns_sandbox = sandbox is None
        self._second_opinion = SecondOpinion(naming, serving, self._observe) if naming else None
        self._stories = Storyteller(
            serving,
            self._features,
            self._captioned,
            share=FRAMES_EACH * network.parallel,
        )
        self._decoding = InProgress()  # photos whose files are being decoded
        self._answering = InProgress()  # all photos
        self._leaving = False

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = DEFAULT_CHECKPOINT,
        device: str = "auto",
        *,
        runtime: Runtime = "auto",
        serving: ServingConfig = ServingConfig(),
        observe: Observe | None = None,
        sandbox: Sandbox | None = None,
    ) -> Self:
        """Read a checkpoint, or the network that was exported from it, and what names objects.

        Args:
            checkpoint: a file, or the name of one that ships (`shipped.NAMES`).
            device: as PyTorch names it; "auto" takes CUDA, then MPS, then the CPU.
            runtime: see `runtime.select.load`.
            serving: how to serve it.
            observe: is called with each measurement, from any thread.
            sandbox: as above.

        Raises:
            CheckpointError: a file is missing, damaged, or not what it should be.
            UnusableError: there is no such device, or the runtime cannot be used.
        """
        with ThreadPoolExecutor(1) as beside:  # both take a while, and a core of their own
            naming = beside.submit(Naming.load)
            metadata, network = select.load(find(checkpoint), device, runtime)
            languages = languages_of(find(checkpoint))
            return cls(metadata, network, serving, observe, naming.result(), sandbox, languages)

    async def __aenter__(self) -> Self:
        """Start the worker threads and the processes that decode."""
        if self._owns_sandbox:
            await self._sandbox.__aenter__()
        await self._batcher.__aenter__()
        if self._second_opinion:
            await self._second_opinion.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was accepted, then stop."""
        self._leaving = True
        await self._decoding.ended()
        await self._stories.__aexit__(kind, error, trace)
        await self._batcher.__aexit__(kind, error, trace)
        await self._answering.ended()
        if self._second_opinion:
            await self._second_opinion.__aexit__(kind, error, trace)
        if self._owns_sandbox:
            await self._sandbox.__aexit__(kind, error, trace)

    @property
    def config(self) -> ModelConfig:
        """What the network was built from."""
        return self.metadata.config

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages that captions can be in, the checkpoint's own first."""
        return self._speakers.codes

    def check_language(self, code: str | None) -> None:
        """Check whether captions can be in a language; None means the checkpoint's own.

        Raises:
            OptionError: they cannot; it names those that they can be in.
        """
        self._speakers.check(code)

    @property
    def device(self) -> str:
        """Where the network computes, as PyTorch names it."""
        return self._network.device

    @property
    def runtime(self) -> str:
        """What computes: "torch" or "onnx"."""
        return self._network.name

    @property
    def waiting(self) -> int:
        """Photos that wait for their batch."""
        return self._batcher.waiting

    def check_room(self) -> None:
        """Check whether one more photo would be accepted now.

        Raises:
            Busy: too many photos are waiting, or the captioner is stopping.
        """
        if self._leaving:
            raise Busy("stopping")
        self._batcher.admit(self._decoding.count)

    async def caption(self, photo: bytes, options: Options = Options()) -> Caption:
        """Caption a photo.

        Args:
            photo: a whole file; see `photo.decode`.
            options: how to decode.

        Raises:
            BadImage: the photo cannot be read.
            Busy: too many photos are waiting, or the captioner is stopping.
            CheckpointError: the files of the languages cannot be used.
            OptionError: captions cannot be in this language.
        """
        await self._speakers.prepare(options.language)
        arrived = time.perf_counter()
        with self._answering:
            with self._admitted():
                size, second = self.metadata.preprocessing.size, self._second_opinion
                middle = second.side if second else None
                try:
                    unpacked = await self._sandbox.squeeze(photo, size, middle)
                except BadImage as error:
                    raise BadImage(error.kind, video=is_video(photo), **error.numbers) from error
            self._observe(Measurement("decode", unpacked.seconds, photos=1))
            return await self._named(Request(unpacked, options, arrived))

    async def caption_video(self, video: bytes, options: Options = Options()) -> VideoCaption:
        """Caption a video or an animation, scene by scene; a photo is one scene.

        Args:
            video: a whole file; see `video.reading`.
            options: how to decode each caption.

        Raises:
            BadImage: the video cannot be read.
            Busy: too many videos or photos are waiting, or the captioner is stopping.
            CheckpointError: the files of the languages cannot be used.
            OptionError: captions cannot be in this language.
        """
        await self._speakers.prepare(options.language)
        self.check_room()
        size, second = self.metadata.preprocessing.size, self._second_opinion
        with self._answering:
            return await self._stories.tell(video, options, size, second.side if second else None)

    async def _captioned(self, frame: Unpacked, options: Options) -> Caption:
        return await self._named(Request(frame, options, time.perf_counter()), accepted=True)

    async def _named(self, request: Request, *, accepted: bool = False) -> Caption:
        caption = await self._batcher.submit(request, accepted=accepted)
        assert isinstance(caption, Caption)
        second, middle = self._second_opinion, request.photo.middle
        return await second.on(middle, caption) if second and middle is not None else caption

    async def _features(self, square: Pixels) -> Floats:
        request = Request(Unpacked(square, 0.0), None, time.perf_counter())
        features = await self._batcher.submit(request, accepted=True)
        assert not isinstance(features, Caption)
        return features

    async def pixels(self, photo: bytes, max_side: int) -> Pixels:
        """Decode a photo to draw on: `(height, width, 3)`, scaled down to at most `max_side`.

        Raises:
            BadImage: the photo cannot be read.
            Busy: too many photos are waiting, or the captioner is stopping.
        """
        with self._admitted():
            return (await self._sandbox.thumbnail(photo, max_side)).pixels

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        self.check_room()
        with self._decoding:
            yield

    def _forward(self, requests: list[Request]) -> list[Answer]:
        try:
            return self._caption_batch(requests)
        except self._network.out_of_memory:
            if len(requests) == 1:
                raise
        half = len(requests) // 2
        # A batch beside this one may have found that even fewer fit.
        self._batcher.max_batch = min(self._batcher.max_batch, half)
        log.warning("the device's memory is full; batches are halved to %d photos", half)
        self._network.free()
        return self._forward(requests[:half]) + self._forward(requests[half:])

    def _caption_batch(self, requests: list[Request]) -> list[Answer]:
        return self._forward_pass.answer(requests)
