"""What the values of settings may be; each check says in plain words what is allowed.

A message ends where ", not " and the value can follow: the whole, or what the error has besides.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import HttpUrl, SecretStr, TypeAdapter, WebsocketUrl
from pydantic.fields import FieldInfo
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from bot.platforms import DISCORD, TELEGRAM, WEB

QUOTES = "\"'"
# An address or a name: no scheme, no port, no brackets.
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
VARIABLE = re.compile(r"(^|/)\$[A-Za-z_{]")
# A sign that ends a part of an address must be encoded in the password: the driver would take what
# follows for a machine or a parameter, and name it in its error.
# What follows the colon of a machine is a number: in name:password, without a machine, it is not.
MACHINE = r"(\[[^]@/?#]*\]|[^]\[@:,/?#]*)(:[0-9]*)?"
DATABASE = re.compile(
    rf"postgres(ql)?://([^@/?#]*@)?{MACHINE}(,{MACHINE})*(/[^@?#]*)?(\?[a-z_]+=[^@#]*)?"
)
WHOLE = re.compile(r"[+-]?[0-9]+")
SHARDS = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")  # one, or from one to another
ORIGIN = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[^\s/?#@:*%\[\]\\]+)(?::([0-9]{1,5}))?", re.IGNORECASE
)
PORTS = {"http": 80, "https": 443}  # which browsers leave out
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")


def cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the white space and the quotation marks around values, and values that are blank.

    Files of other programs put them there: `docker --env-file` keeps quotation marks, and the
    carriage returns of Windows.
    """
    bare = {key: _bare(value) if isinstance(value, str) else value for key, value in values.items()}
    return {key: value for key, value in bare.items() if value != ""}


def check_text(value: str) -> str:
    """Refuse what no value can mean.

    Raises:
        ValueError: it has control characters, bytes that are no text, an open quotation mark, or a
            comment, which `docker --env-file` takes for a part of the value.
    """
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
        raise ValueError("must be one line of text, without control characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must be text in UTF-8")
    if value[0] in QUOTES or value[-1] == '"':
        raise ValueError("must have no quotation marks, or one at each end")
    if re.search(r"\s#", value):
        raise ValueError("must be without a comment; put the comment on a line of its own")
    return value


def allowed(field: FieldInfo) -> str:
    """Describe the values of a field whose type is a number, a choice, or true and false."""
    if get_origin(field.annotation) is not None:
        *choices, last = map(str, get_args(field.annotation))
        return f"must be {', '.join(choices)} or {last}"
    if field.annotation is bool:
        return "must be true or false"
    bounds = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("ge", "gt", "le")
        if hasattr(limit, name)
    }
    number = "a whole number" if field.annotation is int else "a number"
    if "gt" in bounds:
        return f"must be {number} above {bounds['gt']} and at most {bounds['le']}"
    return f"must be {number} from {bounds['ge']} to {bounds['le']}"


