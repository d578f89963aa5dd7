"""Runs over images: from what is asked for to what judges them, and `scan` for programs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from moderate_cli.app.cache import Plan, Remembering, ResultCache, since
from moderate_cli.app.confirm import confirm, read_once
from moderate_cli.app.run import Run, async_cost, billed, chosen_formats, count_left_out, unmatched
from moderate_cli.app.session import Session, check_region, only_service, open_session
from moderate_cli.app.spec import DataIdFrom, OutputOptions, Request, ScanSpec
from moderate_cli.catalog.prices import Estimate, image_calls
from moderate_cli.client import AsyncOptions, CallbackOptions, GreenClient, Submission
from moderate_cli.client.parameters import MAX_DATA_ID, Operation, check_data_id
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, InputError, ModerateError, RefusedError, UsageError
from moderate_cli.common.masking import mask_address
from moderate_cli.common.text import echo
from moderate_cli.models import Engine, Item, Known, OssObject, Outcome, RemoteImage, RiskLevel
from moderate_cli.render import Format, choose_format, clean_wanted
from moderate_cli.render.output import open_output
from moderate_cli.render.summary import plan_lines, plan_renderer
from moderate_cli.render.wording import not_tried_words
from moderate_cli.results import RunSummary
from moderate_cli.scanning import (
    Ask,
    CallBudget,
    Cost,
    Executor,
    ImageCall,
    ImageJudge,
    Sampling,
    Sender,
    cache_key,
    one_call,
    plan,
)
from moderate_cli.settings import SETTINGS, Settings, Sourced
from moderate_cli.settings.notices import unknown_regions
from moderate_cli.sources import Selection, Shard, Sources
from moderate_cli.sources.addresses import is_oss, is_s3, is_web, region_id
from moderate_cli.sources.lists import STANDARD_INPUT, check_list

if TYPE_CHECKING:
    from moderate_cli.sources.changes import Changes

if TYPE_CHECKING:
    from moderate_cli.app.prescreen import Prescreen
    from moderate_cli.rules import Rules

Options = TypeVar("Options", bound=CallbackOptions)

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_.-]")
_FORMATS = (Format.TABLE, Format.JSONL)


def scan(
    names: Iterable[str | Path],
    spec: ScanSpec = ScanSpec(),  # noqa: B008 - it never changes
    environment: Environment | None = None,
    **settings: Any,
) -> Iterator[Outcome]:
    """Judge images and yield what became of each, as soon as it is known: a Judged, Skipped or Failed outcome.

    `names` are files, folders, globs, URLs and oss:// addresses. `settings` are those of moderate.yaml, and `profile`,
    `config` and `policy_from`, such as `profile="local"` or `services=["baselineCheck"]`; they come before those in
    `spec`. Several services are asked in one call. What both leave open, the environment and the settings files say,
    as for the command. A dry run yields Planned outcomes. Raises UsageError for what makes no sense, as are fields of
    `spec` about reports and suppressions, for every finding is yielded; and CredentialsError where there are none,
    before anything is sent. Where the run ends before all images, by `max_calls` or an error that all further ones
    would meet, the last thing it does is to raise a ModerateError with the code `not_tried`. Closing the iterator ends
    the run too: what is on its way is still judged, and kept in the store.
    """
    if isinstance(names, (str, bytes, Path)):  # a string is its characters, and one of them may be the root folder
        raise UsageError("sources must be a list, not one name", hint=f"give [{names!r}]")
    for name in settings.keys() - SETTINGS.keys() - {"profile", "config", "policy_from"}:
        raise UsageError(f"unknown setting {name}", hint="the settings are those of moderate.yaml")
    if unused := [*spec.for_people(), *({"confirm_above"} & settings.keys())]:
        raise UsageError(f"scan() has no use for {', '.join(unused)}", hint="it yields all outcomes and writes nothing")
    given = spec.settings() | {name: Sourced(value, f"{name}=") for name, value in settings.items()}
    # Standard input is the program's, so that nobody is asked.
    all_records = replace(spec, output=replace(spec.output, format=Format.JSONL), cost=replace(spec.cost, yes=True))
    run = image_run(Request("scan", environment or Environment(), given), [str(name) for name in names], all_records)
    with run.open_session() as session:
        question = (batch_question if len(session.settings.services) > 1 else sync_question)(session.settings)
        if not spec.cost.dry_run:
            check_region(session.settings, question.operation)
        executor, _ = open_scan(run, session, question)
        summary = RunSummary(policy=session.policy)
        try:
            for outcome in map(session.recorder.dated, executor):
                summary.add(outcome)
                yield outcome
        finally:
            executor.stop()
            summary.not_tried, summary.at_least = executor.not_tried, executor.at_least
            session.recorder.finish(summary, summary.exit_code(allow_empty=True))
        if rest := not_tried_words(summary):
            raise ModerateError(rest, code="not_tried", hint="see the last outcome, or raise max_calls")


def judge_images(run: ImageRun, ask: Callable[[Settings], Question]) -> ExitCode:
    """Judge the images of a run by one question, show them, and return the exit code."""
    with run.open_session() as session:
        question = ask(session.settings)
        if not run.spec.cost.dry_run:
            check_region(session.settings, question.operation)
        scan, sources = open_scan(run, session, question)
        if run.spec.cost.dry_run:
            nothing = run.nothing_to_retry(session)
            return show_plan(
                session, run.spec.output, scan, sources, noun=run.noun, allow_empty=run.may_be_empty, nothing=nothing
            )
        return run.reported(session, sources).execute(scan)


def open_scan(run: ImageRun, session: Session, question: Question) -> tuple[Executor, Sources]:
    """Begin a run over images: return what judges them, and the sources that it takes from.

    Raises UsageError where somebody was asked about its cost, and did not say yes.
    """
    session.check_offers(question.operation, question.services)
    prescreen = open_prescreen(session, question) if run.spec.reuse.prescreen else None
    if not run.spec.cost.dry_run:
        planned = replace(run, spec=replace(run.spec, cost=replace(run.spec.cost, dry_run=True)))
        confirm(session, run.spec.cost, run.read_once, lambda: _scan(planned, session, question, prescreen)[0])
        session.recorder.begin(run.subject)
    return _scan(run, session, question, prescreen)


def open_prescreen(session: Session, question: Question) -> Prescreen:
    """Return what answers images that the rules' libraries know; raises UsageError where they can know none."""
    from moderate_cli.app.prescreen import Prescreen  # with the local engine, which other runs do without

    if question.queued:
        raise UsageError("--prescreen is for sync and batch", hint="leave it out, or judge these images with sync")
    if session.rules is None:
        raise TypeError("this session has no rules")
    return Prescreen(session, session.rules, question.services, question.cost)


