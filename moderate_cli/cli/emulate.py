"""`moderate emulate`: a local Green service and a local OSS, for tests of any program that calls the API."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from moderate_cli.app.signals import stop_signals
from moderate_cli.cli.flatten import FormerName
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import echo
from moderate_cli.emulator import Emulator, Fetch, Tape
from moderate_cli.emulator.engine import EXTRA, LocalEngine
from moderate_cli.rules import Rules, read_rules

_STEP = 0.1  # seconds between two looks at whether somebody asked to stop


class EmulatorOptions(Struct, frozen=True):
    """What is served, and how badly."""

    port: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=65535, envvar="MODERATE_PORT", help="Port on loopback; 0 picks a free one."
        ),
    ] = 8089
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="MODERATE_RULES", help="Rules file: scopes, libraries, fixed verdicts."),
    ] = None
    polls: Annotated[
        int,
        typer.Option(metavar="N", min=0, envvar="MODERATE_POLLS", help="Report each task as in progress N times."),
        FormerName("--pending"),
    ] = 0
    latency: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, max=3600, envvar="MODERATE_LATENCY", help="Delay each answer.")
    ] = 0.0
    max_qps: Annotated[
        int | None,
        typer.Option(
            "--qps",
            metavar="N",
            min=1,
            envvar="MODERATE_EMULATOR_QPS",
            help="Refuse more calls a second, as the service does.",
        ),
    ] = None
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="MODERATE_RECORD", help="Write each verdict to a file in DIR."),
    ] = None
    replay: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="MODERATE_REPLAY", help="Answer with recorded verdicts alone."),
    ] = None
    cert: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="MODERATE_CERT", help="Serve HTTPS with this certificate.")
    ] = None
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="MODERATE_KEY", help="Private key of the certificate.")
    ] = None
    fetch_private: Annotated[
        bool,
        typer.Option(
            "--fetch-private", envvar="MODERATE_FETCH_PRIVATE", help="Fetch images from private addresses too."
        ),
    ] = False
    uid: Annotated[
        str, typer.Option(metavar="ID", envvar="MODERATE_UID", help="Account ID for callback checksums.")
    ] = "1000000000000000"

    @property
    def tape(self) -> Tape | None:
        """What records or replays, if anything; raises UsageError."""
        if self.record and self.replay:
            raise UsageError("--record and --replay cannot be used together", hint="record first, then replay")
        folder = self.replay or self.record
        return Tape(folder, replay=self.replay is not None) if folder else None

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """The certificate and its key, if any; raises UsageError for one without the other."""
        if self.cert and self.key:
            return self.cert, self.key
        if self.cert or self.key:
            raise UsageError("--cert and --key belong together", hint="name both files")
        return None


def emulate(ctx: typer.Context, options: EmulatorOptions) -> None:
    """Serve a local stand-in for the API, for tests of any program that calls it."""
    environment: Environment = ctx.obj
    emulator = Emulator(
        environment.clock,
        polls_before_result=options.polls,
        rules=read_rules(options.rules, environment) if options.rules else Rules(),
        latency=options.latency,
        queries_per_second=options.max_qps,
        tape=options.tape,
        certificate=options.certificate,
        fetch=Fetch.PRIVATE if options.fetch_private else Fetch.PUBLIC,
        account_id=options.uid,
        port=options.port,
    )
    with stop_signals() as stopped, ExitStack() as stack:
        _start(stack, emulator, options.port)
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
