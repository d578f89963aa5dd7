"""`moderate console`: the account's own rules, libraries, results and usage, as the vendor's console has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.account import (
    Account,
    AddImages,
    Applied,
    Note,
    Plan,
    apply_steps,
    describe,
    lock_path,
    make_plan,
    pull_rules,
    read_account,
    read_lock,
    read_own_images,
    step_data,
)
from moderate_cli.app.confirm import check_agreed
from moderate_cli.app.spec import AccountOptions
from moderate_cli.cli.console_libraries import images, keywords
from moderate_cli.cli.console_options import ListFormatChoice, Raw, Yes, open_account, write_raw
from moderate_cli.cli.console_results import feedback, results, usage
from moderate_cli.cli.flatten import OUTPUT_PANEL, ColorChoice, flatten_options
from moderate_cli.cli.help_screen import WIDTH, PlainGroup
from moderate_cli.cli.options import SettingsCommand
from moderate_cli.cli.reference import show
from moderate_cli.client import ManagementClient, ServiceConfig
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, ModerateError, UsageError
from moderate_cli.common.files import atomic_write, read_text
from moderate_cli.common.text import counted, echo
from moderate_cli.models import Json
from moderate_cli.render.json import dump
from moderate_cli.render.listing import ListFormat, Listing, Row
from moderate_cli.render.output import as_utf8
from moderate_cli.render.progress import SharedStream, progress
from moderate_cli.results import RunSummary
from moderate_cli.rules import Rules, read_rules

UNTRIED = "None of this was tried against the live service: look at each plan, and at --raw where something is odd."

app = typer.Typer(
    name="console",
    cls=PlainGroup,
    add_completion=False,
    rich_markup_mode=None,
    epilog=UNTRIED,
    context_settings=WIDTH,
)

_TITLES = {
    "by_hand": "To be set by hand or with `moderate console scope`, for the API documents no shape:",
    "differs": "Different in the account:",
    "impossible": "Not possible, for the API has no operation:",
    "unknown": "Unknown:",
    "kept": "Kept, though the file does not have it:",
    "skipped": "Skipped:",
    "local": "For the local engine only:",
}
_IN_EFFECT = "what services are set to takes effect in 2 to 5 minutes, and a new copy can be called in 1 to 2"
_NAMED = 5  # files that are named of those that would be written over
_MAX_SCOPE = 1_000_000  # bytes of a scope that somebody edited


class PlanFormat(StrEnum):
    """The formats of a plan."""

    TEXT = "text"
    JSON = "json"


RulesFileName = Annotated[Path, typer.Argument(metavar="FILE", help="The rules file.", show_default=False)]
PlanFormatChoice = Annotated[
    PlanFormat, typer.Option("-f", "--format", help="Text or JSON.", rich_help_panel=OUTPUT_PANEL)
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Remove what only the account has: keywords, images, keyword libraries.")
]
UploadAgain = Annotated[
    bool,
    typer.Option("--upload-again", help="Upload to libraries whose images are unknown for want of a lock file."),
]


@app.callback()
def console() -> None:
    """See and set what the account has: rules, libraries, results and usage."""


def services(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show what is set for this service.", show_default=False)
    ] = None,
    raw: Raw = False,
    format: ListFormatChoice = ListFormat.AUTO,  # noqa: A002 - the option's name
    color: ColorChoice = Color.AUTO,
    *,
    account: AccountOptions,
) -> None:
    """List the services of the account, copies among them, or show what is set for one."""
    with open_account(ctx, account) as client:
        if name is not None:
            _show_service(ctx, client, name, raw=raw)
            return
        found = client.services()
        endpoint = client.endpoint
    if raw:
        write_raw(ctx, [each.raw for each in found])
        return
    show(_service_listing(found, endpoint, ctx.obj), format, ctx.obj, color=color)


def _show_service(ctx: typer.Context, client: ManagementClient, name: str, *, raw: bool) -> None:
    """Print a service as JSON: its shape is the API's in large parts."""
    bound, labels = client.service(name), client.scene_labels(name)
    if raw:
        write_raw(ctx, {"GetServiceConfig": bound.raw, "GetImageSceneLabelListConf": labels})
        return
    words = {each.id: each.name for each in client.keyword_libraries()}
    exempt = [each.name for each in client.image_libraries(name) if each.exempt]
    found = next((each for each in client.services() if each.code == name), None)
    document = {
        "service": name,
        "title": found.name if found else None,
        "copy_of": found.copy_of if found else None,
        "exempt": exempt,
        "ignored_keywords": [words.get(each, each) for each in bound.ignored],
        "flagged_keywords": [words.get(each, each) for each in bound.flagged],
        "labels": labels,
    }
    write_raw(ctx, document)