def _scan(run: ImageRun, session: Session, question: Question, prescreen: Prescreen | None) -> tuple[Executor, Sources]:
    cache = replace(question.cache(session), addresses=run.spec.reuse.reuse_addresses)
    if prescreen is not None:
        cache = replace(cache, saves=question.cost)
    sources = run.open_sources(session, cache)
    judge = image_judge(run, session, question, cache, prescreen)
    items = run.items(session, sources)
    options = run.spec.sources
    scan = Executor(items, judge, jobs=session.jobs, wants_more=session.has_room, ordered=options.ordered)
    return scan, sources


def image_judge(
    run: ImageRun, session: Session, question: Question, cache: ResultCache, prescreen: Prescreen | None = None
) -> ImageJudge:
    """Return what judges one image after the other; raises as `ImageRun.memory`."""
    memory = run.memory(session, cache)
    ask = _recorded(session, question.call, cache.question) if question.queued else question.call
    return ImageJudge(
        call=session.call(question.operation, question.services),
        send=plan if run.spec.cost.dry_run else run.sender(session, ask),
        cost=question.cost,
        sampling=question.sampling,
        preflight=not run.spec.images.no_preflight,
        identify=data_id_from(run.spec.images.data_id_from),
        cache=Plan(memory) if run.spec.cost.dry_run else memory,
        prescreen=prescreen,
    )


