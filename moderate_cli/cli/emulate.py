"""`moderate emulate`: a local Green service and a local OSS, for tests of any program that calls the API."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.app.signals import stop_signals
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import echo
from moderate_cli.emulator import Emulator
from moderate_cli.emulator.engine import EXTRA, LocalEngine
from moderate_cli.emulator.rules import Rules, read_rules

_STEP = 0.1  # seconds between two looks at whether somebody asked to stop


def emulate(
    ctx: typer.Context,
    port: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=65535, envvar="MODERATE_PORT", help="Port on loopback; 0 picks a free one."
        ),
    ] = 8089,
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="MODERATE_RULES", help="Rules file (YAML): keywords and verdicts."),
    ] = None,
    pending: Annotated[
        int,
        typer.Option(metavar="N", min=0, envvar="MODERATE_PENDING", help="Report each task as in progress N times."),
    ] = 0,
    uid: Annotated[
        str, typer.Option(metavar="ID", envvar="MODERATE_UID", help="Account ID for callback checksums.")
    ] = "1000000000000000",
) -> None:
    """Serve a local stand-in for the API, for tests of any program that calls it."""
    environment: Environment = ctx.obj
    laid_down = read_rules(rules) if rules else Rules()
    emulator = Emulator(
        environment.clock,
        polls_before_result=pending,
        keywords=laid_down.keywords,
        image_rules=laid_down.images,
        account_id=uid,
        port=port,
    )
    with stop_signals() as stopped, ExitStack() as stack:
        _start(stack, emulator, port)
        _introduce(emulator, environment)
        while stopped.code is None:
            time.sleep(_STEP)
    answered, refused = emulator.state.calls()
    echo(environment, f"stopped: {sum(answered.values())} calls answered, {refused} refused")
    raise typer.Exit(stopped.code or ExitCode.OK)


def _start(stack: ExitStack, emulator: Emulator, port: int) -> None:
    """Run the emulator for as long as the stack is open; raises UsageError where it cannot listen."""
    try:
        stack.enter_context(emulator)
    except OSError as error:
        raise UsageError(
            f"cannot listen on 127.0.0.1 port {port}: {error.strerror or error}",
            code="cannot_listen",
            hint="choose another --port",
        ) from error


def _introduce(emulator: Emulator, environment: Environment) -> None:
    """Tell shells where the emulator is and how to sign for it, and people what it is."""
    key = emulator.access_key
    environment.stdout.write(
        f"export MODERATE_ENDPOINT={emulator.endpoint}\n"
        f"export ALIBABA_CLOUD_ACCESS_KEY_ID={key.access_key_id}\n"
        f"export ALIBABA_CLOUD_ACCESS_KEY_SECRET={key.access_key_secret}\n"
    )
    environment.stdout.flush()
    echo(environment, f"listening on {emulator.endpoint}: a local emulator, no cloud verdicts; Ctrl-C ends it")
    if not LocalEngine().is_available():
        echo(environment, f"no detector is installed; only rules judge images ({install_command(EXTRA)})")
