"""`moderate listen`: receive callbacks, verify their checksums, store what they bring, and hold it against the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.app.receiving import ReceiveOptions, check_recorded, receive
from moderate_cli.app.spec import GateOptions, OutputOptions
from moderate_cli.cli.options import request_of, seed_of
from moderate_cli.common.errors import UsageError


def listen(
    ctx: typer.Context,
    gate: GateOptions,
    output: OutputOptions,
    uid: Annotated[str, typer.Option(metavar="ID", envvar="MODERATE_UID", help="Account ID (not a RAM user's).")],
    seed: Annotated[
        str,
        typer.Option(
            metavar="TEXT", envvar="MODERATE_SEED", help="Seed that was submitted; @FILE reads it from a file."
        ),
    ],
    host: Annotated[
        str, typer.Option(metavar="HOST", envvar="MODERATE_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, envvar="MODERATE_PORT", help="Port; 0 picks a free one.")
    ] = 8080,
    path: Annotated[str, typer.Option(metavar="PATH", envvar="MODERATE_PATH", help="Path of the callback URL.")] = "/",
    once: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, envvar="MODERATE_ONCE", help="Stop after N results; repeats do not count."),
    ] = None,
    accept_unverified: Annotated[
        bool,
        typer.Option(
            "--accept-unverified",
            envvar="MODERATE_ACCEPT_UNVERIFIED",
            help="Trust the unsigned task ID if the signed content has none (anyone could have sent it).",
        ),
    ] = False,
    verify_file: Annotated[
        Path | None, typer.Option("--verify", metavar="FILE", help="Verify a recorded callback instead of listening.")
    ] = None,
) -> None:
    """Receive callbacks, verify their checksums, and store what they bring."""
    seed = seed_of(seed) or ""
    if not uid.strip() or not seed.strip():
        raise UsageError("--uid and --seed must not be empty: anyone could forge the checksum")
    options = ReceiveOptions(
        uid=uid, seed=seed, host=host, port=port, path=path, accept_unverified=accept_unverified, once=once
    )
    if verify_file is not None:
        raise typer.Exit(check_recorded(request_of(ctx), options, verify_file, gate, output))
    raise typer.Exit(receive(request_of(ctx), options, gate, output))
