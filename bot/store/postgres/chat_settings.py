"""The settings of each chat in a PostgreSQL database.

Each is read when it is needed, so that what one bot changes holds in the others at once. That is
one row by its key; a message already takes several statements.
"""

from typing import LiteralString

import structlog

from bot.store.errors import DatabaseError
from bot.store.postgres.database import Database

log = structlog.stdlib.get_logger(__name__)

CHAT: LiteralString = "platform = %(platform)s AND chat = %(chat)s"
# In one statement, whose parts all see the rows from before it.
MOVE: LiteralString = """
WITH old AS (
    DELETE FROM captioner_chats WHERE platform = %(platform)s AND chat = %(chat)s RETURNING *
)
INSERT INTO captioner_chats AS known SELECT platform, %(new)s, auto, language FROM old
ON CONFLICT (platform, chat) DO UPDATE SET
    auto = coalesce(known.auto, excluded.auto),
    language = coalesce(known.language, excluded.language)
"""


class PostgresChatSettings:
    """The settings of all chats, as `bot.store.chat_settings.ChatSettings`."""

    def __init__(self, database: Database) -> None:
        """Use the tables of an open database."""
        self.database = database

    async def auto(self, platform: str, chat: str | int) -> bool:
        """Return whether everything in a chat is captioned."""
        query: LiteralString = f"SELECT auto FROM captioner_chats WHERE {CHAT}"
        rows = await self.database.run(query, _chat(platform, chat))
        return bool(rows and rows[0][0])

    async def set_auto(self, platform: str, chat: str | int, on: bool) -> None:
        """Set whether everything in a chat is captioned, or only on request."""
        change: LiteralString = (
            "INSERT INTO captioner_chats (platform, chat, auto) "
            "VALUES (%(platform)s, %(chat)s, %(on)s) "
            "ON CONFLICT (platform, chat) DO UPDATE SET auto = excluded.auto"
        )
        await self.database.run(change, {**_chat(platform, chat), "on": on})

    async def language(self, platform: str, chat: str | int) -> str | None:
        """Return the code of the language that was chosen for a chat.

        It is None if none was chosen, or if that cannot be known now.
        """
        query: LiteralString = f"SELECT language FROM captioner_chats WHERE {CHAT}"
        try:
            rows = await self.database.run(query, _chat(platform, chat))
        except DatabaseError as error:  # the person's own language is better than no answer
            log.warning("the language of a chat cannot be read", reason=str(error))
            return None
        return rows[0][0] if rows else None

    async def set_language(self, platform: str, chat: str | int, code: str | None) -> None:
        """Set the language of a chat; None forgets the choice."""
        change: LiteralString = (
            "INSERT INTO captioner_chats (platform, chat, language) "
            "VALUES (%(platform)s, %(chat)s, %(code)s) "
            "ON CONFLICT (platform, chat) DO UPDATE SET language = excluded.language"
        )
        await self.database.run(change, {**_chat(platform, chat), "code": code})

    async def move(self, platform: str, old: str | int, new: str | int) -> None:
        """Move a chat's settings to its new id, unless that has settings already."""
        await self.database.run(MOVE, {**_chat(platform, old), "new": str(new)})


def _chat(platform: str, chat: str | int) -> dict[str, str]:
    return {"platform": platform, "chat": str(chat)}
