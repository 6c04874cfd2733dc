"""What the bot says in chats, the same on every platform, in the language that is spoken now.

`replies.HINT` is a sentence; its key in the catalogues of `bot/locale` is the English one. After a
change, `make catalogues` brings them up to date.
"""

import math
from collections.abc import Sequence

from bot import bad_images
from bot.languages import NAMES, Sentence, counted, language, number
from captioner import BadImage, Busy
from captioner.translation import N_

# Shown next to each command in the platforms' menus.
COMMANDS = {
    "caption": N_("Describe the photo or video that you reply to"),
    "auto": N_("Describe every photo and video in this group, or stop"),
    "language": N_("Choose my language"),
    "settings": N_("Show this chat's settings"),
    "help": N_("Show what I can do"),
    "privacy": N_("What happens to your photos and videos"),
    "about": N_("Which model I run"),
    "start": N_("Say hello"),
}

# Only Discord lists these, and only to administrators.
OPERATORS_COMMANDS = {
    "stats": N_("Show how I am doing (operators only)"),
    "leave": N_("Make me leave this server (operators only)"),
}

DISCORD_MENU = N_("Describe photo or video")
DISCORD_CAPTION = N_("Describe a photo or a video")
DISCORD_OPTIONS = {
    "language": N_("The language to speak here"),
    "photo": N_("The photo or video to describe"),
    "ephemeral": N_("Only you see the answer"),
    "captions": N_("Every photo and video in this channel, or only when I am asked"),
}


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
        "in a chat, and the language that was chosen for it. For the limits, I count what you send "
        "for a while. Until I have answered your message, I also store what the chat app told me "
        "about it, without the file, so that a restart does not lose it. After that I keep only "
        "its number, for a few days. My log records what went wrong, but never what a photo or "
        "video showed, who sent it, or what was written."
    )

    NEEDS_PHOTO = Sentence("Reply to a photo or a video with /caption, and I will describe it.")
    NEEDS_ATTACHMENT = Sentence("There is no photo or video here that I can read.")
    NO_PREVIEW = Sentence("I cannot see what is in this one: it has no preview picture.")
    ONLY_PREVIEW = Sentence("I only looked at the preview of this video.")
    GONE = Sentence("The photo or video is no longer there. Please send it again.")
    NOTHING_ELSE = Sentence("I have no other caption for this photo.")
    NO_ATTENTION = Sentence("This model cannot show where it looked.")
    LOOKED = Sentence("Where I looked for each word: the brighter, the more it mattered.")
    LOOKED_AT_SCENES = Sentence(
        "What I described of the video, and where I looked: the brighter, the more it mattered."
    )
    LOOKED_UNSAID = Sentence(
        "I cannot show where I looked for a name. This is where I looked for each word of a "
        "caption that I left out."
    )
    BUSY = Sentence("I have too much to do right now. Please try again in {seconds}.")
    STOPPING = Sentence("I am about to stop. Please try again in {seconds}.")
    LATE = Sentence("That took too long. Please try again in a moment.")
    FAILED = Sentence("Something went wrong on my side. Please try again in a moment.")
    GIVEN_UP = Sentence(
        "Sorry, I tried several times and could not answer this. Please send it again."
    )
    NOT_ALLOWED = Sentence("This bot is private.")
    TOO_MANY = Sentence("That is too much for now. Please try again in {seconds}.")
    OPERATORS_ONLY = Sentence("Only this bot's operators can do that.")
    LEAVE_GROUPS = Sentence("This is a private chat; /leave is for groups and servers.")
    LEAVING = Sentence("I am leaving, as requested. Goodbye!")
    UNREACHABLE = Sentence("I could not download this file. Please send it again.")

    AUTO_ON = Sentence(
        "Automatic captions are on: I describe every photo and video in this chat. /auto off turns "
        "them off."
    )
    AUTO_OFF = Sentence(
        "Automatic captions are off: I answer when I am asked. /auto on turns them on."
    )
    AUTO_USAGE = Sentence("Use /auto on or /auto off.")
    AUTO_ADMINS = Sentence("Only people who manage this chat can change that.")
    AUTO_PRIVATE = Sentence("In a private chat I describe every photo and video anyway.")
    AUTO_NEEDS_INTENT = Sentence(
        "I cannot see the photos and videos here yet: this bot's operator must turn on the message "
        "content intent in Discord's developer portal, under Bot. Until then, mention me with a "
        "photo or a video, or use /caption."
    )
    TELEGRAM_PRIVACY_MODE = Sentence(
        "But I cannot see everything here yet: make me an administrator of this group, or ask "
        "this bot's operator to turn off its group privacy with @BotFather and to add me again."
    )

    TELEGRAM_GROUP_HELP = Sentence(
        "mention me under a photo or a video, send one as a reply to me, or reply to one with "
        "/caption. Administrators can have every photo and video described with /auto on."
    )
    DISCORD_GROUP_HELP = Sentence(
        "mention me in a message with a photo or a video, reply to me with one, use /caption, or "
        "choose Apps > Describe photo or video in a message's menu. People who manage a channel "
        "can have every photo and video described with /auto on."
    )

    # Templates of the functions below.
    TOO_LARGE = Sentence("The file is too large: I accept up to {megabytes} MB here.")
    HELP = Sentence(
        "Send me one or more photos, and I will describe each in one sentence. I describe GIFs and "
        "videos as a short story, without their sound.\n\n"
        "In groups I stay silent until I am asked: {groups}\n\n"
        'Under a caption: "{another}" words it differently, "{look}" shows where I looked for '
        'each word, "{alt_text}" gives the sentence to copy.\n\n'
        "I was trained on photos of people and dogs outdoors. Elsewhere I can often only name a "
        "thing or guess. I say so, but I do not always notice.\n\n"
        "/language changes the language. /privacy says what I store, and /about which model "
        "I run."
    )
    LIMITS = Sentence(
        "I accept photos of up to {megabytes} MB, videos of up to {video_megabytes} MB, and "
        "{files} files at once."
    )

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

    def album(self, answers: Sequence[str], left_out: int = 0, answered: int = 0) -> list[str]:
        """Number the answers for several pictures, and add how many pictures were left out.

        Args:
            answers: for the pictures after those that were answered before.
            left_out: how many pictures get no answer; the last answer's entry says so.
            answered: how many pictures were answered before.
        """
        lines = [f"{number}. {answer}" for number, answer in enumerate(answers, answered + 1)]
        if left_out:
            more = counted(
                "I describe up to {most} files at once; I left out {count} more.",
                "I describe up to {most} files at once; I left out {count} more.",
                left_out,
            )
            lines[-1] += f"\n{more.format(most=answered + len(answers), count=left_out)}"
        return lines

    def bad_image(self, error: BadImage) -> str:
        """Explain why a photo or a video cannot be captioned."""
        if error.kind == "too many bytes":
            return self.too_large(error.numbers["limit"] / 2**20)
        return bad_images.worded(error)

    def busy(self, error: Busy) -> str:
        """Say when to try again."""
        text = self.STOPPING if error.kind == "stopping" else self.BUSY
        return text.format(seconds=_duration(error.retry_after))

    def too_many(self, seconds: float) -> str:
        """Say when more can be sent."""
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
        max_video_mb: float,
        max_photos: int,
        chosen: str | None = None,
    ) -> str:
        """List a chat's settings, and the limits that apply everywhere.

        Args:
            auto: every photo and video is described.
            private: the chat is one person's with the bot.
            max_mb: of a photo, in units of 2**20 bytes.
            max_video_mb: likewise of a video.
            max_photos: photos and videos of one message.
            chosen: the code of the language that was chosen for the chat; None if none was.
        """
        first = self.AUTO_PRIVATE if private else self.AUTO_ON if auto else self.AUTO_OFF
        # In private somebody's own language is the one that is spoken now.
        second = self.LANGUAGE_OWN_HERE
        if private or chosen:
            second = self.LANGUAGE_HERE.format(language=NAMES[language()])
        limits = self.LIMITS.format(
            megabytes=number(max_mb, "g"),
            video_megabytes=number(max_video_mb, "g"),
            files=max_photos,
        )
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


def _duration(seconds: float) -> str:
    count = max(1, math.ceil(seconds))
    return counted("a second", "{count} seconds", count).format(count=count)