def _service_listing(found: Sequence[ServiceConfig], endpoint: str, environment: Environment) -> Listing:
    rows = [
        Row(
            {"service": each.code, "title": each.name, "description": each.description, "copy_of": each.copy_of},
            (each.code, each.name, f"copy of {each.copy_of}" if each.copy_of else each.description),
        )
        for each in found
    ]
    return Listing(
        name="services",
        source=f"the account, by {endpoint}",
        date=datetime.fromtimestamp(environment.clock(), UTC).strftime("%Y-%m-%d"),
        fields=("service", "title", "description", "copy_of"),
        columns=("Service", "Title", "Description"),
        rows=rows,
    )


def pull(
    ctx: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write to FILE, and longer lists beside it."),
    ] = None,
    yes: Yes = False,
    *,
    account: AccountOptions,
) -> None:
    """Write what the account has as a rules file, with longer lists beside it."""
    environment: Environment = ctx.obj
    base = Rules()
    if output is not None and output.exists():
        base = read_rules(output, environment)
    with open_account(ctx, account) as client:
        everything = read_account(
            client, images_of=lambda _: True, words_of=lambda _: True, looks_at=lambda service: True
        )
    pulled = pull_rules(everything, base, inline=output is None)
    for note in pulled.notes:
        echo(environment, note)
    if output is None:
        as_utf8(environment.stdout).write(pulled.text)
        if pulled.files:
            echo(environment, f"{counted(len(pulled.files), 'list')} of images not written: -o FILE does")
        return
    texts = {output.parent / path: text for path, text in pulled.files.items()} | {output: pulled.text}
    there = [str(path) for path in texts if path.exists()]
    if there:
        check_agreed(environment, f"write {_some(there)} anew? comments are lost", yes=yes)
    for path, text in texts.items():
        _write(path, text)
    echo(
        environment,
        f"wrote {output}" + (f" and {counted(len(pulled.files), 'file')} beside it" if pulled.files else ""),
    )


def _some(names: Sequence[str]) -> str:
    """Return the last names, of which the rules file is one, and how many more there are."""
    more = f" and {counted(len(names) - _NAMED, 'more file')}" if len(names) > _NAMED else ""
    return ", ".join(reversed(names[-_NAMED:])) + more


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror or error}", code="output_unwritable") from error


def plan(
    ctx: typer.Context,
    path: RulesFileName,
    prune: Prune = False,
    upload_again: UploadAgain = False,
    format: PlanFormatChoice = PlanFormat.TEXT,  # noqa: A002 - the option's name
    color: ColorChoice = Color.AUTO,
    *,
    account: AccountOptions,
) -> None:
    """Show what a rules file would change in the account: exit 0 for nothing, 1 for changes."""
    with open_account(ctx, account) as client:
        found = _plan(client, path, ctx.obj, prune=prune, upload_again=upload_again)
    _show(found, format, ctx.obj, color)
    raise typer.Exit(ExitCode.FOUND if found.steps else ExitCode.OK)


def _plan(client: ManagementClient, path: Path, environment: Environment, *, prune: bool, upload_again: bool) -> Plan:
    """Read a rules file and what it is about in the account, and compare the two; raises UsageError before a call."""
    rules = read_rules(path, environment)
    if rules.old is not None:
        raise UsageError(f"{path}: this form is for the local engine only", hint="begin with version: 1")
    images, lock = read_own_images(rules), read_lock(lock_path(path))
    file = rules.file
    everything: Account = read_account(
        client,
        images_of=file.image_libraries.__contains__,
        words_of=file.keyword_libraries.__contains__,
        # What is to be deleted must not be used by any service.
        looks_at=lambda service: (
            prune or service.code in {*file.services, *file.raw.services} or service.copy_of is not None
        ),
    )
    return make_plan(rules, everything, images, lock, prune=prune, upload_again=upload_again)


def _show(
    found: Plan, choice: PlanFormat, environment: Environment, color: str, done: Sequence[Applied] | None = None
) -> None:
    if choice is PlanFormat.JSON:
        as_utf8(environment.stdout).write(dump(_document(found, done)) + "\n")
        return
    from moderate_cli.render.plan_text import PlanLine, PlanNote, write_plan  # loads Rich

    lines = [PlanLine(each.sign, each.words, each.parts) for each in map(describe, found.steps)]
    notes = [PlanNote(_TITLES[note.kind], note.text, note.place) for note in _in_order(found.notes)]
    stream = environment.stdout
    write_plan(lines, notes, stream, width=environment.width(), color=environment.wants_color(color, stream))


def _in_order(notes: Sequence[Note]) -> list[Note]:
    return sorted(notes, key=lambda note: [*_TITLES].index(note.kind))


def _document(found: Plan, done: Sequence[Applied] | None) -> dict[str, Any]:
    steps = [step_data(step) for step in found.steps]
    for number, data in enumerate(steps if done is not None else ()):
        applied = done[number] if done and number < len(done) else None
        data |= {"done": applied is not None, "remark": applied.remark if applied else None}
    notes = [{"kind": note.kind, "place": note.place or None, "text": note.text} for note in found.notes]
    return {"changes": len(steps), "steps": steps, "notes": notes}


