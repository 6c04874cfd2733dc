"""The choice of a language for a chat, the same on every platform."""

from collections.abc import Mapping

from bot import languages
from bot.platforms import Platform
from bot.replies import replies
from bot.store.chat_settings import ChatSettings

OWN = "own"  # what the platform says of each person


def choices(*, private: bool) -> Mapping[str, str]:
    """Return the labels of what can be chosen: each language by its own name, and `OWN`."""
    own = replies.LANGUAGE_APP if private else replies.LANGUAGE_OWN
    return {**languages.NAMES, OWN: own}


def choice_of(text: str) -> str | None:
    """Return what a person wrote as a choice; None if there is no such language."""
    return OWN if text.lower() == OWN else languages.named(text)


async def choose(
    choice: str, chat_settings: ChatSettings, platform: Platform, chat: int, own: str, private: bool
) -> str:
    """Keep a choice, speak that language from now on, and return what to say in it.

    Args:
        choice: one of `choices`.
        chat_settings: keeps it.
        platform: of the chat.
        chat: its id.
        own: the language of the person who chose.
        private: whether the chat is that person's alone.
    """
    code = None if choice == OWN else choice
    await chat_settings.set_language(platform, chat, code)
    languages.speak(code or own)
    return replies.language_set(code, private=private)
