"""A small Discord on loopback: the REST API, the gateway and the file servers."""

import asyncio
import itertools
import json
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

from aiohttp import BodyPartReader, WSCloseCode, WSMsgType, web

Json = dict[str, Any]

TOKEN = "MTA.fake.token-of-the-bot"
ME, ADA, OWNER = "600000000000000000", "610000000000000000", "620000000000000000"
GUILD, CHANNEL, PRIVATE = "700000000000000000", "710000000000000000", "720000000000000000"
THREAD = "730000000000000000"  # of the channel
GRANTED, GRANTED_LIMITED = 1 << 18, 1 << 19  # application flags of the message content intent
DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 12, 1 << 15  # intents
ADMINISTRATOR, MANAGE_CHANNELS = 1 << 3, 1 << 4  # permissions
EPHEMERAL = 1 << 6  # a message flag
UNSET = {"description": "", "default_member_permissions": None}  # of a command
SECONDS = 10.0  # after which a test has waited long enough


@dataclass
class Call:
    """One request of the bot."""

    method: str
    path: str  # below the API's base
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)
    when: float = 0.0


@dataclass
class Failure:
    """How the next requests to a path are answered."""

    method: str
    path: str
    status: int
    body: Json
    headers: dict[str, str]
    times: int
    done: bool  # what was asked for is done nevertheless


@dataclass
class Session:
    """One gateway session; it outlives its connection."""

    id: str
    shard: tuple[int, int]
    intents: int
    socket: web.WebSocketResponse | None
    pack: Callable[[Json], Any]
    events: list[Json] = field(default_factory=list)


