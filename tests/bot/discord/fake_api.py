"""The REST API of a small Discord, and its file servers."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import BodyPartReader, web

from tests.bot.discord.fake_gateway import FakeGateway
from tests.bot.discord.fake_payloads import (
    ADA,
    PRIVATE,
    TOKEN,
    Json,
    application,
    channel,
    message,
    thread,
    user,
)

CUT = 0  # in place of the status of an answer
UNSET = {"description": "", "default_member_permissions": None}  # of a command


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
    done: bool  # the request is carried out in spite of the error
    seconds: float  # until the answer


class FakeApi(FakeGateway):
    """Answers the requests of one bot."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.commands: list[Json] = []
        self.messages: dict[str, Json] = {}
        self.interactions: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        self.frames: dict[str, bytes] = {}  # the first ones of videos, by the names of their files
        self.moved: dict[str, str] = {}  # names of files, and the addresses they redirect to
        self.nonces: dict[str, tuple[str, float]] = {}  # ids of messages, and when they were sent
        self.nonce_seconds = 300.0  # for which a nonce is known
        self.latency = 0.0  # seconds between taking a message and saying so
        self.gone: set[str] = set()  # ids of deleted channels
        self._failures: list[Failure] = []

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
        seconds: float = 0.0,
    ) -> None:
        """Answer the next requests to a path with an error, even if they are carried out.

        With the status `CUT` the connection ends without an answer.
        """
        failure = Failure(method, path, status, body or {}, headers or {}, times, done, seconds)
        self._failures.append(failure)

    def failure(self, method: str, path: str) -> Failure | None:
        """Return how a request shall fail, if at all."""
        for failure in self._failures:
            if failure.method == method and re.fullmatch(failure.path, path):
                failure.times -= 1
                if not failure.times:
                    self._failures.remove(failure)
                return failure
        return None

    def message(self, content: str = "", **fields: Any) -> Json:
        """Store a message, by default one that a person sent to the server's channel."""
        made = message(str(next(self.ids)), content, **fields)
        self.messages[made["id"]] = made
        return made

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
        failure = self.failure(call.method, call.path)
        if failure is None or failure.done:
            answer = self._handled(request, call)
        self.calls.append(call)
        await self._notify()
        if failure is None:
            if call.method == "POST" and call.path.endswith("/messages"):
                await asyncio.sleep(self.latency)
            return answer
        await asyncio.sleep(failure.seconds)
        if failure.status == CUT:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return _json(failure.body, failure.status, failure.headers)

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
        return _json(application(self.flags))

    def _where(self, call: Call) -> web.Response:
        limit = {"total": 1000, "remaining": self.sessions_left, "reset_after": 5_400_000}
        limit["max_concurrency"] = self.max_concurrency
        return _json({"url": self.gateway, "shards": self.shards, "session_start_limit": limit})

    def _sync(self, call: Call) -> web.Response:
        self.commands = call.body
        filled = {"id": "900", "application_id": self.me["id"], "version": "1"}
        return _json([{**UNSET, **one, **filled} for one in call.body])

    def _channel(self, call: Call, number: str) -> web.Response:
        known = {one["id"]: one for one in (channel(), thread())}
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
        nonce = call.body.get("nonce", "")
        known, sent = self.nonces.get(nonce, ("", 0.0))
        if call.body.get("enforce_nonce") and known and call.when - sent < self.nonce_seconds:
            return _json(self.messages[known])
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
        if nonce:
            self.nonces[nonce] = (message["id"], call.when)
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
        framed = request.query.get("format") == "webp" or name.endswith("?format=webp")
        known = self.frames if framed else self.files
        name = re.sub(r"^(cdn|elsewhere|proxy)/|\?format=webp$", "", name)
        photo = known.get(name)
        if photo is None:
            return web.Response(status=415 if framed else 404)
        return web.Response(body=photo, content_type="image/jpeg")


ROUTES: dict[tuple[str, str], Callable[..., web.Response]] = {
    ("GET", "/users/@me"): FakeApi._whoami,
    ("GET", "/oauth2/applications/@me"): FakeApi._application,
    ("GET", "/gateway(?:/bot)?"): FakeApi._where,
    ("PUT", r"/applications/\d+/commands"): FakeApi._sync,
    ("POST", r"/channels/(\d+)/messages"): FakeApi._post,
    ("GET", r"/channels/(\d+)"): FakeApi._channel,
    ("GET", r"/channels/(\d+)/messages"): FakeApi._history,
    ("GET", r"/channels/(\d+)/messages/(\d+)"): FakeApi._get,
    ("DELETE", r"/users/@me/guilds/(\d+)"): FakeApi._depart,
    ("POST", r"/channels/(\d+)/typing"): FakeApi._type,
    ("POST", r"/interactions/(\d+)/([^/]+)/callback"): FakeApi._respond,
    ("PATCH", r"/webhooks/(\d+)/([^/]+)/messages/@original"): FakeApi._edit_original,
    ("POST", r"/webhooks/(\d+)/([^/]+)"): FakeApi._follow_up,
}


def _number(message: Json) -> int:
    return int(message["id"])


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