def _bare(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES
    return value[1:-1].strip() if quoted else value


def _address(kind: type[HttpUrl] | type[WebsocketUrl], example: str) -> AfterValidator:
    wrong = f"must be an address such as {example}"

    def check(value: str) -> str:
        try:
            TypeAdapter(kind).validate_python(value)
            parts = urlsplit(value)
            (parts.hostname or "").encode("idna")  # as whoever looks the name up does
        except ValueError as error:  # pydantic's errors too
            raise ValueError(wrong) from error
        if parts.query or parts.fragment or re.search(r"\s", value):
            raise ValueError(wrong)
        return value.rstrip("/")

    return AfterValidator(check)


def _not_ray(value: object) -> object:
    if isinstance(value, str) and value.lower().startswith("ray:"):
        raise ValueError(
            "must be the http address of the deployment, such as http://captioner.example:8000: "
            "the bot does not need Ray"
        )
    return value


def _host(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        if not HOST.fullmatch(value):
            raise ValueError(
                "must be an address of this machine, without http:// and port, such as 127.0.0.1"
            ) from None
    return value


def _platform_token(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isprintable()):
        raise ValueError("must have only ASCII letters, digits and signs; copy it again")
    if isinstance(value, str) and " " in value:
        raise ValueError("must be one word, without spaces; copy only the token")
    return value


def _rates(value: str) -> str:
    try:
        rates = parse_many(value)
        zero = re.search(r"(?<![0-9])0+(?![0-9])", value)  # also of units: "5 per 0 minutes"
    except ValueError:
        rates, zero = [], None
    if zero or not rates:
        raise ValueError(
            "must be one or more photos per unit of time, such as 5/second, 20/minute, 300/hour, "
            "or several of these: 5/minute;20/hour"
        )
    return value


def _path(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    if VARIABLE.search(str(value)):
        raise ValueError("must be a path without variables")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; there is no home folder of that user") from None


def _whole(value: object) -> object:
    # Pydantic takes 8_0 for 80.
    if isinstance(value, str) and not WHOLE.fullmatch(value):
        raise ValueError
    return value


def _decimal(value: object) -> object:
    if isinstance(value, str) and not DECIMAL.fullmatch(value):
        raise ValueError
    return value


def _each(value: object, read: Callable[[str], str | None], message: str) -> object:
    """Return the words of a list as `read` has them; it returns None for a wrong one."""
    if not isinstance(value, str):
        return value
    words = [word for word in re.split(r"[\s,;]+", value) if word]
    wrong = [word for word in words if read(word) is None]
    if wrong or not words:
        raise ValueError(message, *wrong[:1])
    return frozenset(map(read, words))


def _ids(value: object) -> object:
    message = (
        "must be people, chats or servers by platform and id, with commas, such as "
        "telegram:7,discord:42,web:203.0.113.7"
    )
    return _each(value, _id, message)


def _id(word: str) -> str | None:
    """Return a name as `Visitor.names` has it; None if it is not one."""
    platform, _, id_ = word.partition(":")
    platform = platform.lower()
    if platform == WEB:
        return _web_id(id_)
    # Ids of Telegram's groups are negative.
    known = re.fullmatch(rf"({TELEGRAM}:-?|{DISCORD}:)[0-9]+", f"{platform}:{id_}")
    return f"{platform}:{int(id_)}" if known else None


def _web_id(address: str) -> str | None:
    try:
        if "/" not in address:
            given = ip_address(address)
            return f"{WEB}:{getattr(given, 'ipv4_mapped', None) or given}"
        network = ip_network(address, strict=False)
    except ValueError:
        return None
    # The web chat knows no other networks.
    return f"{WEB}:{network}" if (network.version, network.prefixlen) == (6, 64) else None


def _origins(value: object) -> object:
    message = (
        "must be exact origins of pages, with commas and nothing after the host or port, such as "
        "https://example.org,http://localhost:3000"
    )
    return _each(value, _origin, message)


def _origin(word: str) -> str | None:
    """Return an origin as browsers send it; None if it is not one."""
    match = ORIGIN.fullmatch(word)
    if match is None:
        return None
    scheme, host, port = match[1].lower(), match[2].lower(), int(match[3] or 0)
    try:
        if not host.startswith("["):
            host = host.encode("idna").decode()  # browsers send names of other scripts so
        else:
            host = f"[{ip_address(host[1:-1])}]"
    except ValueError:
        return None
    if port > 65535 or (match[3] and port == 0):
        return None
    return f"{scheme}://{host}" + (f":{port}" if port not in (0, PORTS[scheme]) else "")


def _database(value: object) -> object:
    if isinstance(value, str) and not DATABASE.fullmatch(value):
        raise ValueError(
            "must be an address such as postgresql://name:password@host:5432/database, with "
            "signs like @ / ? # in the password written as %40 %2F %3F %23"
        )
    return value


def _shards(value: object) -> object:
    if not isinstance(value, str):
        return value
    spans = [_span(word) for word in re.split(r"[\s,;]+", value) if word]
    if not spans or not all(spans):
        raise ValueError("must be numbers of shards, such as 0-3 or 0,2")
    return tuple(sorted(set().union(*spans)))


def _span(word: str) -> range:
    """Return the numbers from one to another, or one; none if the word means neither."""
    match = SHARDS.fullmatch(word)
    return range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)


PlatformToken = Annotated[SecretStr, BeforeValidator(_platform_token)]
DatabaseAddress = Annotated[SecretStr, BeforeValidator(_database)]
HttpAddress = Annotated[str, _address(HttpUrl, "https://bot.example")]
CaptionerAddress = Annotated[
    str, BeforeValidator(_not_ray), _address(HttpUrl, "http://captioner.example:8000")
]
WebsocketAddress = Annotated[str, _address(WebsocketUrl, "wss://gateway.discord.gg")]
Host = Annotated[str, AfterValidator(_host)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Whole = Annotated[int, BeforeValidator(_whole)]
Decimal = Annotated[float, BeforeValidator(_decimal)]
Rates = Annotated[str, AfterValidator(_rates)]  # "5/minute;20/hour", as `limits` writes it
Ids = Annotated[frozenset[str], NoDecode, BeforeValidator(_ids)]
Origins = Annotated[frozenset[str], NoDecode, BeforeValidator(_origins)]
ShardIds = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_shards)]  # ascending
