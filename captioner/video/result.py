"""The story of a video: its scenes, each with its caption, and what is told of them."""

from dataclasses import dataclass, field

from captioner.languages.scripts import joined
from captioner.photo.preprocessing import Pixels
from captioner.result import Caption
from captioner.video.telling import story
from captioner.wording import covered

# A story has at most five sentences.
MOST_TOLD = 5
# Seconds at the end that may be missing without a note: sound often outlasts the picture.
MISSED = 2.0


@dataclass(frozen=True)
class Scene:
    """A part of a video that shows one thing."""

    start: float  # seconds from the start of the video
    end: float
    frame: float  # when the frame begins that the caption is about
    caption: Caption
    # The index of an earlier scene that this shows again, or whose caption it has.
    repeats: int | None = None
    # The frame, `(height, width, 3)`, if attention was asked for and the scene is told.
    picture: Pixels | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class VideoCaption:
    """What is known about a video, an animation, or a photo, which is one scene of no length."""

    scenes: tuple[Scene, ...]  # in their order, at least one
    seconds: float  # that were used, from the start; 0 for a photo
    duration: float  # of the whole video, as the file says

    @property
    def told(self) -> tuple[Scene, ...]:
        """The scenes that the text is about, in their order.

        Scenes that repeat another are left out; if there are too many, the longest are kept.
        """
        lengths = [0.0] * len(self.scenes)
        for index, scene in enumerate(self.scenes):
            first = index if scene.repeats is None else scene.repeats
            lengths[first] += scene.end - scene.start
        once = [index for index, scene in enumerate(self.scenes) if scene.repeats is None]
        longest = sorted(once, key=lambda index: -lengths[index])[:MOST_TOLD]
        return tuple(self.scenes[index] for index in sorted(longest))

    @property
    def language(self) -> str:
        """The code in ISO 639 of the language of the captions."""
        return self.scenes[0].caption.language

    @property
    def text(self) -> str:
        """What is said: a sentence for each scene that is told, in their order.

        Another one says so if only the beginning was looked at.
        """
        return joined([story([scene.caption for scene in self.told]), *self._limit])

    @property
    def alt_text(self) -> str:
        """What describes the video to those who do not see it: the same without doubt."""
        text = story([scene.caption for scene in self.told], doubt=False)
        return joined([text, *self._limit])

    @property
    def _limit(self) -> tuple[str, ...]:
        whole = self.duration - self.seconds < MISSED
        return () if whole else (covered(self.seconds, self.language),)

    @property
    def confidence(self) -> float:
        """The lowest confidence of the captions in the text: 0..1."""
        return min(scene.caption.confidence for scene in self.told)

    @property
    def out_of_distribution(self) -> bool:
        """Whether a caption in the text is only a guess."""
        return any(scene.caption.out_of_distribution for scene in self.told)
