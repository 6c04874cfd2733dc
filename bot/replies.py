"""Every sentence of the bot, the same on every platform, in the language that is spoken now.

`replies.HINT` is a sentence; its key in the catalogues of `bot/locale` is the English one. After a
change, `make catalogues` brings them up to date.
"""

import math
from collections.abc import Mapping, Sequence

from bot.languages import NAMES, Sentence, counted, language, translated
from captioner import BadImage, Busy
from captioner.errors import FORMATS, BadImageKind
from captioner.translation import ENGLISH, N_

# Photos that cannot be read; `bad_image` words the kinds that have numbers.
BAD_IMAGE: Mapping[BadImageKind, str] = {
    "empty": N_("The file is empty."),
    "far too many pixels": N_("The picture has far too many pixels. Please send a smaller one."),
    "too slow": N_(
        "The picture takes too long to read. Please save it as a plain JPEG and try again."
    ),
    "too much memory": N_("The picture needs too much memory. Please send a smaller one."),
    "damaged": N_("The picture is damaged or cut off. Please send it again."),
    "unsupported": N_("This is not a picture that I can read. Please send it as {formats}."),
    "unsupported HEIC": N_("I cannot read HEIC photos. Please send it as {formats}."),
    "unsupported variant": N_(
        "The picture may be whole, but I cannot read this variant of its format. "
        "Please save it as a plain JPEG or PNG, and send that."
    ),
    "unsupported video": N_("I cannot read videos. Please send a picture from it."),
    "no frames": N_("I find no picture in this video. Please send another one."),
}

# What the parameters of a request may be; `wrong_parameter` fills in the limits.
PARAMETERS: Mapping[str, str] = {
    "language": N_("language must be one of {languages}."),
    "alternatives": N_("alternatives must be a whole number from 0 to {most}."),
    "explain": N_("explain must be 0 or 1."),
    "another": N_("another must be a whole number from 0 to {most}."),
    "shown": N_("shown must have at most {most} characters."),
    "n": N_("n must be a whole number from 1 to {most}."),
}

# Shown next to each command in the platforms' menus.
COMMANDS = {
    "caption": N_("Describe the photo that you reply to"),
    "auto": N_("Turn captions for every photo in this group on or off"),
    "language": N_("Choose my language"),
    "settings": N_("Show this chat's settings"),
    "help": N_("Show what I can do"),
    "privacy": N_("What happens to your photos"),
    "about": N_("Which model I run"),
    "start": N_("Say hello"),
}

# Only Discord lists these, and only to administrators.
OPERATORS_COMMANDS = {
    "stats": N_("Show how I am doing (operators only)"),
    "leave": N_("Make me leave this server (operators only)"),
}

DISCORD_MENU = N_("Caption image")
DISCORD_CAPTION = N_("Describe a photo")
DISCORD_OPTIONS = {
    "language": N_("The language to speak here"),
    "photo": N_("The photo to describe"),
    "ephemeral": N_("Only you see the answer"),
    "captions": N_("Every photo in this channel, or only when I am asked"),
}

OR = N_("or")  # before the last format of a file
DECIMAL_MARK = N_("decimal mark|.")


