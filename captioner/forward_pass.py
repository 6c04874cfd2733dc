"""What a batch computes: captions of photos, and features of frames that are only compared."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from captioner.checkpoint import Metadata
from captioner.decoding.generate import generate
from captioner.options import Options
from captioner.photo.sandbox import Unpacked
from captioner.reranking import Hypothesis
from captioner.result import Caption, compose
from captioner.runtime.protocols import Floats, Memory, Runnable
from captioner.serving import Measurement, Observe
from captioner.speakers import Speakers

Answer = Caption | Floats  # `(size,)`, where only the features are wanted


@dataclass(frozen=True)
class Request:
    """A photo, or a frame of a video, that waits for its batch."""

    photo: Unpacked
    options: Options | None  # None: only its features are wanted
    arrived: float  # when its file arrived, by `time.perf_counter`


class ForwardPass:
    """Answers batches, in any worker thread."""

    def __init__(
        self, metadata: Metadata, network: Runnable[Any], speakers: Speakers, observe: Observe
    ) -> None:
        """Keep what computes.

        Args:
            metadata: of the network.
            network: on its device.
            speakers: the languages of captions.
            observe: is called with each measurement.
        """
        self._metadata, self._network = metadata, network
        self._speakers, self._observe = speakers, observe

    def answer(self, requests: list[Request]) -> list[Answer]:
        """Encode a batch, and caption those of its requests that have options."""
        started = time.perf_counter()
        memory = self._network.encode(np.stack([request.photo.pixels for request in requests]))
        encoded = time.perf_counter()
        wanted = [index for index, one in enumerate(requests) if one.options is not None]
        if len(wanted) == len(requests):
            answers: list[Answer] = [*self._decode(requests, memory)]
        else:
            answers = list(self._features(memory))
            if wanted:
                some = [requests[index] for index in wanted]
                for index, one in zip(
                    wanted, self._decode(some, memory.select(np.array(wanted))), strict=True
                ):
                    answers[index] = one
        encoder, decoder = encoded - started, time.perf_counter() - encoded
        self._observe(Measurement("encoder", encoder, len(requests)))
        if wanted:
            self._observe(Measurement("decoder", decoder, len(wanted)))
        batch = {"encoder": encoder, "decoder": decoder}
        return [
            replace(answer, seconds=_before(request, started) | batch)
            if isinstance(answer, Caption)
            else answer
            for answer, request in zip(answers, requests, strict=True)
        ]

    def _decode(self, requests: list[Request], memory: Memory[Any]) -> list[Caption]:
        chosen: dict[int, list[Hypothesis]] = {}
        spoken: dict[int, Metadata] = {}
        for options in dict.fromkeys(request.options for request in requests):
            assert options is not None
            same = [index for index, request in enumerate(requests) if request.options == options]
            photos = memory if len(same) == len(requests) else memory.select(np.array(same))
            metadata, network = self._speakers.speaker(options.language)
            sentences = generate(network, photos, options, metadata.matching, metadata.small_words)
            chosen |= zip(same, sentences, strict=True)
            spoken |= dict.fromkeys(same, metadata)
        # Only after decoding, because a GPU may still be encoding before.
        detected = self._out_of_distribution(memory)
        return [
            compose(chosen[index], spoken[index], out_of_distribution=detected[index])
            for index in range(len(requests))
        ]

    def _features(self, memory: Memory[Any]) -> Floats:
        """Return the features that photos are compared by, `(photos, size)`, by their angles.

        They are embeddings, if the checkpoint has them. Photos that match different sentences are
        then far apart, and equally far in every model; pooled features are not.
        """
        pooled = self._network.pooled_features(memory)
        matching = self._metadata.matching
        return matching.embed(pooled, self._network.multiply) if matching else pooled

    def _out_of_distribution(self, memory: Memory[Any]) -> list[bool]:
        detector = self._metadata.out_of_distribution
        if detector is None:
            return [False] * len(memory.start[0])
        states = self._network.start_states(memory)
        return detector.detect(states, self._network.multiply).tolist()


def _before(request: Request, started: float) -> dict[str, float]:
    decode = request.photo.seconds
    return {"decode": decode, "wait": started - request.arrived - decode}