class FakeDiscord:
    """Serves one bot."""

    def __init__(self) -> None:
        self.ids = itertools.count(snowflake())
        self.me = user(ME, "captions", bot=True)
        self.flags = 0
        self.shards = 1
        self.heartbeat_interval = 41.25  # seconds
        self.calls: list[Call] = []
        self.identified: list[Json] = []
        self.heartbeats = 0
        self.queries: list[dict[str, str]] = []
        self.commands: list[Json] = []
        self.messages: dict[str, Json] = {}
        self.interactions: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        self.sessions: dict[str, Session] = {}
        self.deny_gateway: int | None = None  # a close code instead of READY
        self.resume_refused = False
        self.away = False  # the gateway answers with an error
        self.deaf = False  # the gateway reads no more once a session has begun
        self.moved: dict[str, str] = {}  # files that are elsewhere now
        self.nonces: dict[tuple[str, str], str] = {}  # numbers of messages, by channel and nonce
        self.gone: set[str] = set()  # channels
        self._failures: list[Failure] = []
        self._changed = asyncio.Condition()

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

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    # What tests wait for.

    async def until(self, happened: Callable[[], Any]) -> Any:
        """Wait until something is true, and return it."""
        try:
            async with asyncio.timeout(SECONDS), self._changed:
                return await self._changed.wait_for(happened)
        except TimeoutError:
            seen = [f"{call.method} {call.path} {call.body}" for call in self.calls]
            raise AssertionError("\n".join(["it did not happen; there were", *seen])) from None

    async def call(self, method: str, path: str, nth: int = 1) -> Call:
        """Wait for the nth request to a path, which is a regular expression."""
        await self.until(lambda: len(self.seen(method, path)) >= nth)
        return self.seen(method, path)[nth - 1]

    def seen(self, method: str, path: str) -> list[Call]:
        return [
            call for call in self.calls if call.method == method and re.fullmatch(path, call.path)
        ]

    async def said(self, nth: int = 1, channel: str = r"\d+") -> Json:
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
        """Wait for the nth further message to an interaction."""
        path = f"/webhooks/{self.me['id']}/{interaction['token']}"
        return await self.call("POST", path, nth)

    async def acknowledged(self, interaction: Json) -> Json:
        """Wait for the first response to an interaction."""
        path = f"/interactions/{interaction['id']}/{interaction['token']}/callback"
        body: Json = (await self.call("POST", path)).body
        return body

    async def connected(self, times: int = 1) -> None:
        """Wait until the bot has identified itself so many times."""
        await self.until(lambda: len(self.identified) >= times)

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
        times: int = 1,
        *,
        done: bool = False,
    ) -> None:
        """Answer the next requests to a path with an error, even though they may be done."""
        failure = Failure(method, path, status, body or {}, headers or {}, times, done)
        self._failures.append(failure)

    def failure(self, method: str, path: str) -> Failure | None:
        """Return how a request is to fail, if it is."""
        for failure in self._failures:
            if failure.method == method and re.fullmatch(failure.path, path):
                failure.times -= 1
                if not failure.times:
                    self._failures.remove(failure)
                return failure
        return None

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

    def message(self, content: str = "", **fields: Any) -> Json:
        """Store a message of a person in the guild's channel."""
        made: Json = {
            "id": str(next(self.ids)),
            "type": 0,
            "channel_id": CHANNEL,
            "guild_id": GUILD,
            "author": user(ADA, "lovelace"),
            "content": content,
            "timestamp": "2026-01-02T03:04:05+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            **fields,
        }
        if made["channel_id"] == PRIVATE:
            del made["guild_id"]
        self.messages[made["id"]] = made
        return made

    async def say(self, content: str = "", **fields: Any) -> Json:
        """Have a person write a message."""
        message = self.message(content, **fields)
        await self.dispatch("MESSAGE_CREATE", message)
        return message

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

    # The gateway.

    async def dispatch(self, event: str, data: Json, shard: int = 0) -> None:
        """Send an event to the newest session of a shard, at once or when it resumes."""
        session = [one for one in self.sessions.values() if one.shard[0] == shard][-1]
        if event == "MESSAGE_CREATE":
            data = self._visible(data, session.intents)
        frame = {"op": 0, "t": event, "s": len(session.events) + 1, "d": data}
        session.events.append(frame)
        if session.socket is not None and not session.socket.closed:
            await _send(session.socket, session.pack(frame))

    async def drop(self) -> None:
        """Break the connections of all sessions, which may resume."""
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.close(code=4000)
                session.socket = None

    async def order(self, op: int, data: Any = None) -> None:
        """Send all connected sessions something else than an event."""
        for session in list(self.sessions.values()):
            if session.socket is not None:
                socket, session.socket = session.socket, None
                await _send(socket, session.pack({"op": op, "d": data}))

    @property
    def _granted(self) -> int:
        return MESSAGE_CONTENT if self.flags & (GRANTED | GRANTED_LIMITED) else 0

    def _visible(self, message: Json, intents: int) -> Json:
        mine = self.me["id"]
        if (
            intents & MESSAGE_CONTENT
            or "guild_id" not in message
            or message["author"]["id"] == mine
            or any(person["id"] == mine for person in message["mentions"])
        ):
            return message
        return {**message, "content": "", "attachments": [], "embeds": []}

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if self.away:
            await self._notify()
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        pack = _packer(request.query.get("compress"))
        hello = {"heartbeat_interval": int(self.heartbeat_interval * 1000)}
        await _send(socket, pack({"op": 10, "d": hello}))
        session: Session | None = None
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            asked = json.loads(frame.data)
            if asked["op"] == 1:
                self.heartbeats += 1
                await _send(socket, pack({"op": 11}))
            elif asked["op"] == 2:
                session = await self._identify(socket, pack, asked["d"])
            elif asked["op"] == 6:
                session = await self._resume(socket, pack, asked["d"])
            await self._notify()
            if self.deaf and session is not None:
                await asyncio.Event().wait()
        if session is not None and session.socket is socket:
            session.socket = None
        await self._notify()
        return socket

    async def _identify(
        self, socket: web.WebSocketResponse, pack: Callable[[Json], Any], asked: Json
    ) -> Session | None:
        code = self.deny_gateway
        if asked["token"] != TOKEN:
            code = 4004
        elif asked["intents"] & MESSAGE_CONTENT and not self._granted:
            code = 4014
        if code is not None:
            await socket.close(code=code)
            return None
        shard = tuple(asked.get("shard", (0, 1)))
        session = Session(f"session-{next(self.ids)}", shard, asked["intents"], socket, pack)
        self.sessions[session.id] = session
        ready = {
            "v": 10,
            "user": self.me,
            "guilds": [{"id": GUILD, "unavailable": True}],
            "session_id": session.id,
            "resume_gateway_url": self.gateway,
            "shard": list(shard),
            "application": {"id": self.me["id"], "flags": self.flags},
        }
        await self.dispatch("READY", ready, shard[0])
        await self.dispatch("GUILD_CREATE", _guild(), shard[0])
        self.identified.append(asked)
        return session

    async def _resume(
        self, socket: web.WebSocketResponse, pack: Callable[[Json], Any], asked: Json
    ) -> Session | None:
        session = self.sessions.get(asked["session_id"])
        if session is None or self.resume_refused:
            self.sessions.pop(asked["session_id"], None)
            await _send(socket, pack({"op": 9, "d": False}))
            return None
        session.socket, session.pack = socket, pack
        for event in session.events[asked["seq"] :]:
            await _send(socket, pack(event))
        await self.dispatch("RESUMED", {}, session.shard[0])
        return session

    # The API.

    async def _api(self, request: web.Request) -> web.Response:
        path = "/" + request.match_info["path"]
        call = Call(request.method, path, query=dict(request.query))
        call.when = asyncio.get_running_loop().time()
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                assert isinstance(part, BodyPartReader)
                data = bytes(await part.read())
                if part.name == "payload_json":
                    call.body = json.loads(data)
                else:
                    call.files.append(data)
        elif request.can_read_body:
            call.body = await request.json()
        answer = self._answer(request, call)
        self.calls.append(call)
        await self._notify()
        return answer

    def _answer(self, request: web.Request, call: Call) -> web.Response:
        if failure := self.failure(call.method, call.path):
            if failure.done:
                self._handled(request, call)
            return _json(failure.body, failure.status, failure.headers)
        return self._handled(request, call)

    def _handled(self, request: web.Request, call: Call) -> web.Response:
        open_to_all = call.path.startswith(("/interactions/", "/webhooks/"))
        if not open_to_all and request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _json({"code": 0, "message": "401: Unauthorized"}, 401)
        for (method, path), handler in ROUTES.items():
            if method == call.method and (match := re.fullmatch(path, call.path)):
                return handler(self, call, *match.groups())
        return _json({"code": 0, "message": "404: Not Found"}, 404)

    def _whoami(self, call: Call) -> web.Response:
        return _json(self.me)

    def _application(self, call: Call) -> web.Response:
        return _json(
            {
                "id": self.me["id"],
                "name": "Captions",
                "description": "",
                "icon": None,
                "bot_public": True,
                "bot_require_code_grant": False,
                "owner": user(OWNER, "owner"),
                "verify_key": "",
                "flags": self.flags,
            }
        )

    def _where(self, call: Call) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return _json({"url": self.gateway, "shards": self.shards, "session_start_limit": limit})

    def _sync(self, call: Call) -> web.Response:
        self.commands = call.body
        filled = {"id": "900", "application_id": self.me["id"], "version": "1"}
        return _json([{**UNSET, **one, **filled} for one in call.body])

    def _channel(self, call: Call, number: str) -> web.Response:
        known = {one["id"]: one for one in (_room(), _thread())}
        known[PRIVATE] = {"id": PRIVATE, "type": 1, "recipients": [user(ADA, "lovelace")]}
        if number in self.gone or number not in known:
            return _json({"code": 10003, "message": "Unknown Channel"}, 404)
        return _json(known[number])

    def _history(self, call: Call, channel: str) -> web.Response:
        if channel in self.gone:
            return _json({"code": 10003, "message": "Unknown Channel"}, 404)
        after, limit = int(call.query["after"]), int(call.query["limit"])
        found = [one for one in self.messages.values() if one["channel_id"] == channel]
        found = sorted((one for one in found if int(one["id"]) > after), key=_number)[:limit]
        return _json([self._visible(one, self._granted) for one in reversed(found)])

    def _depart(self, call: Call, guild: str) -> web.Response:
        return web.Response(status=204)

    def _post(self, call: Call, channel: str) -> web.Response:
        nonce = (channel, str(call.body.get("nonce")))
        if call.body.get("enforce_nonce") and nonce in self.nonces:
            return _json(self.messages[self.nonces[nonce]])
        reference = call.body.get("message_reference")
        if reference:
            reference["message_id"] = str(reference["message_id"])
        if reference and reference["message_id"] not in self.messages:
            if reference.get("fail_if_not_exists", True):
                return _json({"code": 50035, "message": "Invalid Form Body"}, 400)
            reference = None
        message = self._by_me(call.body, channel_id=channel)
        if reference:
            message["message_reference"] = {**reference, "channel_id": channel}
        self.nonces[nonce] = message["id"]
        return _json(message)

    def _get(self, call: Call, channel: str, number: str) -> web.Response:
        message = self.messages.get(number)
        if message is None or message["channel_id"] != channel:
            return _json({"code": 10008, "message": "Unknown Message"}, 404)
        return _json(self._visible(message, self._granted))

    def _type(self, call: Call, channel: str) -> web.Response:
        return web.Response(status=204)

    def _respond(self, call: Call, number: str, token: str) -> web.Response:
        interaction = self.interactions.get(token)
        if interaction is None or interaction.get("dead"):
            return _json({"code": 10062, "message": "Unknown interaction"}, 404)
        if "acknowledged" in interaction:
            return _json({"code": 40060, "message": "Interaction has already been"}, 400)
        interaction["acknowledged"] = call.body["type"]
        told: Json = {"id": number, "type": interaction["type"]}
        answer: Json = {"interaction": told}
        if call.body["type"] in (4, 5):
            made = self._by_me(call.body.get("data") or {}, channel_id=_channel(interaction))
            interaction["original"] = made["id"]
            told["response_message_id"] = made["id"]
            answer["resource"] = {"type": call.body["type"], "message": made}
        elif interaction["type"] == 3:
            interaction["original"] = interaction["message"]["id"]
        return _json(answer)

    def _edit_original(self, call: Call, application: str, token: str) -> web.Response:
        interaction = self.interactions.get(token, {})
        message = self.messages.get(interaction.get("original", ""))
        if message is None or interaction.get("dead"):
            return _json({"code": 10015, "message": "Unknown Webhook"}, 404)
        self._change(message, call.body)
        return _json(message)

    def _follow_up(self, call: Call, application: str, token: str) -> web.Response:
        interaction = self.interactions.get(token, {})
        if "acknowledged" not in interaction or interaction.get("dead"):
            return _json({"code": 10015, "message": "Unknown Webhook"}, 404)
        return _json(self._by_me(call.body, channel_id=_channel(interaction)))

    def _by_me(self, body: Json, **fields: Any) -> Json:
        message = self.message("", author=self.me, **fields)
        message["flags"] = body.get("flags", 0)
        self._change(message, body)
        return message

    def _change(self, message: Json, body: Json) -> None:
        for key in ("content", "components"):
            if key in body:
                message[key] = body[key]
        for embed in body.get("embeds", []):
            for part in ("image", "thumbnail"):
                if part in embed:
                    embed[part]["proxy_url"] = self.proxied(embed[part]["url"])
        message["embeds"] = body.get("embeds", message["embeds"])

    def proxied(self, url: str) -> str:
        """Return the address at which Discord's proxy hands on a picture."""
        return f"http://127.0.0.1:{self.port}/proxy/{quote(url, safe='')}"

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = unquote(request.match_info["name"]).removeprefix(f"http://127.0.0.1:{self.port}/")
        server = request.match_info["server"]
        self.calls.append(Call("GET", f"/{server}/{name}"))
        await self._notify()
        if failure := self.failure("GET", f"/{server}/{name}"):
            return web.Response(status=failure.status)
        if name in self.moved:
            raise web.HTTPFound(self.moved[name])
        photo = self.files.get(name.removeprefix("cdn/").removeprefix("elsewhere/"))
        if photo is None:
            return web.Response(status=404)
        return web.Response(body=photo, content_type="image/jpeg")

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


