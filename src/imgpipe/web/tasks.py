"""Tasks: hands an order over to the queue as a job, once, however often it is sent with the same key."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from typing import TYPE_CHECKING, Any, get_args

from imgpipe.errors import BadOption, BadPayload
from imgpipe.filters.parameters import shown
from imgpipe.plan.naming import Naming
from imgpipe.queue.payload import JobPayload, encode_task, needs_of_recipe
from imgpipe.queue.values import MOST_BYTES, MOST_ITEMS, Item, JobSpec, Routing, SubmitKind, check_labels
from imgpipe.task import Task
from imgpipe.web.batches import plan_of
from imgpipe.web.problems import Refused, bad_body, queue_full

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgpipe.plan import Plan
    from imgpipe.queue.values import JobStatus
    from imgpipe.web.app import App
    from imgpipe.web.orders import Order

MORE_KEYS = ("needs", "routing")
DAY_SECONDS = 24 * 3600

_LONGEST_KEY = 255
_NO_ROOM = "because it did not fit into the queue"
_MARK_LETTERS = 16


def hand_over(order: Order, key: str | None, app: App) -> tuple[JobStatus, bool]:
    """Hand an order over; return its job, and whether the queue had that before.

    Raises `Refused`, and `UsageError` for an order that cannot be carried out.

    With an Idempotency-Key the queue itself is the memory of what was asked: the id of the job is made of the key, and
    the name of its folder of the whole body. So every server on that queue knows the key, for as long as the job is
    kept: a day after its end at least. A job that was not handed over to its end, because a server died, is taken up.
    """
    task_id = secrets.token_hex(16) if key is None else _id_of(key)
    mark = _mark_of(order)
    needs = needs_of_recipe(order.recipe) | _needs(order.data)
    routing = _routing(order.data, app.settings.routing)
    with app.making(task_id):
        known = None if key is None else _known(task_id, mark, app)
        status = known or _submit(task_id, plan_of(order, app.settings, mark), needs, routing, app)
        app.remember(task_id)
        return status, known is not None


def _known(task_id: str, mark: str, app: App) -> JobStatus | None:
    """Return the job that was handed over with the same key, if it was to its end. Raises `Refused`."""
    known = app.broker.ask(lambda queue: queue.status(task_id))
    if known is None:
        return None
    if _mark_in(known) != mark:
        detail = "this Idempotency-Key was used with another body; use a new one for each order"
        raise Refused(422, "idempotency-conflict", detail)
    if known.why == _NO_ROOM:  # it was refused, and may be tried again
        if not known.is_over:
            raise queue_full()
        return None
    return known if known.sealed or known.is_over else None


def _submit(task_id: str, plan: Plan, needs: frozenset[str], routing: Routing, app: App) -> JobStatus:
    plan.check()
    payload = JobPayload(
        recipe=plan.recipe,
        source_root=plan.sources.common_folder(),
        target_root=plan.root,
        timeout_seconds=app.settings.picture_seconds,
    )
    spec = JobSpec(
        id=task_id,
        needs=needs,
        routing=routing,
        spec=payload.encode(),
        breaker=0,  # there is nobody to resume it
        keep_seconds=DAY_SECONDS,
    )
    app.broker.ask(lambda queue: queue.create(spec))

    def send(chunk: list[Item], *, last: bool) -> SubmitKind:
        return app.broker.ask(lambda queue: queue.submit(task_id, chunk, last=last)).kind

    chunks = list(_chunks(plan, payload))
    for number, chunk in enumerate(chunks, start=1):
        if send(chunk, last=number == len(chunks)) is not SubmitKind.ACCEPTED:
            app.broker.ask(lambda queue: queue.control(task_id, "cancel", _NO_ROOM))
            raise queue_full()
    status = app.broker.ask(lambda queue: queue.status(task_id))
    if status is None:
        raise Refused(503, "redis-unavailable", "the queue has lost the task: hand it over again")
    return status


def _chunks(plan: Plan, payload: JobPayload) -> Iterator[list[Item]]:
    """Give the pictures in the order of their numbers, as many at a time as the queue takes at once."""
    naming = Naming(format=plan.recipe.write.format, fingerprint=plan.recipe.fingerprint)
    chunk: list[Item] = []
    size = 0
    for index, source in enumerate(plan.sources):
        target = os.path.join(plan.root, naming.target(source, index + 1))
        data = encode_task(Task(str(index), source.path, target, plan.recipe), payload)
        if len(chunk) == MOST_ITEMS or size + len(data) > MOST_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(Item(index, data))
        size += len(data)
    yield chunk


def _id_of(key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refused(400, "bad-request", f"Idempotency-Key: expected 1 to {_LONGEST_KEY} printable characters")
    return hashlib.sha256(f"Idempotency-Key {key}".encode()).hexdigest()[:32]


def _mark_of(order: Order) -> str:
    """Return what tells an order from others: two of them never write to one folder."""
    text = json.dumps([order.data, order.recipe.fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_MARK_LETTERS]


def _mark_in(status: JobStatus) -> str:
    try:
        return JobPayload.decode(status.spec).target_root[-_MARK_LETTERS:]
    except BadPayload:  # of a newer imgpipe: surely not of this order
        return ""


def _needs(data: dict[str, Any]) -> frozenset[str]:
    labels = data.get("needs", [])
    detail = f"needs: expected a list of labels, got {shown(labels)}"
    if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
        try:
            check_labels(frozenset(labels))
        except BadOption as error:
            detail = f"needs: {error}"
        else:
            return frozenset(labels)
    raise bad_body("/needs", detail)


def _routing(data: dict[str, Any], default: Routing) -> Routing:
    routing: Any = data.get("routing", default)
    if routing not in get_args(Routing):
        raise bad_body("/routing", f"routing: expected {' or '.join(get_args(Routing))}, got {shown(routing)}")
    chosen: Routing = routing
    return chosen
