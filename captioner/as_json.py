"""Captions and stories as JSON: what the bot's API and `python -m captioner --json` both say."""

from typing import Any

from captioner.result import Caption
from captioner.video.result import VideoCaption
from captioner.wording import worded


def as_json(caption: Caption) -> dict[str, Any]:
    """Return what is said about a photo, and what it is said from; `docs/api.md` explains it.

    Probabilities have four decimals.
    """
    said = worded(caption)
    return {
        "caption": caption.text,
        "language": caption.language,
        "text": said.text,
        "doubt": said.aside,
        "alt_text": said.alt_text,
        "confidence": round(caption.confidence, 4),
        "unfamiliar": caption.out_of_distribution,
        "objects": [
            {"name": one.said, "confidence": round(one.confidence, 4)} for one in caption.objects
        ],
        "alternatives": [
            {"caption": other.text, "confidence": round(other.confidence, 4)}
            for other in caption.alternatives
        ],
    }


def video_as_json(video: VideoCaption) -> dict[str, Any]:
    """Return what is told about a video, in the form of a photo's, and each of its scenes.

    Seconds have three decimals. Names and alternatives are only those of the scenes; so is the
    doubt, if several are told.
    """
    told = video.told
    return {
        "caption": video.alt_text,
        "language": video.language,
        "text": video.text,
        "doubt": worded(told[0].caption).aside if len(told) == 1 else "",
        "alt_text": video.alt_text,
        "confidence": round(video.confidence, 4),
        "unfamiliar": video.out_of_distribution,
        "objects": [],
        "alternatives": [],
        "seconds": round(video.seconds, 3),
        "duration": round(video.duration, 3),
        "scenes": [
            {
                "start": round(scene.start, 3),
                "end": round(scene.end, 3),
                "frame": round(scene.frame, 3),
                "told": any(scene is one for one in told),
                "repeats": scene.repeats,
                **as_json(scene.caption),
            }
            for scene in video.scenes
        ],
    }