ROUTES: dict[tuple[str, str], Callable[..., web.Response]] = {
    ("GET", "/users/@me"): FakeDiscord._whoami,
    ("GET", "/oauth2/applications/@me"): FakeDiscord._application,
    ("GET", "/gateway(?:/bot)?"): FakeDiscord._where,
    ("PUT", r"/applications/\d+/commands"): FakeDiscord._sync,
    ("POST", r"/channels/(\d+)/messages"): FakeDiscord._post,
    ("GET", r"/channels/(\d+)"): FakeDiscord._channel,
    ("GET", r"/channels/(\d+)/messages"): FakeDiscord._history,
    ("GET", r"/channels/(\d+)/messages/(\d+)"): FakeDiscord._get,
    ("DELETE", r"/users/@me/guilds/(\d+)"): FakeDiscord._depart,
    ("POST", r"/channels/(\d+)/typing"): FakeDiscord._type,
    ("POST", r"/interactions/(\d+)/([^/]+)/callback"): FakeDiscord._respond,
    ("PATCH", r"/webhooks/(\d+)/([^/]+)/messages/@original"): FakeDiscord._edit_original,
    ("POST", r"/webhooks/(\d+)/([^/]+)"): FakeDiscord._follow_up,
}


def user(number: str, name: str, *, bot: bool = False) -> Json:
    """Describe a person or a bot."""
    return {
        "id": number,
        "username": name,
        "discriminator": "0",
        "avatar": None,
        "global_name": None,
        "bot": bot,
    }


