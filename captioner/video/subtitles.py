"""The scenes of a video as WebVTT, the format of subtitles in browsers and players."""

from captioner.video.result import VideoCaption
from captioner.wording import worded

# Of a cue's text (https://www.w3.org/TR/webvtt1/#webvtt-cue-text-span).
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def webvtt(video: VideoCaption) -> str:
    """Return a file with a cue for each scene, also for those that the story does not tell."""
    cues = (
        f"{_time(scene.start)} --> {_time(scene.end)}\n"
        f"{worded(scene.caption).text.translate(ESCAPES)}\n"
        for scene in video.scenes
        if scene.end > scene.start  # as cues must
    )
    return "\n".join(["WEBVTT\n", *cues])


def _time(seconds: float) -> str:
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    minutes, seconds = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{milliseconds:03}"