def apply(
    ctx: typer.Context,
    path: RulesFileName,
    yes: Yes = False,
    prune: Prune = False,
    upload_again: UploadAgain = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Show the plan, and change nothing.")] = False,
    format: PlanFormatChoice = PlanFormat.TEXT,  # noqa: A002 - the option's name
    color: ColorChoice = Color.AUTO,
    *,
    account: AccountOptions,
) -> None:
    """Make the account what a rules file says: show the plan, ask, and carry it out.

    It may be cut off at any time, and run again: nothing is done twice.
    """
    environment: Environment = ctx.obj
    with open_account(ctx, account) as client:
        found = _plan(client, path, environment, prune=prune, upload_again=upload_again)
        if format is PlanFormat.TEXT or dry_run or not found.steps:
            _show(found, format, environment, color)
        if dry_run or not found.steps:
            return
        question = f"make {counted(len(found.steps), 'change')} in the account of {client.endpoint}?"
        check_agreed(environment, question, yes=yes)
        done: list[Applied] = []
        try:
            done.extend(_carried_out(found, client, lock_path(path), environment))
        finally:
            if format is PlanFormat.JSON:
                _show(found, format, environment, color, done)
    refused = sum(each.refused for each in done)
    raise typer.Exit(ExitCode.INCOMPLETE if refused else ExitCode.OK)


def _carried_out(found: Plan, client: ManagementClient, lock: Path, environment: Environment) -> Iterator[Applied]:
    """Carry out a plan, and say of each step that it is done; an error says how far it came."""
    total, summary = len(found.steps), RunSummary()
    images = sum(len(step.images) for step in found.steps if isinstance(step, AddImages))
    environment = environment.with_stderr(SharedStream(environment.stderr))
    with progress(environment, wanted=images > 0, total=lambda: images) as shown:

        def added(number: int) -> None:
            summary.planned += number
            shown.update(summary)

        number = 0
        try:
            for number, applied in enumerate(apply_steps(found.steps, client, lock, progress=added), 1):
                words = describe(applied.step)
                remark = f" ({applied.remark})" if applied.remark else ""
                echo(environment, f"{number}/{total} done: {words.sign} {words.words}{remark}")
                yield applied
        except (ModerateError, KeyboardInterrupt):
            echo(environment, f"{number:,} of {counted(total, 'step')} done; run it again for the rest")
            raise
    echo(environment, _IN_EFFECT)


def scope(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")],
    scene: Annotated[
        str, typer.Argument(metavar="SCENE", help="The API's word for a kind of risk, such as pornographic.")
    ],
    put: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Set what this file says, once the API has checked it.")
    ] = None,
    by_default: Annotated[bool, typer.Option("--by-default", help="Show the vendor's defaults.")] = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Let the API check FILE, and set nothing.")] = False,
    yes: Yes = False,
    raw: Raw = False,
    *,
    account: AccountOptions,
) -> None:
    """Show or set scope and scores of a service, in the API's own shape, which no page documents.

    Print it, edit it, and give it back with --put; this program never guesses a key of it.
    """
    environment: Environment = ctx.obj
    if dry_run and put is None:
        raise UsageError("--dry-run needs --put FILE")
    config = _scope_of(put) if put is not None else None
    with open_account(ctx, account) as client:
        if config is None:
            answer = client.scope(service, scene, by_default=by_default)
            write_raw(ctx, answer if raw else scene_config(answer))
            return
        client.update_service(service, scene=scene, scene_config=config, dry_run=True)
        echo(environment, f"the API would take {put} for {scene} of {service}")
        if dry_run:
            return
        check_agreed(environment, f"set {scene} of {service} in the account of {client.endpoint}?", yes=yes)
        client.update_service(service, scene=scene, scene_config=config)
    echo(environment, f"set {scene} of {service}; {_IN_EFFECT}")


def scene_config(answer: Json) -> Any:
    """Return the part of GetServiceConf's answer that UpdateServiceConfig takes as SceneConfig.

    No page says which that is: CustomServiceConf is the only part of it that is a map of settings.
    """
    config = answer.get("CustomServiceConf")
    return config if isinstance(config, Mapping) else answer


def _scope_of(path: Path) -> str:
    """Return a scope that somebody edited, as compact JSON; raises UsageError."""
    text = read_text(path, _MAX_SCOPE, what="file", hint="`moderate console scope SERVICE SCENE` prints one")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: a scope is a JSON object")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


for _command in (services, pull, plan, apply, scope, images, keywords, results, feedback, usage):
    app.command(cls=SettingsCommand, context_settings=WIDTH)(flatten_options(_command))
