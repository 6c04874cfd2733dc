"""Captions, options and errors as bytes and back, for a captioner on another machine.

A document is JSON with exactly the fields of a dataclass, and the version of this format: reading
another version is one error instead of half a caption. Floats stay exact: JSON has all their
digits, and arrays are their bytes: attention maps of float32, pictures of uint8.
"""

import base64
import binascii
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from captioner.config import ConfigError, ModelConfig
from captioner.errors import NUMBERS, BadImage, Busy, BusyKind
from captioner.options import OptionError, Options
from captioner.photo.preprocessing import Pixels
from captioner.result import Caption
from captioner.video.result import VideoCaption

VERSION = 1
# Every answer of a captioner has it. One without it is from another program: Ray Serve, for
# example, answers for a replica that died. In lower case, as servers pass headers on.
HEADER = "photo-captioner-wire"
OPTIONS = "photo-captioner-options"  # the header of a request that holds its `Options`
SIZES = struct.Struct(">4sBII")  # what pixels begin with: a mark, the version, height, width
MARK = b"pixl"
TYPES = {"float32": "<f4", "uint8": "u1"}  # of arrays

Kind = TypeVar("Kind")


class WireError(ValueError):
    """Bytes that are not what this version of the program sends."""


class Failed(RuntimeError):
    """Something went wrong in the captioner, not with the photo; its log says what."""


@dataclass(frozen=True)
class About:
    """What a captioner is: what the bot shows of it."""

    config: ModelConfig
    scores: Mapping[str, Any]  # as in its checkpoint
    languages: tuple[str, ...]  # that captions can be in, the checkpoint's own first
    device: str
    runtime: str
    shipped: str | None  # the model's name, if it ships with this program


Problem = BadImage | Busy | OptionError | WireError | Failed


def pack(document: Caption | VideoCaption | Options | About) -> bytes:
    """Return a document as ASCII."""
    return json.dumps({"wire": VERSION, **_plain(document)}).encode()


def unpack(kind: type[Kind], data: bytes | str) -> Kind:
    """Read a document of a kind that `pack` takes.

    Raises:
        OptionError: the options make no sense.
        WireError: it is another document, or of another version.
    """
    document = _document(data)
    try:
        return _read(kind, document, kind.__name__)
    except ConfigError as error:
        raise WireError(str(error)) from error


def pack_problem(problem: Problem) -> bytes:
    """Return an error as a document."""
    said: dict[str, object]
    match problem:
        case BadImage():
            said = {"error": "image", "kind": problem.kind, "numbers": dict(problem.numbers)}
            if problem.video:
                said["video"] = True
        case Busy():
            said = {"error": "busy", "kind": problem.kind, "retry_after": problem.retry_after}
        case OptionError():
            said = {"error": "option", "field": problem.field, "reason": problem.reason}
        case WireError():
            said = {"error": "wire", "reason": str(problem)}
        case Failed():
            said = {"error": "failed"}
    return json.dumps({"wire": VERSION, **said}).encode()


def unpack_problem(data: bytes) -> Problem:
    """Read an error.

    Raises:
        WireError: it is another document, or of another version.
    """
    document = _document(data)
    try:
        match document:
            case {"error": "image", "kind": str(kind), "numbers": dict(numbers)}:
                if not _are_numbers_of(kind, numbers):
                    raise WireError(f"an error of an unknown kind, {kind!r}")
                video = document.get("video") is True  # an older captioner does not say it
                return BadImage(kind, video=video, **numbers)  # type: ignore[arg-type]  # it is one
            case {"error": "busy", "kind": str(kind), "retry_after": int() | float() as seconds}:
                if kind not in get_args(BusyKind) or not 0 <= seconds < math.inf:
                    raise WireError(f"an error of an unknown kind, {kind!r}")
                return Busy(kind, float(seconds))  # type: ignore[arg-type]  # likewise
            case {"error": "option", "field": str(field), "reason": str(reason)}:
                return OptionError(field, reason)
            case {"error": "wire", "reason": str(reason)}:
                return WireError(reason)
            case {"error": "failed"}:
                return Failed("the captioner failed; its log says why")
    except (TypeError, OverflowError) as error:
        raise WireError(str(error)) from error
    raise WireError("an error without a known name")


def pack_pixels(pixels: Pixels) -> bytes:
    """Return pixels `(height, width, 3)` as bytes."""
    height, width, _ = pixels.shape
    return SIZES.pack(MARK, VERSION, height, width) + np.ascontiguousarray(pixels).tobytes()


def unpack_pixels(data: bytes) -> Pixels:
    """Read pixels, `(height, width, 3)`.

    Raises:
        WireError: these are other bytes, or of another version.
    """
    if len(data) < SIZES.size:
        raise WireError("too short for pixels")
    mark, version, height, width = SIZES.unpack_from(data)
    if mark != MARK:
        raise WireError("not pixels")
    _check_version(version)
    if not height or not width or len(data) != SIZES.size + 3 * height * width:
        raise WireError("pixels of another size than they say")
    return np.frombuffer(data, np.uint8, offset=SIZES.size).reshape(height, width, 3)


def _document(data: bytes | str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError("not JSON") from error
    if not isinstance(document, dict) or "wire" not in document:
        raise WireError("not a document of a captioner")
    _check_version(document.pop("wire"))
    return document


def _check_version(version: object) -> None:
    if version != VERSION:
        raise WireError(
            f"version {version} of the wire format, and this program has version {VERSION}; "
            "run the same version of photo-captioner on both sides"
        )


def _are_numbers_of(kind: str, numbers: dict[str, Any]) -> bool:
    names = {str(known): names for known, names in NUMBERS.items()}.get(kind)
    whole = all(type(number) is int and number >= 0 for number in numbers.values())
    return names is not None and numbers.keys() == set(names) and whole


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        name = "uint8" if value.dtype == np.uint8 else "float32"
        data = base64.b64encode(np.ascontiguousarray(value, TYPES[name]).tobytes()).decode()
        return {"shape": list(value.shape), name: data}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any, name: str) -> Any:
    """Read a value of a type; `name` is where it stands, for the error."""
    if hint is Any:
        return value
    if is_dataclass(hint):
        return _fields(hint, value, name)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        (hint,) = (one for one in inner if one is not NoneType)
        return _read(hint, value, name)
    if origin is np.ndarray:
        return _array(value, name, "uint8" if hint == Pixels else "float32")
    if origin is Literal and value in inner:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_read(inner[0], item, name) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _read(inner[1], item, name) for key, item in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if origin is None and type(value) is hint:
        return value
    raise WireError(f"{name} has another type")


def _fields(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise WireError(f"{name} is not an object")
    names = {field.name for field in fields(kind)}
    if wrong := sorted(names ^ value.keys()):
        raise WireError(f"{name}: {', '.join(wrong)} is missing or unknown")
    hints = _hints(kind)
    return kind(**{key: _read(hints[key], value[key], f"{name}.{key}") for key in names})


def _array(value: Any, name: str, type_: str) -> Any:
    match value:
        case {"shape": [*shape]} if all(map(_is_side, shape)) and value.keys() == {"shape", type_}:
            try:
                flat = np.frombuffer(base64.b64decode(value[type_], validate=True), TYPES[type_])
                return flat.astype(type_).reshape(shape)
            except (TypeError, ValueError, binascii.Error) as error:
                raise WireError(f"{name} is not an array") from error
    raise WireError(f"{name} is not an array")


def _is_side(value: object) -> bool:
    return type(value) is int and value >= 0
