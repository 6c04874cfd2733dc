"""Why a photo or a video cannot be captioned, in the language that is spoken now."""

from collections.abc import Mapping

from bot.languages import language, number, translated
from captioner import BadImage
from captioner.errors import FORMATS, BadImageKind
from captioner.translation import ENGLISH, N_

# `Replies.too_large` words those with too many bytes.
BAD_IMAGE: Mapping[BadImageKind, str] = {
    "empty": N_("The file is empty."),
    "too many pixels": N_(
        "The picture is too large: {width} x {height} pixels. I accept up to {million} million "
        "pixels, and up to {side} on each side."
    ),
    "far too many pixels": N_("The picture has far too many pixels. Please send a smaller one."),
    "too slow": N_(
        "The picture takes too long to read. Please send a smaller one, or a plain JPEG."
    ),
    "too much memory": N_("The picture needs too much memory. Please send a smaller one."),
    "damaged": N_("The picture is damaged or cut off. Please send it again."),
    "unsupported": N_(
        "I cannot read this file. Please send videos as MP4, and photos as {formats}."
    ),
    "unsupported HEIC": N_("I cannot read HEIC photos. Please send this one as {formats}."),
    "unsupported variant": N_(
        "The picture may be intact, but I cannot read this variant of its format. "
        "Please save it as a plain JPEG or PNG, and send that."
    ),
    "unsupported video": N_("I cannot read videos. Please send a picture from this one."),
    "no frames": N_("I found no picture in this video. Please send another one."),
}
# What is worded otherwise if the file is a video.
BAD_VIDEO: Mapping[BadImageKind, str] = {
    "too many pixels": N_(
        "The video is too large: {width} x {height} pixels. I accept up to {million} million "
        "pixels, and up to {side} on each side."
    ),
    "too slow": N_("The video takes too long to read. Please send a smaller or shorter one."),
    "too much memory": N_("The video needs too much memory. Please send a smaller one."),
    "damaged": N_("The video is damaged or cut off. Please save it as MP4, and send it again."),
    "unsupported variant": N_(
        "I cannot read this kind of video. Please save it as MP4 with H.264, and send that."
    ),
}

OR = N_("or")  # before the last format of a file


def worded(error: BadImage) -> str:
    """Say what is wrong, and what helps."""
    numbers = error.numbers
    sentence = BAD_VIDEO.get(error.kind) if error.video else None
    text = translated(sentence or BAD_IMAGE[error.kind])
    if error.kind == "too many pixels":
        return text.format(
            width=numbers["width"],
            height=numbers["height"],
            million=number(numbers["max_pixels"] / 1e6, "g"),
            side=numbers["max_side"],
        )
    return text.format(formats=_formats())


def _formats() -> str:
    # Only English has a comma before the last of a list.
    return FORMATS if language() == ENGLISH else FORMATS.replace(", or ", f" {translated(OR)} ")
