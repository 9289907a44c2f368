"""RedisQueue: what only a server can do to a queue: be full, forget, refuse, hold strange things, be far away."""

from __future__ import annotations

import threading

import pytest
import redis

from contracts.queue_contract import CPU, LEASE_SECONDS, done, failed, items, spec, worker
from fault_proxy import FaultProxy
from imgpipe.display import without_password
from imgpipe.errors import BadOption, QueueRefused, QueueUnavailable
from imgpipe.queue import open_queue
from imgpipe.queue.limits import MOST_UNFIT
from imgpipe.queue.redis import RedisQueue
from imgpipe.queue.values import JobState, JobStatus, Load, Settled, SubmitKind, Verdict
from manual_clock import ManualClock


@pytest.fixture
def queue(redis_url):
    """Return an empty queue."""
    queue = RedisQueue(redis_url)
    yield queue
    queue.close()


@pytest.fixture
def plain(redis_url):
    """Return a plain client of the same server."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def status_of(queue: RedisQueue) -> JobStatus:
    """Return the counts of the one job that there is."""
    status = queue.status("job")
    assert status is not None
    return status


def finish_all(queue, job="job", word=done):
    """Let a worker do whatever there is."""
    while claims := queue.claim("w", 100, starting=100).tasks:
        queue.finish("w", [word(claim) for claim in claims])


def test_a_full_server_takes_no_tasks_but_finishes_those_it_has(own_redis):
    """Nothing is half done: what is refused can be handed over later, and work goes on meanwhile."""
    queue = RedisQueue(own_redis().url)
    queue.create(spec(window=100_000))
    queue.submit("job", items(*range(500)))
    queue.register(worker(slots=50), LEASE_SECONDS)
    queue._redis.command("CONFIG", "SET", "maxmemory", queue._redis.info()["used_memory"])

    refused = queue.submit("job", items(*range(500, 1000)), after=500)
    beat = queue.beat("w", Load())
    files = queue.put_file("job", 0, "source", bytes(100)), queue.put_file("job", 0, "target", bytes(100))
    finish_all(queue)
    queue.submit("job", [], after=500, last=True)
    status = status_of(queue)

    assert (SubmitKind.FULL, 0) == (refused.kind, refused.added)
    assert (False, (False, True)) == (beat.gone, files)
    assert (JobState.FINISHED, 500, 500) == (status.state, status.submitted, status.done)
    assert [] == queue.fsck("job")
    queue.close()


def test_a_server_that_evicts_is_refused(own_redis):
    """It would throw tasks away when it is full; whoever wants that has to say so."""
    url = own_redis().url
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 1 << 30)
        client.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(QueueRefused, match="allkeys-lru"):
        open_queue(url)
    open_queue(url, allow_eviction=True).close()


def test_a_wrong_password_is_a_refusal(own_redis):
    """Another try would give the same."""
    url = own_redis(tcp=True).url
    wrong = url.replace(url.split(":")[2].split("@")[0], "wrong")

    with pytest.raises(QueueRefused, match="password"):
        open_queue(wrong)


@pytest.mark.parametrize("url", ["http://host", "redis://:secret@host:x/0", "nonsense"])
def test_what_is_no_address_is_named_without_its_password(url):
    """The error says what an address looks like."""
    with pytest.raises(BadOption, match="unix:///path") as caught:
        open_queue(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://user:secret@host/0", "rediss://user:***@host/0"),
        ("unix:///run/redis.sock?db=0&password=secret", "unix:///run/redis.sock?db=0&password=***"),
        ("redis://host:6379", "redis://host:6379"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    """An address is shown without its password, wherever it stands."""
    assert shown == without_password(url)


def test_nobody_there_is_another_try_later(tmp_path):
    """A server that is not there may come back."""
    with pytest.raises(QueueUnavailable, match="does not answer"):
        open_queue(f"unix://{tmp_path}/none.sock")


@pytest.mark.parametrize("name", ["", "a b", "a}b", "a" * 65, "ü"])
def test_a_namespace_is_a_plain_name(redis_url, name):
    """It becomes part of every key."""
    with pytest.raises(BadOption, match="namespace"):
        RedisQueue(redis_url, namespace=name)


def test_namespaces_do_not_see_each_other(redis_url, plain):
    """Every key is in its own one."""
    for name in ("one", "two"):
        queue = RedisQueue(redis_url, namespace=name)
        queue.create(spec())
        queue.submit("job", items(0))
        queue.register(worker(), LEASE_SECONDS)
        queue.close()
    one = RedisQueue(redis_url, namespace="one")
    one.claim("w", 1)
    two = RedisQueue(redis_url, namespace="two")

    assert (0, 1) == (status_of(one).pending, status_of(two).pending)
    assert all(key.startswith(("imgpipe:{one}:", "imgpipe:{two}:")) for key in plain.keys("*"))
    one.close()
    two.close()


def test_the_teaching_list_has_the_name_that_everybody_knows(queue, plain):
    """With the usual namespace, `redis-cli lrange task_queue 0 -1` shows the jobs that wait."""
    for name in ("first", "second"):
        queue.create(spec(name, routing="fifo"))
        queue.submit(name, items(0))

    assert ["second", "first"] == plain.lrange("task_queue", 0, -1)


@pytest.mark.parametrize(("word", "keep_seconds"), [(done, 24 * 3600), (failed, 7 * 24 * 3600)])
def test_all_that_is_left_of_a_job_goes_away_by_itself(queue, plain, word, keep_seconds):
    """After a day; after a week if something failed."""
    queue.create(spec(breaker=0))
    queue.submit("job", items(0, 1, 2), last=True)
    queue.register(worker(), LEASE_SECONDS)
    finish_all(queue, word=word)
    left = [key for key in plain.keys("*") if "job" in key.rpartition("}:")[2].split(":")]

    assert {keep_seconds} == {plain.ttl(key) for key in left}
    assert "imgpipe:{default}:j:job" in left
    for key in left:
        plain.delete(key)
    queue.create(spec("next"))
    assert ["next"] == [job.id for job in queue.jobs()]
    assert ["next"] == plain.zrange("imgpipe:{default}:jobs", 0, -1)


def test_a_server_without_scripts_learns_them_again(queue, plain):
    """After a restart, or for a new one."""
    queue.create(spec())
    plain.script_flush()

    assert SubmitKind.ACCEPTED is queue.submit("job", items(0)).kind


def test_a_claim_whose_answer_was_lost_is_found_again(own_redis):
    """The queue has given tasks that the worker has not heard of: its beat and `resync` tell."""
    with FaultProxy(own_redis(tcp=True).url) as proxy:
        queue = RedisQueue(proxy.url)
        queue.create(spec())
        queue.submit("job", items(0, 1))
        queue.register(worker(), LEASE_SECONDS)
        queue.claim("w", 0)  # the server knows the script now
        proxy.cut_next_reply()
        with pytest.raises(QueueUnavailable):
            queue.claim("w", 2, starting=2)
        held = queue.beat("w", Load()).held
        claims = queue.resync("w")
        queue.finish("w", [done(claim) for claim in claims])

        assert 2 == held
        assert (2, 0) == (status_of(queue).done, status_of(queue).running)
        queue.close()


def test_what_was_handed_over_without_an_answer_is_handed_over_again(own_redis):
    """Submitting is idempotent: each task is in once."""
    with FaultProxy(own_redis(tcp=True).url) as proxy:
        queue = RedisQueue(proxy.url)
        queue.create(spec())
        queue.submit("job", [])  # the server knows the script now
        proxy.cut_next_reply()
        with pytest.raises(QueueUnavailable):
            queue.submit("job", items(*range(10)))
        again = queue.submit("job", items(*range(10)))

        assert (SubmitKind.ACCEPTED, 0, 10) == (again.kind, again.added, status_of(queue).pending)
        queue.close()


def test_a_word_without_an_answer_is_said_again(own_redis):
    """A task is settled once, however often its worker has to say so."""
    with FaultProxy(own_redis(tcp=True).url) as proxy:
        queue = RedisQueue(proxy.url)
        queue.create(spec())
        queue.submit("job", items(0), last=True)
        queue.register(worker(), LEASE_SECONDS)
        claim = queue.claim("w", 1).tasks[0]
        queue.finish("w", [])  # the server knows the script now
        proxy.cut_next_reply()
        with pytest.raises(QueueUnavailable):
            queue.finish("w", [done(claim)])
        queue.finish("w", [done(claim)])
        status = status_of(queue)

        assert (JobState.FINISHED, 1, 1) == (status.state, status.done, status.duplicates)
        queue.close()


def test_two_hundred_dead_workers_at_once_are_all_found(redis_url):
    """By however many look for them at the same time; each task goes back once."""
    clock = ManualClock()
    queue = RedisQueue(redis_url, clock=clock)
    queue.create(spec())
    queue.submit("job", items(*range(400)))
    for n in range(200):
        queue.register(worker(f"w-{n}"), LEASE_SECONDS)
        queue.claim(f"w-{n}", 2, starting=2)
    queue.register(worker("alive", frozenset({"io"})), LEASE_SECONDS)
    for _ in range(4):
        clock.advance(5)
        queue.beat("alive", Load())
    found: list[str] = []

    def look() -> None:
        while reaped := queue.reap():
            found.append(reaped.worker)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = status_of(queue)

    assert 200 == len(found) == len(set(found))
    assert (400, 0, 400) == (status.pending, status.running, status.losses)
    assert [] == queue.fsck("job")
    queue.close()


def test_everything_costs_the_same_however_much_waits(redis_url, plain):
    """The commands that the server runs for a call do not depend on the length of the queue."""
    queue = RedisQueue(redis_url, clock=ManualClock())
    queue.create(spec(window=1_000_000))
    queue.register(worker(), LEASE_SECONDS)

    def costs() -> list[int]:
        queue.submit("job", items(*range(status_of(queue).next, status_of(queue).next + 10)))
        counted = []
        for call in (
            lambda: queue.claim("w", 4, starting=4),
            lambda: queue.finish("w", [done(claim) for claim in queue.resync("w")]),
            lambda: queue.beat("w", Load()),
            queue.reap,
            lambda: queue.status("job"),
            queue.workers,
            queue.classes,
            queue.counters,
            queue.jobs,
        ):
            before = sum(stat["calls"] for stat in plain.info("commandstats").values())
            call()
            counted.append(sum(stat["calls"] for stat in plain.info("commandstats").values()) - before)
        return counted

    costs()  # the server learns the scripts
    few = costs()
    for at in range(100, 20_000, 1000):
        queue.submit("job", items(*range(at, at + 1000)))

    assert few == costs()
    queue.close()


def test_counts_that_were_spoiled_are_mended(queue, plain):
    """`fsck` counts anew, says what was wrong, and puts it right."""
    queue.create(spec())
    queue.submit("job", items(*range(10)))
    queue.register(worker(), LEASE_SECONDS)
    claims = queue.claim("w", 4, starting=4).tasks
    queue.finish("w", [done(claims[0])])
    plain.hset("imgpipe:{default}:j:job", mapping={"done": 7, "running": -1, "submitted": 3})
    plain.zrem("imgpipe:{default}:r:cpu", "job")
    wrong = queue.fsck("job")

    assert {"done", "running", "submitted", "offered"} == {line.partition(":")[0] for line in wrong}
    assert (10, 1, 3) == tuple(getattr(status_of(queue), name) for name in ("submitted", "done", "running"))
    assert 6 == len(queue.claim("w", 100, starting=100).tasks)
    assert [] == queue.fsck("job")


@pytest.mark.parametrize(
    "strange", [b"", b"\x00\xff", b"{}", b"7", b"1|2|3", b"999999999999|0|0|0|1|x", b"1|0|0|0|" + b"9" * 40 + b"|x"]
)
@pytest.mark.parametrize("push", ["rpush", "lpush"])
def test_bytes_of_others_in_a_list_are_no_task(queue, plain, strange, push):
    """They are dropped when they come up; every look, and every task beside them, is as if they were not there."""
    queue.create(spec())
    queue.submit("job", items(0, 1), last=True)
    queue.register(worker(), LEASE_SECONDS)
    getattr(plain, push)("imgpipe:{default}:q:job", strange)

    assert ["cpu"] == [seen.name for seen in queue.overview().classes]
    finish_all(queue)
    assert (2, 0, JobState.FINISHED) == (status_of(queue).done, status_of(queue).pending, status_of(queue).state)


def test_nobody_rings_for_a_job_that_the_worker_cannot_run(queue, plain):
    """Of two that have nothing to do, the bell goes to the one who can run it, whoever came first."""
    queue.create(spec())
    queue.submit("job", items(0))
    queue.register(worker("a"), LEASE_SECONDS)
    queue.register(worker("b"), LEASE_SECONDS)
    claims = queue.claim("a", 1, starting=1).tasks
    queue.finish("a", [Settled(claim, Verdict.UNFIT) for claim in claims], want=1, starting=1)
    queue.finish("b", [done(claim) for claim in queue.claim("b", 1, starting=1).tasks], want=1, starting=1)

    queue.submit("job", items(1), after=1)

    assert (0, 1) == tuple(plain.llen(queue._key("bell:", name)) for name in "ab")


def test_what_a_worker_cannot_run_is_remembered_within_reason(queue, plain):
    """Of more jobs than anybody has, some are offered again; nothing of it stays when the worker leaves."""
    key = queue._key("unfit:", "w")
    queue.create(spec())
    queue.submit("job", items(0, 1))
    queue.register(worker(), LEASE_SECONDS)
    claim = queue.claim("w", 1).tasks[0]
    plain.hset(key, mapping={f"other-{number}": "1" for number in range(MOST_UNFIT)})
    queue.finish("w", [Settled(claim, Verdict.UNFIT)])
    remembered = plain.hkeys(key)
    queue.leave("w")

    assert ["job"] == remembered
    assert 0 == plain.exists(key)


def test_labels_of_a_worker_are_kept_as_they_are(queue):
    """Also none at all."""
    queue.register(worker("none", frozenset()), LEASE_SECONDS)
    queue.register(worker("two", frozenset({"cpu", "host-a"})), LEASE_SECONDS)

    assert {"none": frozenset(), "two": CPU | {"host-a"}} == {seen.name: seen.labels for seen in queue.workers()}
