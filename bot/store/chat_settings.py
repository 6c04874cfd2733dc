"""The settings of each chat, which outlive the process."""

from typing import Protocol


class ChatSettings(Protocol):
    """The settings of all chats: in a file of this bot's, or in a database of several bots.

    Each method but `language` raises `DatabaseError` if the store cannot be used.
    """

    async def auto(self, platform: str, chat: str | int) -> bool:
        """Return whether everything in a chat is captioned."""

    async def set_auto(self, platform: str, chat: str | int, on: bool) -> None:
        """Set whether everything in a chat is captioned, or only on request."""

    async def language(self, platform: str, chat: str | int) -> str | None:
        """Return the code of the language that was chosen for a chat.

        It is None if none was chosen, or if that cannot be known now.
        """

    async def set_language(self, platform: str, chat: str | int, code: str | None) -> None:
        """Set the language of a chat; None forgets the choice."""

    async def move(self, platform: str, old: str | int, new: str | int) -> None:
        """Move a chat's settings to its new id, unless that has settings already."""