class ImageRun(Struct, frozen=True):
    """A run over images that somebody asks for: its sources, and all that can be said of it."""

    request: Request
    names: Sequence[str]
    spec: ScanSpec
    changes: Changes | None = None

    @property
    def noun(self) -> str:
        """What the inputs are."""
        return "image" if self.changes is None else "changed image"

    @property
    def may_be_empty(self) -> bool:
        """Whether it is fine that no input matches: a change need not have images, nor need anything have failed."""
        return self.spec.gate.allow_empty or self.spec.reuse.retry_failed or self.changes is not None

    def _clean_wanted(self, session: Session) -> int | None:
        """Return how many of the clean files that an earlier run knows are wanted as images; None wants all.

        A plan tells of each image, and only an image tells whether it failed before.
        """
        spec, settings = self.spec, session.settings
        if spec.cost.dry_run or spec.gate.show_suppressed or spec.reuse.retry_failed:
            return None
        if settings.min_level is not RiskLevel.NONE:
            return 0
        formats = chosen_formats(session.environment, spec.output)
        wanted = clean_wanted(formats, show_clean=settings.show_clean)
        # A table tells what the local engine checked, which any image knows.
        return 1 if wanted == 0 and settings.local and Format.TABLE in formats else wanted

    @property
    def read_once(self) -> list[str]:
        """The sources that cannot be gone through twice."""
        lists = read_once(listing.name for listing in self.spec.sources.lists)
        return [*(name for name in self.names if name == STANDARD_INPUT), *lists]

    @property
    def can_be_counted(self) -> bool:
        """Whether the sources can be gone through twice, and without the network."""
        is_remote = any(is_oss(name) or is_s3(name) for name in self.names)
        return not (self.read_once or is_remote or self.spec.reuse.retry_failed)

    @property
    def shard(self) -> Shard | None:
        """The share of the images that is this run's; raises UsageError."""
        given = self.spec.sources.shard
        return None if given is None else Shard.parse(given, self.request.environment.variables)

    @property
    def oss_region(self) -> str | None:
        """The region of buckets that name none; raises UsageError."""
        given = self.spec.images.oss_region
        try:
            return None if given is None else region_id(given)
        except InputError as error:
            raise UsageError(f"--oss-region: {error.message}", hint=error.hint) from error

    @property
    def subject(self) -> str:
        """A key of what the run is asked to judge; names are relative to the working folder."""
        options = self.spec.sources
        lists = [options.files_from, options.files_from0, options.include, options.exclude, options.no_ignore]
        lists += [] if options.changed_since is None else [options.changed_since]
        lists += [options.force_exclude, options.follow_links] if options.force_exclude or options.follow_links else []
        lists += [] if self.shard is None else [str(self.shard)]
        return hashlib.sha256(json.dumps([str(Path.cwd()), self.names, *lists]).encode()).hexdigest()[:32]

    def open_sources(self, session: Session, cache: ResultCache | None = None) -> Sources:
        """Return the items behind the sources; what nobody would see and nobody need ask is left to the store."""
        options, settings = self.spec.sources, session.settings
        return Sources(
            self.names,
            lists=options.lists,
            selection=_selection(options.selection, settings),
            stdin=session.environment.stdin,
            open_bucket=session.open_bucket,
            open_s3=session.open_s3,
            signs_oss=session.signs_oss,
            recall=cache if cache and cache.since is not None else None,
            clean_wanted=self._clean_wanted(session),
            changes=self.changes,
            shard=self.shard,
        )

    def memory(self, session: Session, cache: ResultCache) -> Remembering:
        """Return the earlier answers that count: those of the store, and those that other hosts share.

        Raises UsageError where none could count, and AnswersError where Redis does not answer.
        """
        address = self.spec.reuse.reuse_from
        if address is None:
            return cache
        if cache.since is None:
            raise UsageError("--reuse-from needs --reuse", hint="add --reuse AGE, such as 30d or forever")
        if not address.startswith(("redis://", "rediss://")):
            raise UsageError("--reuse-from must be redis://HOST:PORT/DB", hint="keep a password in MODERATE_REUSE_FROM")
        from moderate_cli.app.shared_answers import SharedAnswers, SharedCache  # for those who share them

        age = session.settings.reuse
        return SharedCache(cache, SharedAnswers(address, keep_for=None if age == inf else age))

    def items(self, session: Session, sources: Sources) -> Iterator[Item]:
        """Return the items of the sources with what the options say about each."""
        data_id, referer = self.spec.images.data_id, self.spec.images.referer
        items: Iterable[Item] = sources
        if self.spec.reuse.retry_failed:
            items = self._failed(session, items)
        items = self._in_regions(session, items)
        if data_id is None and referer is None:
            return iter(items)
        return (replace(item, data_id=item.data_id or data_id, referer=item.referer or referer) for item in items)

    def _in_regions(self, session: Session, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items with the regions of their buckets, and tell of each that somebody wrote and nobody knows.

        Those of listed objects are OSS' own, which has more regions than are in the catalog.
        """
        usual = self.oss_region
        told: set[str] = set()
        for item in items:
            image = item.image
            if isinstance(image, OssObject):
                if image.region is None and usual is not None:
                    item = replace(item, image=replace(image, region=usual))
                named = (OssObject.named(item.source) or image).region or usual
                if named is not None and named not in told:
                    told.add(named)
                    for line in unknown_regions([named]):
                        session.recorder.echo(line)
            yield item

    def _failed(self, session: Session, items: Iterable[Item]) -> Iterator[Item]:
        recorder = session.recorder
        run = recorder.last_run(self.subject)
        if run is None:
            raise UsageError(
                "no earlier run of this command is known", hint="run it without --retry-failed, in the same folder"
            )
        for item in items:
            if recorder.failed_in(run, item.source):
                yield item

    def nothing_to_retry(self, session: Session) -> str | None:
        """Return what to say where nothing is left of what failed before, and None where all is judged anyway."""
        if not self.spec.reuse.retry_failed:
            return None
        run = session.recorder.last_run(self.subject)
        if run is not None and session.recorder.failed_in(run):
            return "what failed in the last run is no longer there"
        return "nothing failed in the last run"

    def sender(self, session: Session, ask: Ask) -> Sender:
        """Return what sends images, as many as the options allow."""
        return Sender(clients=session.clients, ask=ask, budget=CallBudget(session.settings.max_calls))

    def reported(self, session: Session, sources: Sources) -> Run:
        """Return what shows and counts the outcomes."""
        run = session.run(replace(self.spec.gate, allow_empty=self.may_be_empty), self.spec.output)
        run.noun = self.noun
        run.nothing = self.nothing_to_retry(session)
        run.sources = sources
        run.names = frozenset(map(mask_address, self.names))
        if self.can_be_counted:
            run.total = Count(lambda: self.open_sources(session))
        return run

    @contextmanager
    def open_session(self) -> Iterator[Session]:
        """Check the sources and the id, and open the session of this run; raises UsageError."""
        if not (self.names or self.spec.sources.lists or self.changes or self.spec.gate.allow_empty):
            raise UsageError("no source given", hint="name files, folders or URLs, or a list with --files-from")
        check_option(self.spec.images.data_id)
        _ = self.shard, self.oss_region  # refused before anything is read
        for listing in self.spec.sources.lists:
            check_list(listing)
        dry_run, prescreen = self.spec.cost.dry_run, self.spec.reuse.prescreen
        with open_session(self.request, self.spec.output, dry_run=dry_run, prescreen=prescreen) as session:
            if self.spec.reuse.reuse_addresses and session.settings.reuse is None:
                raise UsageError("--reuse-addresses needs --reuse", hint="add --reuse AGE, such as 30d or forever")
            yield session


def image_run(request: Request, names: Sequence[str], spec: ScanSpec) -> ImageRun:
    """Return a run over images; raises UsageError where git cannot tell which ones were changed."""
    since = spec.sources.changed_since
    if since is None:
        return ImageRun(request, names, spec)
    from moderate_cli.sources.changes import OPTION, changed_since  # it starts processes, which nothing else here does

    if spec.sources.lists:
        raise UsageError(f"{OPTION} takes no list", hint="name files, folders or globs, or nothing")
    return ImageRun(request, names, spec, changed_since(since, names))


def _selection(asked: Selection, settings: Settings) -> Selection:
    """Return what is wanted of folders: settings files have a say in it, and a revision, where one has the policy."""
    read, policy = asked.read_ignore_file, settings.policy
    if policy is not None:
        read = partial(policy.read_ignore_file, otherwise=read)
    return replace(asked, include=settings.include, exclude=settings.exclude, read_ignore_file=read)


class Question(Struct, frozen=True, kw_only=True):
    """What a command asks about each image: by which operation, with which services, and what else it says.

    `more` is what changes the verdict beside these; `cost` tells how many calls an image is billed for. A call that is
    `queued` is answered later, so that its task is noted down before it is sent.
    """

    operation: Operation
    services: tuple[str, ...]
    call: ImageCall
    cost: Cost
    more: Mapping[str, object] = field(default_factory=dict)
    sampling: Sampling | None = None
    queued: bool = False

    def cache(self, session: Session) -> ResultCache:
        """Return what the store knows that answers this question."""
        settings = session.settings
        key = cache_key(
            self.operation.value,
            self.services,
            settings.info_types,
            profile=settings.profile,
            region=settings.region,
            endpoint=settings.endpoint,
            engine=local_engine_key(session.rules) if settings.local else None,
            **self.more,
        )
        now = session.environment.clock()
        engine: Engine = "local" if settings.local else "cloud"
        pushes = self.call.options is not None and self.call.options.callback is not None
        return ResultCache(
            session.recorder,
            key,
            since(settings.reuse, now),
            queued=self.queued,
            pushed_since=now if pushes else None,
            engine=engine,
        )


def local_engine_key(rules: Rules | None) -> list[str]:
    """Return what the local engine checks with: another version, and other rules, may find something else."""
    from moderate_cli.emulator.engine import LocalEngine
    from moderate_cli.emulator.library_rulings import key_of

    return [*LocalEngine().identity(), *([key_of(rules)] if rules else [])]


def sync_question(settings: Settings) -> Question:
    """Return the question that one service answers at once; raises UsageError where the settings name several."""
    return Question(
        operation=Operation.IMAGE_MODERATION,
        services=(only_service(settings),),
        call=ImageCall(settings.info_types),
        cost=one_call,
    )


def batch_question(settings: Settings) -> Question:
    """Return the question that several services answer in one call."""
    return Question(
        operation=Operation.IMAGE_BATCH_MODERATION,
        services=settings.services,
        call=ImageCall(settings.info_types),
        cost=lambda known: image_calls(settings.services),
    )


def async_question(settings: Settings, options: AsyncOptions) -> Question:
    """Return the question that the service answers later; raises UsageError where several services are set."""
    return Question(
        operation=Operation.IMAGE_ASYNC_MODERATION,
        services=(only_service(settings),),
        call=ImageCall(settings.info_types, options),
        cost=async_cost(options),
        more={"interval": options.interval, "max_frames": options.max_frames},
        sampling=_sampling(options),
        queued=True,
    )


def _sampling(options: AsyncOptions) -> Sampling | None:
    if options.interval is None or options.max_frames is None:
        return None
    return Sampling(options.interval, options.max_frames)


def checked(options: Options) -> Options:
    """Return options that the service takes; what it would refuse of every input is refused once, and nothing sent.

    Raises UsageError.
    """
    try:
        options.fields()
    except RefusedError as error:
        raise UsageError(error.message) from error
    return options


def _recorded(session: Session, ask: Ask, question: str) -> Ask:
    """Return what asks as `ask` does, and notes each task down before it is sent and once its id is known."""

    def recorded(client: GreenClient, known: Known, image: RemoteImage) -> Submission:
        def submit() -> Submission:
            return cast(Submission, ask(client, known, image))

        return session.recorder.submit("image", known, client, submit, question=question)

    return recorded


def show_plan(
    session: Session,
    output: OutputOptions,
    outcomes: Iterable[Outcome],
    sources: Sources | None = None,
    *,
    noun: str = "image",
    allow_empty: bool = False,
    nothing: str | None = None,
) -> ExitCode:
    """Show what a run would do, one line an input, and return the exit code: 3 where some input cannot be sent.

    `nothing` is said where there is no input, which is then no error.
    """
    environment = session.environment
    summary, estimate = RunSummary(), Estimate(session.settings.prices)
    to_terminal = output.output is None and environment.stdout.isatty()
    choice = choose_format(output.format, to_terminal=to_terminal)
    if choice not in _FORMATS:
        raise UsageError(f"--dry-run does not support -f {choice.value}", hint="-f table or -f jsonl")
    with open_output(output.output, environment.stdout, for_people=choice is Format.TABLE) as stream:
        show = plan_renderer(stream, as_json=choice is Format.JSONL)
        for outcome in outcomes:
            summary.add(outcome)
            estimate.add(outcome.call, billed(outcome))
            show(outcome)
    if sources is not None:
        count_left_out(summary, sources)
    if not output.quiet:
        for line in (*unmatched(sources), *plan_lines(summary, estimate, noun, nothing)):
            echo(environment, line)
    return summary.exit_code(allow_empty=allow_empty or bool(sources and sources.elsewhere))


class Count:
    """Counts the items of some sources in a thread of its own, once somebody asks; None until that is done."""

    def __init__(self, open_sources: Callable[[], Sources]) -> None:
        self._open_sources = open_sources
        self._started = False
        self._number: int | None = None

    def __call__(self) -> int | None:
        """Return the number where it is known by now."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._count, daemon=True).start()
        return self._number

    def _count(self) -> None:
        try:
            self._number = sum(1 for _ in self._open_sources())
        except ModerateError:
            self._number = None  # the run itself says what is wrong


def check_option(data_id: str | None) -> None:
    """Refuse an id for all images that the service would refuse for each; raises UsageError."""
    if data_id is None:
        return
    try:
        check_data_id(data_id, MAX_DATA_ID)
    except RefusedError as error:
        raise UsageError(f"--data-id {data_id!r}: {error.message}", hint=error.hint) from error


def data_id_from(choice: DataIdFrom | None) -> Callable[[Known], str] | None:
    """Return what makes the data id of an image, or None for no id.

    Characters that an id may not hold become `_`, and of a path that is too long the end is kept. What has no hash,
    because this machine has no copy of it, gets its name.
    """
    if choice is None:
        return None

    def identify(known: Known) -> str:
        if choice is DataIdFrom.SHA256 and known.sha256 is not None:
            return known.sha256
        source = known.item.source  # for what is signed here too, whose address has another path
        path = urlsplit(source).path if is_web(source) else source
        text = path if choice is DataIdFrom.PATH else path.rstrip("/").rpartition("/")[2]
        return _NOT_IN_AN_ID.sub("_", text)[-MAX_DATA_ID:] or "_"

    return identify
