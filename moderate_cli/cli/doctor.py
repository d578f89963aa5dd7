"""`moderate doctor`: whether the service can be used from here, and what to do if not."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.app.session import connect, connect_account, show_log
from moderate_cli.app.spec import ServiceOptions
from moderate_cli.app.stores import store_state
from moderate_cli.cli.flatten import ColorChoice
from moderate_cli.cli.options import (
    PolicyFrom,
    given_settings,
)
from moderate_cli.client import Credentials, CredentialSource, FixedCredentials, GreenClient
from moderate_cli.client.diagnose import Check, run_diagnostics
from moderate_cli.client.parameters import Operation
from moderate_cli.client.quota import QuotaError, SharedQuota
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, ModerateError
from moderate_cli.common.text import echo, safe_text
from moderate_cli.render.json import dump
from moderate_cli.render.output import as_utf8
from moderate_cli.settings import Settings, find_credentials, resolve
from moderate_cli.settings.notices import unknown_services, words_about
from moderate_cli.store import default_path

# Plain escape codes, because Rich would take longer than most checks.
_COLORS = {"ok": 32, "failed": 31, "skipped": 35}


def check_line(name: str, status: str, detail: str, hint: str | None, *, color: bool) -> str:
    """Return a line with the check's name, its outcome and what was found, and a second one that says what to do."""
    word = f"\x1b[{_COLORS[status]}m{status:<8}\x1b[0m" if color else f"{status:<8}"
    line = f"{word}{name:<13}{safe_text(detail)}\n"
    advice = (hint or "").splitlines() if status == "failed" else []
    return line + "".join(f"{'':<21}{safe_text(each)}\n" for each in advice)


class CheckFormat(StrEnum):
    """The formats of `doctor`."""

    TABLE = "table"
    JSON = "json"


def doctor(
    ctx: typer.Context,
    asked: ServiceOptions,
    policy_from: PolicyFrom = None,
    format: Annotated[  # noqa: A002 - the option's name
        CheckFormat, typer.Option("-f", "--format", help="Text (one line per check) or JSON.")
    ] = CheckFormat.TABLE,
    commodity: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="Also check that the account has activated this commodity, such as lvwang_public_cn; the code of the"
            " international site is documented nowhere.",
        ),
    ] = None,
    color: ColorChoice = Color.AUTO,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Log each call to stderr.")] = 0,
) -> None:
    """Check credentials, network, clock, signature and permission."""
    environment = ctx.obj
    show_log(verbose, environment.stderr)
    settings = resolve(given_settings(ctx), environment)
    for line in unknown_services(settings.services):
        echo(environment, line)
    use_color = environment.wants_color(color, environment.stdout)
    checks = []
    for check in _checks(settings, environment, commodity):
        checks.append(check)
        if format is CheckFormat.TABLE:
            environment.stdout.write(check_line(check.name, check.status, check.detail, check.hint, color=use_color))
            environment.stdout.flush()
    if format is CheckFormat.JSON:
        as_utf8(environment.stdout).write(dump({"checks": [_as_json(check) for check in checks]}) + "\n")
    raise typer.Exit(ExitCode.FATAL if any(check.status == "failed" for check in checks) else ExitCode.OK)


def _checks(settings: Settings, environment: Environment, commodity: str | None) -> Iterator[Check]:
    where = settings.endpoint or settings.region or "the local engine"
    origin = f" (the region of {settings.origins['region']})" if settings.region_is_the_accounts else ""
    yield Check("settings", "ok", f"profile {settings.profile or 'none'}, {where}{origin}")
    yield from _check_files(settings)
    yield _check_store((settings.store or default_path()).absolute())
    credentials, source = _check_credentials(settings, environment)
    yield credentials
    is_known = credentials.status == "ok"
    try:
        with connect(settings, environment, source=source) as connection:
            if connection.shared is not None:
                yield _check_quota(connection.shared, connection.clients[0], settings, is_known=is_known)
            for client in connection.clients:
                yield from run_diagnostics(client, internal=settings.vpc, has_credentials=is_known)
    except QuotaError as error:
        yield Check("quota", "failed", error.message, error.hint)
    if commodity is not None:
        yield _check_commodity(commodity, settings, environment)


def _check_quota(shared: SharedQuota, client: GreenClient, settings: Settings, *, is_known: bool) -> Check:
    """Say where the quota is kept that other processes share, its rate now, and how many share it."""
    if not is_known:
        return Check("quota", "ok", f"shared at {shared.keeper.name}")
    operation = Operation.IMAGE_MODERATION if len(settings.services) == 1 else Operation.IMAGE_BATCH_MODERATION
    state = client.rate(operation, settings.services)
    who = f"shared by {state.sharing} now" if state.sharing else "shared by none now"
    return Check("quota", "ok", f"{state.rate:.1f} calls/s for {operation.value} at {shared.keeper.name}, {who}")


def _check_commodity(code: str, settings: Settings, environment: Environment) -> Check:
    """Say whether the account has activated a commodity, and whether a payment for it is overdue."""
    try:
        with connect_account(settings, environment) as client:
            status = client.buy_status(code)
    except ModerateError as error:
        return Check("activation", "failed", error.message, error.hint)
    if not status.bought:
        return Check("activation", "failed", f"{code} is not activated", "activate it in the vendor's console")
    if status.in_debt:
        return Check("activation", "failed", f"a payment for {code} is overdue", "settle it in the vendor's console")
    return Check("activation", "ok", f"{code} is activated")


def _check_credentials(settings: Settings, environment: Environment) -> tuple[Check, CredentialSource]:
    """Return whether there are credentials, and their source: what needs none is checked without them too."""
    source: CredentialSource = FixedCredentials(Credentials("none", "none"), "nowhere")
    if settings.local:
        return Check("credentials", "ok", "the local engine's own"), source
    try:
        choice = settings.credentials
        source = find_credentials(environment, choice.source, choice.profile)
        source.current()
    except ModerateError as error:
        return Check("credentials", "failed", error.message, error.hint), source
    return Check("credentials", "ok", source.origin), source


def _check_files(settings: Settings) -> Iterator[Check]:
    """Say which settings files were read and which were not, where a project has any."""
    files = settings.files
    if files.project is not None:
        yield Check("project file", "ok", f"{files.project.name} ({words_about(files.project)})")
    if settings.refused:
        yield Check("refused", "skipped", "; ".join(settings.refused))


def _check_store(path: Path) -> Check:
    """Say where results are kept, and whether they can be."""
    match store_state(path):
        case "missing":
            return Check("store", "ok", f"{path} (the first run creates it)")
        case "read-only":
            return Check("store", "skipped", f"{path} is read-only: it can be asked, and no result is kept")
        case _:
            return Check("store", "ok", f"{path} ({path.stat().st_size / 1_000_000:,.1f} MB)")


def _as_json(check: Check) -> dict[str, Any]:
    return {"name": check.name, "status": check.status, "detail": check.detail, "hint": check.hint}
