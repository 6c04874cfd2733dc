"""The lines that the command line prints for a photo."""

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from captioner.as_json import as_json, video_as_json
from captioner.result import Caption
from captioner.video.result import VideoCaption
from captioner.wording import worded

# A line break in a file's name would begin another line, and a terminal obeys others of these.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def plain(name: str, found: Caption | VideoCaption, *, named: bool) -> list[str]:
    """Return what the bot would say, and the alternatives below it, indented.

    Args:
        name: of the photo.
        found: the caption of a photo, or the story of a video, which is one line.
        named: whether the name stands before the caption.
    """
    if isinstance(found, VideoCaption):
        text, others = found.text, tuple[Caption, ...]()
    else:
        text, others = worded(found).text, found.alternatives
    first = f"{shown(name)}: {text}" if named else text
    return [first, *(f"  {other.text}" for other in others)]


def json_line(name: str, result: Caption | VideoCaption | str, *, escaped: bool) -> str:
    """Return the `fields` of a photo as one line of JSON.

    Args:
        name: of the photo.
        result: its caption, or a sentence on what is wrong.
        escaped: write only ASCII, for an output in another encoding than UTF-8.
    """
    return json.dumps(fields(name, result), ensure_ascii=escaped)


def fields(name: str, result: Caption | VideoCaption | str) -> dict[str, Any]:
    """Return what is written about a photo; `docs/serving.md` explains it.

    A name that is not text in UTF-8 has "file_bytes" besides: its bytes in base64.

    Args:
        name: of the photo.
        result: its caption, or a sentence on what is wrong.
    """
    if isinstance(result, str):
        return {**_name(name), "error": result}
    if isinstance(result, VideoCaption):
        return {**_name(name), **video_as_json(result)}
    return {**_name(name), **as_json(result), "logprob": round(result.logprob, 4)}


def name_of(written: object) -> str:
    """Return the name that stands in the `fields` of a photo.

    Raises:
        KeyError: there is none.
        TypeError: it is not text, or these are not `fields`.
        ValueError: its bytes are not in base64.
    """
    if not isinstance(written, Mapping):
        raise TypeError("a photo's fields must be an object")
    if (data := written.get("file_bytes")) is not None:
        return os.fsdecode(b64decode(data, validate=True))
    name = written["file"]
    if not isinstance(name, str):
        raise TypeError("the name of a file must be text")
    return name


def problem(name: str, sentence: str) -> str:
    """Return the line for standard error."""
    return f"{shown(name)}: {sentence}"


def shown(name: str) -> str:
    """Return a name with its control characters escaped."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name)


def _name(name: str) -> dict[str, str]:
    try:
        name.encode()
    except UnicodeEncodeError:
        # Python keeps such bytes as halves of characters, which JSON cannot hold.
        data = os.fsencode(name)
        return {"file": data.decode(errors="replace"), "file_bytes": b64encode(data).decode()}
    return {"file": name}
