"""Asking after queued tasks, for the commands that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from moderate_cli.client import GreenClient, ModerateError
from moderate_cli.commands.images import Session
from moderate_cli.commands.options import WaitOptions
from moderate_cli.scanning import Scan
from moderate_cli.scanning.polling import Patience, Polling, TaskJudge
from moderate_cli.verdicts import Item, Judged, Outcome, Pending, Post, QueuedTask

_LOCAL_INTERVAL = 0.2  # seconds: the local engine has no quota and is quick


def patience(session: Session, wait: WaitOptions) -> Patience:
    """Return when to ask after tasks."""
    interval = _LOCAL_INTERVAL if session.settings.local else wait.poll_interval
    return Patience(first=interval, interval=interval, timeout=wait.wait_timeout if wait.wait else 0.0)


def ask_after(session: Session, tasks: Iterable[Item], wait: WaitOptions) -> Polling:
    """Return what asks after some tasks, each in the region where it was submitted."""
    judge: Callable[[Item], Outcome] = TaskJudge(lambda task: _client_for(session, task))
    if wait.save_frames is not None:
        wait.save_frames.mkdir(parents=True, exist_ok=True)
        judge = _FrameSaver(judge, session, wait.save_frames)
    return Polling(tasks, judge, jobs=session.settings.jobs, patience=patience(session, wait))


def _client_for(session: Session, task: QueuedTask) -> GreenClient:
    """Return the client of a task's region, or the first, which is the one that was asked for."""
    return next((client for client in session.clients if task.region == client.region), session.clients[0])


@dataclass(frozen=True, slots=True)
class _FrameSaver:
    """Downloads the frames of a verdict as soon as it is known."""

    judge: Callable[[Item], Outcome]
    session: Session
    folder: Path

    def __call__(self, item: Item) -> Outcome:
        outcome = self.judge(item)
        if isinstance(outcome, Judged) and isinstance(item.image, QueuedTask):
            client = _client_for(self.session, item.image)
            for frame in outcome.verdict.frames:
                if frame.url:
                    self._save(client, frame.url, self.folder / f"{item.image.req_id}-{frame.index}.jpg")
        return outcome

    def _save(self, client: GreenClient, address: str, path: Path) -> None:
        try:
            answer = client.probe(address)
            if answer.status != 200:
                self.session.ledger.say(f"{path.name} was not saved: HTTP {answer.status} for its address")
                return
            temporary = path.with_name(f".{path.name}.partial")
            temporary.write_bytes(answer.body)
            temporary.replace(path)
        except (ModerateError, OSError) as error:
            self.session.ledger.say(f"{path.name} was not saved: {error}")


class SubmitAndWait:
    """Submits tasks, and then asks after them; whatever happens, no id is kept back."""

    def __init__(self, scan: Scan, follow_up: Callable[[Iterable[Item]], Polling]) -> None:
        self._scan = scan
        self._follow_up = follow_up
        self._polling: Polling | None = None
        self._stopping = False

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._scan.stop()
        if self._polling is not None:
            self._polling.stop()

    def __iter__(self) -> Iterator[Outcome]:
        left: dict[str, Pending] = {}
        try:
            for outcome in self._scan:
                if isinstance(outcome, Pending):
                    left[outcome.req_id] = outcome
                else:
                    yield outcome
            if left and not self._stopping:
                self._polling = self._follow_up([as_task(outcome) for outcome in left.values()])
                for outcome in self._polling:
                    if isinstance(outcome.item.image, QueuedTask):
                        left.pop(outcome.item.image.req_id, None)
                    yield outcome
        finally:
            yield from left.values()


def as_task(pending: Pending) -> Item:
    """Return a pending outcome as something to ask after."""
    content = pending.item.image.content if isinstance(pending.item.image, Post) else None
    queued = QueuedTask(
        req_id=pending.req_id,
        kind="image" if content is None else "multimodal",
        services=pending.call.services,
        region=pending.call.region,
        endpoint=pending.call.endpoint,
        sha256=pending.sha256,
        size=pending.size,
        expires_at=pending.expires_at,
        post=content,
    )
    return replace(pending.item, image=queued)
