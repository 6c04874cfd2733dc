"""A small Discord on loopback, the people who use it, and what tests wait for."""

import asyncio
import re
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import WSCloseCode, web

from tests.bot.discord.fake_api import Call, FakeApi
from tests.bot.discord.fake_payloads import ADA, CHANNEL, GUILD, PRIVATE, Json, user

SECONDS = 10.0  # that a test waits for something to happen


class FakeDiscord(FakeApi):
    """Serves one bot."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/gateway", self._gateway)
        app.router.add_get("/{server:cdn|proxy|elsewhere}/{name:.*}", self._file)
        app.router.add_route("*", "/api/v10/{path:.*}", self._api)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.close(code=WSCloseCode.GOING_AWAY)
        await self._runner.cleanup()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    # What people do.

    def attachment(self, photo: bytes, name: str = "photo.jpg", **fields: Any) -> Json:
        """Store a file, and describe it as Discord does."""
        number = str(next(self.ids))
        self.files[f"{number}/{name}"] = photo
        base = f"http://127.0.0.1:{self.port}"
        return {
            "id": number,
            "filename": name,
            "size": len(photo),
            "url": f"{base}/cdn/{number}/{name}",
            "proxy_url": f"{base}/proxy/{number}/{name}",
            "content_type": "image/jpeg",
            **fields,
        }

    async def say(self, content: str = "", **fields: Any) -> Json:
        """Have a person write a message."""
        message = self.message(content, **fields)
        await self.dispatch("MESSAGE_CREATE", message)
        return message

    async def embed(self, message: Json, *embeds: Json) -> None:
        """Have Discord embed what is behind the links of a message."""
        message["embeds"] = [*message["embeds"], *embeds]
        await self.dispatch("MESSAGE_UPDATE", message)

    async def mention(self, content: str = "", **fields: Any) -> Json:
        """Have a person write a message that mentions the bot."""
        return await self.say(f"<@{self.me['id']}> {content}", mentions=[self.me], **fields)

    async def use(
        self, name: str, options: Json | None = None, kind: int = 1, **fields: Any
    ) -> Json:
        """Have a person use a command; an option that is an attachment is resolved."""
        resolved: Json = {"attachments": {}}
        given = []
        for key, value in (options or {}).items():
            if isinstance(value, dict):
                resolved["attachments"][value["id"]] = value
                given.append({"name": key, "type": 11, "value": value["id"]})
            else:
                given.append({"name": key, "type": 5 if value in (True, False) else 3})
                given[-1]["value"] = value
        data: Json = {"id": "900", "name": name, "type": kind, "options": given}
        data["resolved"] = fields.pop("resolved", resolved)
        if "target_id" in fields:
            data["target_id"] = fields.pop("target_id")
        return await self._interact(2, data, **fields)

    async def choose(self, name: str, message: Json, **fields: Any) -> Json:
        """Have a person choose a command in a message's menu."""
        resolved = {"messages": {message["id"]: message}}
        target = message["id"]
        return await self.use(name, kind=3, resolved=resolved, target_id=target, **fields)

    async def press(self, message: Json, custom_id: str, **fields: Any) -> Json:
        """Have a person press a button."""
        data = {"custom_id": custom_id, "component_type": 2}
        return await self._interact(3, data, message=message, **fields)

    async def _interact(self, kind: int, data: Json, **fields: Any) -> Json:
        number = str(next(self.ids))
        permissions = fields.pop("permissions", "0")
        person = user(ADA, "lovelace")
        interaction = {
            "id": number,
            "application_id": self.me["id"],
            "type": kind,
            "token": f"secret-of-{number}",
            "version": 1,
            "data": data,
            "guild_id": GUILD,
            "guild": {"id": GUILD},
            "channel": {"id": CHANNEL, "type": 0, "name": "photos", "position": 0},
            "channel_id": CHANNEL,
            "app_permissions": "0",
            "attachment_size_limit": 10_000_000,
            "authorizing_integration_owners": {"0": GUILD},
            "context": 0,
            "entitlements": [],
            **fields,
        }
        member: Json = {"user": person, "roles": [], "joined_at": None, "flags": 0}
        if interaction["context"] == 0:
            interaction["member"] = {**member, "permissions": str(permissions)}
        else:
            del interaction["guild_id"], interaction["guild"]
            interaction["user"] = person
            interaction["channel"] = {"id": PRIVATE, "type": 1}
        self.interactions[interaction["token"]] = interaction
        await self.dispatch("INTERACTION_CREATE", interaction)
        return interaction

    # What tests wait for.

    async def until(self, happened: Callable[[], Any]) -> Any:
        """Wait until a condition holds, and return its value."""
        try:
            async with asyncio.timeout(SECONDS), self.changed:
                return await self.changed.wait_for(happened)
        except TimeoutError:
            requests = [f"{call.method} {call.path} {call.body}" for call in self.calls]
            raise AssertionError(
                "\n".join(["it did not happen; the requests were", *requests])
            ) from None

    async def call(self, method: str, path: str, nth: int = 1) -> Call:
        """Wait for the nth request to a path, which is a regular expression."""
        await self.until(lambda: len(self.requests(method, path)) >= nth)
        return self.requests(method, path)[nth - 1]

    def requests(self, method: str, path: str) -> list[Call]:
        return [
            call for call in self.calls if call.method == method and re.fullmatch(path, call.path)
        ]

    async def sent(self, nth: int = 1, channel: str = r"\d+") -> Json:
        """Wait for the nth message that the bot sends to a channel."""
        call = await self.call("POST", f"/channels/{channel}/messages", nth)
        body: Json = call.body
        return body

    async def edited(self, interaction: Json, nth: int = 1) -> Json:
        """Wait for the nth edit of an interaction's message."""
        path = f"/webhooks/{self.me['id']}/{interaction['token']}/messages/@original"
        body: Json = (await self.call("PATCH", path, nth)).body
        return body

    async def followed_up(self, interaction: Json, nth: int = 1) -> Call:
        """Wait for the nth follow-up message to an interaction."""
        path = f"/webhooks/{self.me['id']}/{interaction['token']}"
        return await self.call("POST", path, nth)

    async def acknowledged(self, interaction: Json) -> Json:
        """Wait for the first response to an interaction."""
        path = f"/interactions/{interaction['id']}/{interaction['token']}/callback"
        body: Json = (await self.call("POST", path)).body
        return body

    async def connected(self, times: int = 1) -> None:
        """Wait until the bot has identified itself n times."""
        await self.until(lambda: len(self.identified) >= times)