def snowflake(age: float = 0.0) -> int:
    """Return the number of what was made so many seconds ago."""
    return int((time.time() - age) * 1000 - 1_420_070_400_000) << 22


def _number(message: Json) -> int:
    return int(message["id"])


def _room() -> Json:
    channel: Json = {"id": CHANNEL, "type": 0, "name": "photos", "position": 0}
    return channel | {"permission_overwrites": [], "guild_id": GUILD}


def _thread() -> Json:
    thread: Json = {
        "id": THREAD,
        "type": 11,
        "name": "more",
        "guild_id": GUILD,
        "parent_id": CHANNEL,
    }
    thread |= {"owner_id": OWNER, "message_count": 0, "member_count": 1, "rate_limit_per_user": 0}
    state: Json = {"archived": False, "locked": False, "auto_archive_duration": 60}
    state |= {"archive_timestamp": "2026-01-02T03:04:05+00:00"}
    return thread | {"thread_metadata": state}


def _guild() -> Json:
    everyone = {"id": GUILD, "name": "@everyone", "permissions": "0", "position": 0}
    everyone |= {"color": 0, "hoist": False, "managed": False, "mentionable": False}
    guild = {"id": GUILD, "name": "Guild", "owner_id": OWNER, "roles": [everyone]}
    return guild | {"channels": [_room()], "threads": [_thread()], "member_count": 2}


def _channel(interaction: Json) -> str:
    number: str = interaction["channel"]["id"]
    return number


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # The client reads nothing as JSON that has a charset in its content type.
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def _packer(compression: str | None) -> Callable[[Json], Any]:
    if compression == "zlib-stream":
        stream = zlib.compressobj()
        return lambda frame: (
            stream.compress(json.dumps(frame).encode()) + stream.flush(zlib.Z_SYNC_FLUSH)
        )
    if compression == "zstd-stream":  # from Python 3.14 on
        other = import_module("compression.zstd").ZstdCompressor()
        return lambda frame: other.compress(json.dumps(frame).encode(), other.FLUSH_BLOCK)
    return json.dumps


async def _send(socket: web.WebSocketResponse, frame: str | bytes) -> None:
    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
