"""The settings of each chat, kept across restarts in an SQLite file."""

import sqlite3
from pathlib import Path

from bot.store.sqlite.database import Database

CHATS = """
CREATE TABLE IF NOT EXISTS chats (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    auto INTEGER NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID
"""
# A chat without a row has chosen no language.
LANGUAGES = """
CREATE TABLE IF NOT EXISTS languages (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    language TEXT NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID
"""
MIGRATIONS = (lambda db: db.execute(CHATS), lambda db: db.execute(LANGUAGES))
APPLICATION = int.from_bytes(b"PCst")  # any number that no other program has
KEY = "platform = ? AND chat = ?"
# How the row of a chat gets the chat's new id, unless that has a row already.
MOVES = (
    f"INSERT OR IGNORE INTO chats SELECT platform, ?, auto FROM chats WHERE {KEY}",
    f"INSERT OR IGNORE INTO languages SELECT platform, ?, language FROM languages WHERE {KEY}",
)


class SqliteChatSettings(Database):
    """The settings of all chats, as `bot.store.chat_settings.ChatSettings`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Name the file, and say whether it is only read."""
        super().__init__(path, MIGRATIONS, APPLICATION, read_only=read_only)
        # By platform and chat. Each message needs one; nobody else writes the file meanwhile.
        self._languages: dict[tuple[str, str], str] = {}

    async def auto(self, platform: str, chat: str | int) -> bool:
        """Return whether everything in a chat is captioned."""
        query = f"SELECT auto FROM chats WHERE {KEY}"
        rows = await self.run(lambda db: db.execute(query, (platform, str(chat))).fetchall())
        return bool(rows and rows[0][0])

    async def set_auto(self, platform: str, chat: str | int, on: bool) -> None:
        """Set whether everything in a chat is captioned, or only on request."""
        change = "INSERT OR REPLACE INTO chats VALUES (?, ?, ?)"
        await self.run(lambda db: db.execute(change, (platform, str(chat), int(on))))

    async def language(self, platform: str, chat: str | int) -> str | None:
        """Return the code of the language that was chosen for a chat; None if none was."""
        return self._languages.get((platform, str(chat)))

    async def set_language(self, platform: str, chat: str | int, code: str | None) -> None:
        """Set the language of a chat; None forgets the choice."""
        key = (platform, str(chat))
        if code is None:
            await self.run(lambda db: db.execute(f"DELETE FROM languages WHERE {KEY}", key))
            self._languages.pop(key, None)
        else:
            change = "INSERT OR REPLACE INTO languages VALUES (?, ?, ?)"
            await self.run(lambda db: db.execute(change, (*key, code)))
            self._languages[key] = code

    async def move(self, platform: str, old: str | int, new: str | int) -> None:
        """Move a chat's settings to its new id, unless that has settings already."""
        before, after = (platform, str(old)), (platform, str(new))

        def move(db: sqlite3.Connection) -> None:
            for copy in MOVES:
                db.execute(copy, (str(new), *before))
            for table in ("chats", "languages"):
                db.execute(f"DELETE FROM {table} WHERE {KEY}", before)

        await self.run(move)
        if code := self._languages.pop(before, None):
            self._languages.setdefault(after, code)

    def _open(self) -> None:
        super()._open()
        try:
            self._languages = _languages(self._connection)
        except BaseException:
            self._connection.close()
            raise


def _languages(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    # A file of an earlier version that is only read lacks the table.
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'languages'").fetchall():
        return {}
    rows = db.execute("SELECT platform, chat, language FROM languages")
    return {(platform, chat): language for platform, chat, language in rows}