class Replies:
    """The sentences, and functions for those that hold values."""

    # Button labels.
    ANOTHER = Sentence("Another")
    LOOK = Sentence("Where did you look?")
    ALT_TEXT = Sentence("Alt text")

    HINT = Sentence("Send me a photo, a GIF or a short video, and I will say what it shows.")
    START = Sentence(
        "Hello! Send me a photo, a GIF or a short video, and I will say what it shows. /help shows "
        "what else I can do."
    )
    PRIVACY = Sentence(
        "What happens to your photos and videos: I read what you send, describe it, and forget it. "
        "It is never stored, on disk or anywhere else, and never sent to another service; the "
        "model runs on the machines of whoever runs me. I store whether automatic captions are on "
        "in a chat, and the language that was chosen for it. For the limits, I count your photos "
        "for a while. Until I have answered your message, I also store what the chat app told me "
        "about it, without the photo, so that a restart does not lose it. After that I keep only "
        "its number, for a few days. My log records what went wrong, but never what a photo or "
        "video showed, who sent it, or what was written."
    )

    NEEDS_PHOTO = Sentence("Reply to a photo with /caption, and I will describe it.")
    NEEDS_ATTACHMENT = Sentence("There is no picture here that I can read.")
    NO_PREVIEW = Sentence("I cannot see what is in this one: it has no preview picture.")
    ONLY_PREVIEW = Sentence("I only looked at the preview of this video.")
    GONE = Sentence("The photo is no longer there. Please send it again.")
    NOTHING_ELSE = Sentence("I have no other caption for this photo.")
    NO_OTHER_STORY = Sentence(
        "I have only one story for a video. Please leave out the parameter {name}."
    )
    NO_ATTENTION = Sentence("This model cannot show where it looked.")
    LOOKED = Sentence("Where I looked for each word: the brighter, the more it mattered.")
    LOOKED_AT_SCENES = Sentence(
        "What I described of the video, and where I looked: the brighter, the more it mattered."
    )
    LOOKED_UNSAID = Sentence(
        "I cannot show where I looked for a name. This is where I looked for each word of a "
        "caption that I left out."
    )
    BUSY = Sentence("I have too many photos right now. Please try again in {seconds}.")
    STOPPING = Sentence("I am about to stop. Please try again in {seconds}.")
    LATE = Sentence("That took too long. Please try again in a moment.")
    FAILED = Sentence(
        "Something went wrong on my side, not with your photo. Please try again in a moment."
    )
    GIVEN_UP = Sentence(
        "Sorry, I tried several times and could not answer this. Please send it again."
    )
    NOT_ALLOWED = Sentence("This bot is private.")
    TOO_MANY = Sentence("That is too many photos for now. Please try again in {seconds}.")
    OPERATORS_ONLY = Sentence("Only this bot's operators can do that.")
    LEAVE_GROUPS = Sentence("This is a private chat; /leave is for groups and servers.")
    LEAVING = Sentence("I am leaving, as requested. Goodbye!")
    UNREACHABLE = Sentence("I could not download your photo. Please send it again.")

    # The web chat's server sends these to programs and to its page.
    NEEDS_FIELD = Sentence(
        'The form must hold one or more files, each in a field named "photo", and nothing else.'
    )
    NOT_JSON = Sentence("The body is not JSON in UTF-8.")
    NEEDS_MEMBER = Sentence(
        'The JSON must be an object with one member, "photo": a file in base64, or a list of such '
        "files."
    )
    NOT_BASE64 = Sentence(
        "This is not base64. Encode the whole file, and send no other characters."
    )
    NO_URLS = Sentence("I do not fetch photos from addresses. Please send the file itself.")
    BROKEN_UPLOAD = Sentence(
        "This upload is cut off, or its body is not what its headers say. Send the photo as the "
        'body, or in the field "photo" of a form.'
    )
    SLOW_UPLOAD = Sentence("The upload took too long. Try again, or send a smaller photo.")
    FOREIGN = Sentence("Pages of other sites cannot use this server. Open its own page instead.")
    NEEDS_TOKEN = Sentence("This server needs a token; the person who runs it can give you one.")
    WRONG_TOKEN = Sentence("This token is wrong. Check it, and try again.")
    MISDIRECTED = Sentence(
        "This server does not know that host name: open it as localhost. If a proxy passes "
        "requests on to it, its operator must set WEB_BEHIND_PROXY."
    )
    NEEDS_POST = Sentence(
        'Send a photo here with POST, as the body or in the field "photo" of a form.'
    )
    WRONG_FEEDBACK = Sentence("{name} is missing or wrong; /openapi.json describes feedback.")
    NOT_HERE = Sentence("There is nothing here. Send a photo with POST to /api/caption.")
    # To programs that speak OpenAI's API.
    TOO_MANY_VALUES = Sentence("This JSON has far too many values.")
    NO_DATA_URI = Sentence("A photo must be a data URI: data:image/jpeg;base64,...")
    NEEDS_IMAGE = Sentence(
        "I only describe photos, and these messages have none. Send one as an image_url."
    )
    NOT_OF_OPENAI = Sentence(
        "There is nothing here. This server has only these addresses of OpenAI's API: POST "
        "/v1/chat/completions and GET /v1/models."
    )

    NO_PAGE = Sentence("There is nothing here. The web chat is at the address / of this server.")

    AUTO_ON = Sentence(
        "Automatic captions are on: I caption every photo in this chat. /auto off turns them off."
    )
    AUTO_OFF = Sentence(
        "Automatic captions are off: I answer when I am asked. /auto on turns them on."
    )
    AUTO_USAGE = Sentence("Use /auto on or /auto off.")
    AUTO_ADMINS = Sentence("Only people who manage this chat can change that.")
    AUTO_PRIVATE = Sentence("In a private chat I caption every photo anyway.")
    AUTO_NEEDS_INTENT = Sentence(
        "I cannot see the photos here yet: this bot's operator must turn on the message content "
        "intent in Discord's developer portal, under Bot. Until then, mention me with a photo or "
        "use /caption."
    )
    TELEGRAM_PRIVACY_MODE = Sentence(
        "But I cannot see every photo here yet: make me an administrator of this group, or ask "
        "this bot's operator to turn off its group privacy with @BotFather and to add me again."
    )

    TELEGRAM_GROUP_HELP = Sentence(
        "mention me in a photo's caption, send a photo as a reply to me, or reply to a photo with "
        "/caption. Administrators can have every photo captioned with /auto on."
    )
    DISCORD_GROUP_HELP = Sentence(
        "mention me in a message with a photo, reply to me with one, use /caption, or choose Apps "
        "> Caption image in a message's menu. People who manage a channel can have every photo "
        "captioned with /auto on."
    )

    # Templates of the functions below.
    TOO_MANY_PIXELS = Sentence(
        "The picture is too large: {width} x {height} pixels. I accept {million} million pixels, "
        "{side} on a side."
    )
    TOO_LARGE = Sentence("The file is too large: I accept up to {megabytes} MB here.")
    TOO_LARGE_TOGETHER = Sentence(
        "These photos are too large together: I accept up to {megabytes} MB in one request."
    )
    WRONG_METHOD = Sentence("This address accepts only {methods}.")
    UNKNOWN_PARAMETER = Sentence("There is no parameter {name}. There are: {names}.")
    REPEATED_PARAMETER = Sentence("Give {name} only once.")
    HELP = Sentence(
        "Send me one or more photos, and I will describe each in one sentence. I describe GIFs and "
        "videos as a short story, without their sound.\n\n"
        "In groups I stay silent until I am asked: {groups}\n\n"
        'Under a caption: "{another}" words it differently, "{look}" shows where I looked for '
        'each word, "{alt_text}" gives the sentence to copy.\n\n'
        "I was trained on photos of people and dogs outdoors. With other photos I can often only "
        "name a thing or guess. I say so, but I do not always notice.\n\n"
        "/language changes the language. /privacy says what happens to your photos, and /about "
        "says which model I run."
    )
    WRONG_FIELD = Sentence("{name} is missing or has the wrong type.")
    ONLY_TEXT = Sentence("I only answer with plain sentences. Leave out {name}.")
    ONLY_MODEL = Sentence("The only model here is {model}.")
    LIMITS = Sentence("I accept files of up to {megabytes} MB, and {photos} pictures at once.")

    # About the language; `{language}` is its own name.
    LANGUAGE_CHOICE = Sentence("Which language should I speak here?")
    LANGUAGE_SET = Sentence("I speak {language} here now.")
    LANGUAGE_OWN = Sentence("Everyone's own language")
    LANGUAGE_OWN_SET = Sentence("I speak everyone's own language here now, as the app says it.")
    LANGUAGE_APP = Sentence("The language of my app")
    LANGUAGE_APP_SET = Sentence("I speak the language of your app here now.")
    LANGUAGE_ADMINS = Sentence("Only people who manage this chat can change its language.")
    LANGUAGE_UNKNOWN = Sentence("I do not speak that language. I speak {languages}.")
    LANGUAGE_HERE = Sentence("I speak {language} here. /language changes that.")
    LANGUAGE_OWN_HERE = Sentence(
        "I speak everyone's own language here. /language chooses one for everyone."
    )

    def album(self, answers: Sequence[str], left_out: int = 0, said: int = 0) -> list[str]:
        """Number the answers for several pictures, and add how many pictures were left out.

        Args:
            answers: for the pictures after those that were answered before.
            left_out: how many pictures get no answer; the last answer's entry says so.
            said: how many pictures were answered before.
        """
        lines = [f"{number}. {answer}" for number, answer in enumerate(answers, said + 1)]
        if left_out:
            more = counted(
                "I caption up to {most} at once; {count} more picture was left out.",
                "I caption up to {most} at once; {count} more pictures were left out.",
                left_out,
            )
            lines[-1] += f"\n{more.format(most=said + len(answers), count=left_out)}"
        return lines

    def bad_image(self, error: BadImage) -> str:
        """Explain why a photo cannot be captioned."""
        numbers = error.numbers
        if error.kind == "too many bytes":
            return self.too_large(numbers["limit"] / 2**20)
        if error.kind == "too many pixels":
            return self.TOO_MANY_PIXELS.format(
                width=numbers["width"],
                height=numbers["height"],
                million=number(numbers["max_pixels"] / 1e6, "g"),
                side=numbers["max_side"],
            )
        return translated(BAD_IMAGE[error.kind]).format(formats=_formats())

    def busy(self, error: Busy) -> str:
        """Say when to try again."""
        text = self.STOPPING if error.kind == "stopping" else self.BUSY
        return text.format(seconds=_duration(error.retry_after))

    def wrong_parameter(self, name: str, most: int | None = None) -> str:
        """Say what a parameter of a request may be; `most` is its limit, if it has one."""
        return translated(PARAMETERS[name]).format(most=most, languages=", ".join(NAMES))

    def unknown_parameter(self, name: str, names: Sequence[str]) -> str:
        """Name a parameter that a request must not have, and those that it may."""
        return self.UNKNOWN_PARAMETER.format(name=name, names=", ".join(names))

    def too_many_at_once(self, most: int) -> str:
        """Say how many photos one request may hold."""
        sentence = counted(
            "I accept {most} photo in one request.",
            "I accept up to {most} photos in one request.",
            most,
        )
        return sentence.format(most=most)

    def too_large_together(self, megabytes: float) -> str:
        """Say how large all photos of a request may be together."""
        return self.TOO_LARGE_TOGETHER.format(megabytes=number(megabytes, ".3g"))

    def wrong_field(self, name: str) -> str:
        """Say which field of a request is wrong."""
        return self.WRONG_FIELD.format(name=name)

    def only_text(self, name: str) -> str:
        """Say which field of a request asks for an answer that is no sentence."""
        return self.ONLY_TEXT.format(name=name)

    def only_model(self, model: str) -> str:
        """Name the model to somebody who asked for another one."""
        return self.ONLY_MODEL.format(model=model)

    def too_many(self, seconds: float) -> str:
        """Say when more photos can be sent."""
        return self.TOO_MANY.format(seconds=_duration(seconds))

    def too_large(self, megabytes: float) -> str:
        """Say how large a file can be."""
        return self.TOO_LARGE.format(megabytes=number(megabytes, ".3g"))

    def help_text(self, group_help: str) -> str:
        """Explain what the bot can do; how to ask it in a group differs between platforms."""
        return self.HELP.format(
            groups=group_help, another=self.ANOTHER, look=self.LOOK, alt_text=self.ALT_TEXT
        )

    def settings(
        self,
        *,
        auto: bool,
        private: bool,
        max_mb: float,
        max_photos: int,
        chosen: str | None = None,
    ) -> str:
        """List a chat's settings, and the limits that apply everywhere.

        Args:
            auto: every photo is captioned.
            private: the chat is one person's with the bot.
            max_mb: of a file, in units of 2**20 bytes.
            max_photos: of one message.
            chosen: the code of the language that was chosen for the chat; None if none was.
        """
        first = self.AUTO_PRIVATE if private else self.AUTO_ON if auto else self.AUTO_OFF
        # In private somebody's own language is the one that is spoken now.
        second = self.LANGUAGE_OWN_HERE
        if private or chosen:
            second = self.LANGUAGE_HERE.format(language=NAMES[language()])
        limits = self.LIMITS.format(megabytes=number(max_mb, "g"), photos=max_photos)
        return f"{first}\n\n{second}\n\n{limits}"

    def language_set(self, code: str | None, *, private: bool) -> str:
        """Say which language was chosen for a chat; None is everyone's own."""
        if code is not None:
            return self.LANGUAGE_SET.format(language=NAMES[code])
        return self.LANGUAGE_APP_SET if private else self.LANGUAGE_OWN_SET

    def language_unknown(self) -> str:
        """List the languages, by their own names, to somebody who asked for another one."""
        return self.LANGUAGE_UNKNOWN.format(languages=", ".join(NAMES.values()))


replies = Replies()


def _formats() -> str:
    # Only English has a comma before the last of a list.
    return FORMATS if language() == ENGLISH else FORMATS.replace(", or ", f" {translated(OR)} ")


def _duration(seconds: float) -> str:
    count = max(1, math.ceil(seconds))
    return counted("a second", "{count} seconds", count).format(count=count)


def number(value: float, form: str) -> str:
    """Format a number with the decimal mark of the language."""
    return f"{value:{form}}".replace(".", translated(DECIMAL_MARK).rpartition("|")[2])
