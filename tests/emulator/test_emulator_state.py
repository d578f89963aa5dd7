"""The memory of the emulator is bounded."""

import pytest

from moderate_cli.emulator import state
from moderate_cli.emulator.messages import BodyError
from moderate_cli.emulator.state import (
    MAX_OBJECTS_SIZE,
    UPLOAD_LIFETIME,
    ObjectStore,
    State,
    StoreFullError,
    TaskKind,
    TaskStore,
)


class SetClock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def store(clock):
    store = ObjectStore(clock, capacity=100)
    yield store
    store.close()


def test_limits():
    assert (UPLOAD_LIFETIME, MAX_OBJECTS_SIZE) == (1800, 1024**3)


def test_objects_are_on_disk(store):
    assert store.folder is None
    store.put("b", "k", b"content")
    (file,) = store.folder.iterdir()
    assert file.read_bytes() == b"content"
    assert store.get("b", "k") == b"content"
    assert store.get("b", "other") is None


def test_an_object_replaces_its_namesake(store):
    store.put("b", "k", b"1")
    store.put("b", "k", b"2")
    assert store.get("b", "k") == b"2"
    assert len(list(store.folder.iterdir())) == 1


def test_the_oldest_objects_make_room(store):
    for name in "abc":
        store.put("b", name, b"x" * 40)
    assert [store.get("b", name) is not None for name in "abc"] == [False, True, True]
    store.put("b", "d", b"x" * 100)
    assert [store.get("b", name) is not None for name in "abcd"] == [False, False, False, True]
    assert len(list(store.folder.iterdir())) == 1


def test_old_objects_go(store, clock):
    store.put("b", "old", b"1")
    clock.now += UPLOAD_LIFETIME - 1
    store.put("b", "new", b"2")
    clock.now += 1
    assert store.get("b", "old") is None
    assert store.get("b", "new") == b"2"


def test_closing_deletes_everything(store):
    store.put("b", "k", b"1")
    folder = store.folder
    store.close()
    assert not folder.exists()
    assert store.get("b", "k") is None


def test_nonces_are_forgotten_when_they_no_longer_matter(clock):
    state = State(clock)
    assert state.is_new_nonce("key", "n")
    assert not state.is_new_nonce("key", "n")
    assert state.is_new_nonce("other key", "n")
    # A call dated 15 minutes ahead stays valid for half an hour.
    clock.now += 30 * 60
    assert not state.is_new_nonce("key", "n")
    clock.now += 1
    assert state.is_new_nonce("key", "n")
    assert state.nonce_count() == 1


def test_upload_tokens_are_forgotten_an_hour_after_they_expired(clock):
    state = State(clock)
    token = state.issue_upload_token()
    clock.now += 7199
    state.issue_upload_token()
    assert state.upload_token(token.access_key_id) == token
    clock.now += 2
    state.issue_upload_token()
    assert state.upload_token(token.access_key_id) is None


def test_a_store_that_keeps_everything_refuses_more(clock):
    store = ObjectStore(clock, capacity=100, keeps=True)
    store.put("b", "a", b"x" * 60)
    clock.now += 10 * UPLOAD_LIFETIME
    with pytest.raises(StoreFullError):
        store.put("b", "b", b"x" * 41)
    assert store.get("b", "a") == b"x" * 60
    store.delete("b", "a")
    store.put("b", "b", b"x" * 100)
    store.close()


def test_an_object_can_be_too_old_for_its_reader(store, clock):
    store.put("b", "k", b"1")
    clock.now += 300
    assert store.get("b", "k", max_age=300) is None
    assert store.get("b", "k", max_age=301) == b"1"


@pytest.fixture
def task_store(clock):
    return TaskStore(clock, capacity=3)


def code(task_store, task_id):
    """Return the code that asking for a task is answered with."""
    try:
        task_store.result(task_id, TaskKind.IMAGE)
    except BodyError as error:
        return error.code
    return 200


def test_the_oldest_finished_tasks_go_first(task_store):
    for task_id in "abc":
        task_store.add(task_id, TaskKind.IMAGE)
    for task_id in "bc":
        task_store.finish(task_id, {})
    task_store.add("d", TaskKind.IMAGE)
    assert [code(task_store, task_id) for task_id in "abcd"] == [280, 401, 200, 280]
    assert task_store.count() == 3


def test_running_tasks_do_not_go(task_store):
    for task_id in "abc":
        task_store.add(task_id, TaskKind.IMAGE)
    with pytest.raises(BodyError, match="waiting"):
        task_store.add("d", TaskKind.IMAGE)
    assert [code(task_store, task_id) for task_id in "abcd"] == [280, 280, 280, 401]


def test_failed_tasks_answer_with_their_code(task_store):
    task_store.add("a", TaskKind.IMAGE)
    task_store.finish("a", BodyError(404, "gone"))
    assert [code(task_store, "a") for _ in range(2)] == [404, 404]


def test_limits_of_tasks():
    assert (state.MAX_TASKS, TaskKind.IMAGE.value, TaskKind.POST.value) == (10_000, 259_200, 86_400)
