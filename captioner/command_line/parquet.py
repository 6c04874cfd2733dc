"""An output of captions in files of Parquet: its columns, which photos it has, and what made it.

It is a folder, or an address such as s3://bucket/captions, and a cluster writes it. `record.py` is
the same for a file of JSON lines.
"""

import json

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileType

from captioner.command_line.addresses import opened
from captioner.command_line.lines import name_of
from captioner.command_line.names import Names
from captioner.command_line.settings import Settings, differences
from captioner.output import complain

MADE = "_made.json"  # in the output, says what made it; readers of Parquet pass over such names
_ONE = pa.list_(pa.struct([("name", pa.string()), ("confidence", pa.float64())]))
_OTHER = pa.list_(pa.struct([("caption", pa.string()), ("confidence", pa.float64())]))
SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "file_bytes": pa.string(),
        "error": pa.string(),
        "caption": pa.string(),
        "language": pa.string(),
        "text": pa.string(),
        "doubt": pa.string(),
        "alt_text": pa.string(),
        "confidence": pa.float64(),
        "unfamiliar": pa.bool_(),
        "objects": _ONE,
        "alternatives": _OTHER,
        "logprob": pa.float64(),
    }
)
WHICH = ["file", "file_bytes", "error"]  # what says which photo a row is of, and how it ended


class UnusableOutput(Exception):
    """An output that cannot be continued."""


def check(output: str, now: Settings) -> None:
    """Compare the settings with those that made the output, or keep them in it.

    Raises:
        UnusableOutput: other settings made it.
        OSError: it cannot be read or written.
        ValueError: there is no such kind of address.
    """
    filesystem, folder = opened(output)
    made = f"{folder.rstrip('/')}/{MADE}"
    if filesystem.get_file_info(made).type == FileType.File:
        try:
            with filesystem.open_input_file(made) as file:
                before = dict(json.loads(file.read()))
        except (TypeError, ValueError) as error:
            reason = f"{MADE}, which says what made it, is damaged; name another output"
            raise UnusableOutput(f"{output}: {reason}") from error
        if changes := differences(before, now):
            raise UnusableOutput(
                f"{output}: other settings made it: {changes}. Use the same ones, or name another "
                "output"
            )
        return
    filesystem.create_dir(folder)
    if any(filesystem.get_file_info(FileSelector(folder))):
        raise UnusableOutput(f"{output}: it has files of another program; name another output")
    with filesystem.open_output_stream(made) as file:
        file.write(json.dumps(now, indent=1).encode())


def done_in(output: str) -> tuple[Names, int, int]:
    """Return the photos that an output holds, their number, and how many of them failed.

    A file that was cut off when its writer was killed is removed.

    Raises:
        UnusableOutput: it has a file of another program.
        OSError: it cannot be read or written.
    """
    filesystem, folder = opened(output)
    names, count, failed = Names(), 0, 0
    for found in filesystem.get_file_info(FileSelector(folder)):
        if not found.path.endswith(".parquet"):
            continue
        try:
            with filesystem.open_input_file(found.path) as file:
                parquet = pq.ParquetFile(file)
                if not {*WHICH} <= {*parquet.schema_arrow.names}:
                    raise UnusableOutput(f"{found.path} is another program's; name another output")
                table = parquet.read(columns=WHICH)
        except pa.ArrowInvalid:
            complain(f"{found.path} was cut off; its photos are captioned again")
            filesystem.delete_file(found.path)
            continue
        for row in table.to_pylist():
            names.add(name_of(row))
        count += len(table)
        failed += len(table) - table["error"].null_count
    return names, count, failed
