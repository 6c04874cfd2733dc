"""Caption photos: `python -m captioner PHOTO...`; see `export --help` for the other command."""

import sys
from collections.abc import Sequence

from captioner.interrupt import end_at_once, ending_at_once, run
from captioner.output import OutputError, complain, flushing, prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; return its exit status, 0 if all went well."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with flushing():
            return _export(given[1:]) if given[:1] == ["export"] else _caption(given)
    except OutputError as error:
        complain(f"error: standard output: {error}")
        return 1


def _caption(arguments: Sequence[str]) -> int:
    with ending_at_once():  # it takes a second
        from captioner.command_line import command

    return command.main(arguments)


def _export(arguments: Sequence[str]) -> int:
    try:
        with ending_at_once():
            from captioner.export import command
    except ModuleNotFoundError as error:
        complain(f"{error}. Exporting needs: pip install -e '.[export]'")
        return 1
    return command.main(arguments)


if __name__ == "__main__":
    prepare()
    status = run(main)
    end_at_once()
    sys.exit(status)
