"""Every sentence that the bot says, on every platform alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from captioner import BadImage, Busy, Caption
from captioner.errors import FORMATS, BadImageKind

# Button labels.
ANOTHER = "Another"
LOOK = "Where did you look?"
ALT_TEXT = "Alt text"

HINT = "Send me a photo, and I will say what is in it."
START = f"Hello! {HINT} /help says what else I can do."
PRIVACY = (
    "What I do with your photos: I read the photo that you send, say what is in it, and forget "
    "it. No photo is kept, on disk or anywhere else, and none is sent to another service; the "
    "model runs on the machine that I run on. What I keep is whether automatic captions are on "
    "in a chat and, until I have answered it, what the chat told me of your message, without the "
    "photo, so that a restart does not lose it; for some days after that its number alone. My log "
    "says what went wrong, and never what a photo showed, who sent it, or what was written."
)

NEEDS_PHOTO = "Use /caption as a reply to a photo, and I will say what is in it."
NEEDS_ATTACHMENT = "There is no picture here that I could read."
NO_PREVIEW = "I cannot look into this one: it comes without a preview picture."
GONE = "The photo is gone, so I cannot look at it again. Send it once more."
NOTHING_ELSE = "I have nothing else to say about this photo."
NO_ATTENTION = "The model that answers here cannot show where it looked."
LOOKED = "Where I looked, word by word: bright is where my eyes were."
BUSY = "I have my hands full right now; try again in {seconds}."
STOPPING = "I am being stopped; try again in {seconds}."
LATE = "That took too long, and I gave up. Try again in a moment."
FAILED = "Something went wrong on my side, not with your photo. Try again in a moment."
GIVEN_UP = "I am sorry: I tried several times to answer this, and could not. Send it once more."
NOT_ALLOWED = "I may answer only those whom the person who runs me has let in."
TOO_MANY = "That is more photos than I may take from you at once; go on in {seconds}."
OPERATORS_ONLY = "Only those who run me can do that."
LEAVE_GROUPS = "This is between the two of us; /leave is for groups and servers."
LEAVING = "I leave, as I was told. Goodbye!"
UNREACHABLE = "I could not fetch your photo from the chat. Try sending it again."

# Photos that cannot be read; `bad_image` words the kinds that have numbers.
BAD_IMAGE: Mapping[BadImageKind, str] = {
    "empty": "The file is empty.",
    "far too many pixels": "The picture has far too many pixels; send a smaller one.",
    "too slow": "The picture takes too long to read; save it as a plain JPEG and send that.",
    "too much memory": "The picture needs more memory than I have; send a smaller one.",
    "damaged": "The picture is damaged or cut off; try sending it again.",
    "unsupported": f"This is not a picture that I can read; send it as {FORMATS}.",
    "unsupported HEIC": f"I cannot read HEIC photos; send it as {FORMATS}.",
}

# What the web chat's server says to programs and to its page.
NEEDS_FIELD = 'The form needs one file, in its field "photo", and nothing else.'
BROKEN_UPLOAD = "The photo did not arrive whole; try sending it again."
SLOW_UPLOAD = "The photo took too long to arrive; try again, or send a smaller one."
FOREIGN = "Another site's page may not use me; open my own page."
NEEDS_TOKEN = "I answer only those who have my token; whoever runs me can give it to you."
WRONG_TOKEN = "That is not my token. Check it, and try again."
MISDIRECTED = (
    "I am not known here by that name: open me at localhost. If a proxy passes requests on to me, "
    "whoever runs me must set WEB_BEHIND_PROXY."
)
NOT_HERE = "There is nothing here; send a photo with POST to /api/caption."

AUTO_ON = "Automatic captions are on: I caption every photo in this chat. /auto off stops it."
AUTO_OFF = "Automatic captions are off: I answer when I am asked. /auto on changes it."
AUTO_USAGE = "Say /auto on or /auto off."
AUTO_ADMINS = "Only those who manage this chat can switch that."
AUTO_PRIVATE = "Here, in private, I caption every photo anyway."
AUTO_NEEDS_INTENT = (
    "I would not see the photos here: whoever runs me must switch on the message content intent "
    "in Discord's developer portal, under Bot. Until then, mention me with a photo or use /caption."
)
TELEGRAM_PRIVACY_MODE = (
    "But I do not see every photo here yet: make me an administrator of this group, or have the "
    "person who runs me switch off my group privacy with @BotFather, and add me again."
)

# What the platforms show beside each command in their menus.
COMMANDS = {
    "caption": "Say what is in the photo that you reply to",
    "auto": "Caption every photo in this group: on or off",
    "settings": "What is set in this chat",
    "help": "What I can do",
    "privacy": "What happens to your photos",
    "about": "Which model answers",
    "start": "Say hello",
}
# Those for operators stand in the menus of Discord, where administrators alone see them.
OPERATORS_COMMANDS = {
    "stats": "How I am doing, for those who run me",
    "leave": "Have me leave this server, for those who run me",
}
# Discord alone has them.
DISCORD_MENU = "Caption image"
DISCORD_CAPTION = "Say what is in a photo"
DISCORD_OPTIONS = {
    "photo": "The photo to look at",
    "ephemeral": "Show the answer to you alone",
    "captions": "Every photo of this channel, or only when I am asked",
}

NOTICE = (
    "The model is a changed work (changed in November 2026): its encoder was fine-tuned from the "
    "compressed ResNet of Permute, Quantize, and Fine-tune (J. Martinez et al., CVPR 2021), "
    "https://github.com/uber-research/permute-quantize-finetune, and is available under that "
    "work's licence: non-commercial use only, as is, without any warranty or liability."
)

GUESS = "This is unlike the photos that I learned from, so I can only guess: "
DOUBT = "I am not sure, but perhaps: "
# A caption that is likelier wrong than right by two to one is worded with doubt. Of Flickr8k's
# validation photos so is a good third, which scores half the CIDEr of the others, or less;
# `python -m train calibrate` prints both.
UNSURE = 1 / 3


def captioned(caption: Caption) -> str:
    """Say a caption; as a guess if its photo is unfamiliar, with doubt if the model is unsure."""
    if caption.unfamiliar:
        return _after(GUESS, caption.text)
    return _after(DOUBT, caption.text) if caption.confidence < UNSURE else caption.text


def _after(doubt: str, sentence: str) -> str:
    return f"{doubt}{sentence[:1].lower()}{sentence[1:]}"


def without_doubt(said: str) -> str:
    """Return the sentence of what `captioned` said, as it is copied."""
    sentence = said.removeprefix(GUESS).removeprefix(DOUBT)
    return f"{sentence[:1].upper()}{sentence[1:]}"


def album(answers: Sequence[str], left_out: int = 0) -> str:
    """Say the answers for several pictures in their order, and how many were left out."""
    lines = [f"{number}. {answer}" for number, answer in enumerate(answers, 1)]
    if left_out:
        more = "picture is" if left_out == 1 else "pictures are"
        lines.append(f"I look at {len(answers)} at once; {left_out} more {more} left out.")
    return "\n".join(lines)


def bad_image(error: BadImage) -> str:
    """Say why a photo cannot be captioned."""
    numbers = error.numbers
    if error.kind == "too many bytes":
        return too_large(numbers["limit"] / 2**20)
    if error.kind == "too many pixels":
        return (
            f"The picture is too large: {numbers['width']} x {numbers['height']} pixels. I can "
            f"take {numbers['max_pixels'] / 1e6:g} million pixels, {numbers['max_side']} on a side."
        )
    return BAD_IMAGE[error.kind]


def busy(error: Busy) -> str:
    """Say when to try again."""
    text = STOPPING if error.kind == "stopping" else BUSY
    return text.format(seconds=_duration(error.retry_after))


def too_many(seconds: float) -> str:
    """Say when more photos may be sent."""
    return TOO_MANY.format(seconds=_duration(seconds))


def too_large(megabytes: float) -> str:
    """Say how large a file may be."""
    return f"The file is too large: I can take up to {megabytes:.3g} MB here."


def help_text(group_help: str) -> str:
    """Say what the bot can do; how to ask it in a group differs between platforms."""
    return (
        "Send me a photo, or several at once, and I say in one sentence what is in each.\n\n"
        f"In groups I stay silent until I am asked: {group_help}\n\n"
        f'Under a caption: "{ANOTHER}" words it differently, "{LOOK}" shows what I looked at for '
        f'each word, "{ALT_TEXT}" gives the sentence to copy.\n\n'
        "I was trained on photos of people and dogs outdoors. Elsewhere I can only guess, and do "
        "not always notice it.\n\n/privacy says what happens to your photos, /about which model "
        "answers."
    )


TELEGRAM_GROUP_HELP = (
    "mention me in the photo's caption, reply to me with a photo, or reply to a photo with "
    "/caption. An administrator can have every photo captioned with /auto on."
)
DISCORD_GROUP_HELP = (
    "mention me in a message with a photo, reply to me with one, use /caption, or choose Apps, "
    "Caption image in a message's menu. Who manages a channel can have every photo captioned with "
    "/auto on."
)


def settings(*, auto: bool, private: bool, max_mb: float, max_photos: int) -> str:
    """Say what is set in a chat, and what holds everywhere."""
    first = AUTO_PRIVATE if private else AUTO_ON if auto else AUTO_OFF
    return f"{first}\n\nI take files of up to {max_mb:g} MB, and {max_photos} pictures at once."


def about(config: str, scores: Mapping[str, Any], *, shipped: bool) -> str:
    """Say which model answers.

    Args:
        config: the network in a few words.
        scores: as its checkpoint holds them.
        shipped: whether it is the model that ships with this program, which owes a notice.
    """
    text = f"I am a {config} that was trained to say what is in photos."
    figures = [
        f"{label} {scores[key]:.1f}"
        for key, label in (("cider", "CIDEr"), ("bleu4", "BLEU-4"), ("meteor", "METEOR"))
        if isinstance(scores.get(key), int | float)
    ]
    if figures:
        text += f" It scored {', '.join(figures)} on the {scores.get('split', 'test')} photos."
    return f"{text}\n\n{NOTICE}" if shipped else text


def _duration(seconds: float) -> str:
    count = max(1, math.ceil(seconds))
    return "a second" if count == 1 else f"{count} seconds"
