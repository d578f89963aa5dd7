"""From the command line to the exit code: the one try/except around the app, and the one exit."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, TextIO

import typer
from typer.exceptions import TyperException

from moderate_cli import __version__
from moderate_cli.cli import LazyGroup
from moderate_cli.cli.help_screen import WIDTH
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, ModerateError

_HELP = "Judge images and posts with Alibaba Cloud Content Moderation."

_WELCOME = """\
moderate judges images and posts. To begin, type one of

  moderate sync PATH -p local   judge without an account
  moderate doctor               check your account
  moderate --help               list all commands
"""

app = typer.Typer(
    cls=LazyGroup,
    help=_HELP,
    add_completion=False,  # `moderate completion` names the shell, and loads less
    context_settings=WIDTH | {"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # see help_screen
    pretty_exceptions_enable=False,  # its tracebacks could show locals, and with them secrets
)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        ctx.obj.stdout.write(f"moderate {__version__}\n")
        raise typer.Exit(ExitCode.OK)
    if ctx.invoked_subcommand is None:
        ctx.obj.stderr.write(_WELCOME)
        raise typer.Exit(ExitCode.USAGE)


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is no crash
    code = run(sys.argv[1:], Environment())
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody can read it
            stream.flush()
    # Python would take itself apart first: a tenth of a short run, and a crash below threads that are in native code.
    os._exit(code)


def _open_closed_streams() -> None:
    """Give a stream that was closed (`>&-`) the null device, or the store would get its number, and others' words.

    Standard output gets it for reading: data that nobody can have must not look as if it had been written.
    """
    for name, mode, flags in (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def run(arguments: Sequence[str], environment: Environment) -> int:
    """Run one command line and return its exit code; here each error becomes a line on stderr, or a few with advice."""
    try:
        command = typer.main.get_command(app)
        code = command.main(list(arguments), prog_name="moderate", standalone_mode=False, obj=environment)
        environment.stdout.flush()
        return int(code or ExitCode.OK)
    except BaseException as error:  # noqa: BLE001 - the one place where everything is caught
        if "--debug" in arguments or environment.variable("MODERATE_DEBUG"):
            import traceback  # 8 ms that only --debug needs

            traceback.print_exc(file=environment.stderr)
        return _explain(error, environment)


def _explain(error: BaseException, environment: Environment) -> ExitCode:
    """Say what ended the run, and return its code."""
    match error:
        case ModerateError():
            from moderate_cli.common.text import error_lines

            for line in error_lines(error):
                _say(line, environment)
            return ExitCode(error.exit_code)
        case TyperException():
            from moderate_cli.cli.mistakes import parse_error

            _say(parse_error(error), environment)
            return ExitCode.USAGE
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case SystemExit(code=int(code), __context__=None):  # Typer's completion leaves so
            return ExitCode(code)
        case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # Typer leaves by itself on a closed pipe
            _silence(sys.stdout)
            return ExitCode.BROKEN_PIPE
        case OSError(errno=errno.EBADF):
            _silence(sys.stdout)
            _say("cannot write: standard output is closed (leave it open, or write elsewhere)", environment)
            return ExitCode.FATAL
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EIO):  # what a file refuses has been told by then
            _silence(sys.stdout)
            _say(f"cannot write: {error.strerror} (make room, or write elsewhere)", environment)
            return ExitCode.FATAL
        case FileNotFoundError(filename=None):  # the one file that is asked for without a name
            _say("the working folder is gone (change to one that exists)", environment)
            return ExitCode.FATAL
        case _:
            words = f"{type(error).__name__}: {error}"
            _say(f"a bug in moderate {__version__}: {words} (run again with --debug and report it)", environment)
            return ExitCode.BUG


def _say(text: str, environment: Environment) -> None:
    from moderate_cli.common.text import echo

    echo(environment, text)


def _silence(stream: TextIO) -> None:
    """Let what is still buffered for a stream that takes nothing go nowhere, or Python complains about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
