"""Plan: the right tasks, found lazily; nothing lost, doubled or overwritten, wherever a run is killed."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgpipe.errors import BadOption, FailureCode, NothingToDo, OutputCollision, OutputExists, OutputLocked, UsageError
from imgpipe.pictures.options import WriteOptions
from imgpipe.pictures.staging import staged
from imgpipe.pipeline import Pipeline
from imgpipe.plan import Plan, PlanOptions, make_plan
from imgpipe.plan.ledger import Ledger
from imgpipe.plan.naming import DEFAULT_TEMPLATE
from imgpipe.plan.rows import Identity
from imgpipe.plan.sources import Source, SourceOptions
from imgpipe.recipe import Recipe
from imgpipe.task import Failure, Outcome, Result

BLUR, SHARPEN = Recipe(Pipeline.parse("blur:2")), Recipe(Pipeline.parse("sharpen"))
LONG_AGO = 1_500_000_000_123_456_789


class KilledError(BaseException):
    """The process died."""


def write(path, content=b"picture", mtime_ns=LONG_AGO):
    """Make a file, and its folders."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    Path(path).write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return str(path)


def files(folder, *, private=False):
    """Return every file below a folder with its content."""
    found = {}
    for path, folders, names in os.walk(folder):
        if not private and ".imgpipe" in folders:
            folders.remove(".imgpipe")
        for name in names:
            whole = os.path.join(path, name)
            found[os.path.relpath(whole, folder)] = Path(whole).read_bytes()
    return found


def made(content, recipe=BLUR):
    """Return what the simulated pipeline makes of a file; doing it twice shows."""
    return content + b" " + recipe.fingerprint.encode()


def perform(task, die=lambda point: None):
    """Do what `run_task` does to the disk, and may die anywhere on the way."""
    die("before")
    try:
        content = Path(task.source).read_bytes()
    except OSError:
        failure = Failure(FailureCode.NOT_FOUND, "not there")
        return Result(task.id, task.source, task.target, Outcome.FAILED, failure=failure)
    if b"bad" in content:
        failure = Failure(FailureCode.UNREADABLE, "bad")
        return Result(task.id, task.source, task.target, Outcome.FAILED, failure=failure)
    with staged(task.target, replace=task.replace, durable=False) as output:
        output.file.write(made(content, task.recipe))
        die("written")
        size = output.publish(None)
    die("published")
    return Result(task.id, task.source, task.target, Outcome.DONE, bytes_out=size)


def run(plan, *, killed_at=None, check=True):
    """Run a plan as the executor would; `killed_at` is (number of a task, point). Return the results in order."""
    results: list[Result] = []
    if check:
        plan.check()
    ledger = plan.open_ledger()
    try:
        for number, task in enumerate(plan.tasks(ledger, results.append)):

            def die(point, number=number):
                if killed_at == (number, point):
                    raise KilledError

            result = perform(task, die)
            ledger.record(result)
            die("recorded")
            if number % 3 == 2:
                ledger.flush()
            die("flushed")
            results.append(result)
    except KilledError:
        ledger._results.clear()  # what was not on the disk is lost
        ledger.close()
        raise
    ledger.close()
    return results


def outcomes(results):
    """Return the outcome of each source."""
    return {result.source: str(result.outcome) for result in results}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work inside a fresh folder with two pictures."""
    monkeypatch.chdir(tmp_path)
    write("in/a.jpg", b"A")
    write("in/sub/b.png", b"B")
    return tmp_path


def plan_for(recipe=BLUR, inputs=("in",), output="out", sources=None, stdin=None, **options):
    """Return a plan from `in` to `out`, or for what differs from that."""
    output = None if options.get("in_place") else output
    return make_plan(inputs, recipe, PlanOptions(**options), output=output, sources=sources, stdin=stdin)


# What a run does


def test_first_run_makes_tasks_in_order(here):
    """Every source becomes a task, numbered from 1, that may not replace anything."""
    plan = plan_for(durable=True)
    summary = plan.check()
    with plan.open_ledger() as ledger:
        tasks = list(plan.tasks(ledger, pytest.fail))

    assert [
        ("1", "in/a.jpg", "out/a.jpg", BLUR, False, True),
        ("2", "in/sub/b.png", "out/sub/b.png", BLUR, False, True),
    ] == [(t.id, t.source, t.target, t.recipe, t.replace, t.durable) for t in tasks]
    assert (2, 2, 0, 0, 0) == (summary.pictures, summary.bytes, summary.missing, summary.ignored, summary.left_out)
    assert {".jpg": 1, ".png": 1} == summary.bytes_by_extension


def test_second_run_does_only_what_changed(here):
    """Up to date is skipped; a changed source, a missing output and a new source are done."""
    write("in/c.jpg", b"C")
    write("in/d.jpg", b"D")
    run(plan_for())
    write("in/a.jpg", b"A2", LONG_AGO + 1)
    os.unlink("out/c.jpg")
    write("in/e.jpg", b"E")

    results = run(plan_for())

    assert {
        "in/a.jpg": "done",
        "in/c.jpg": "done",
        "in/d.jpg": "skipped",
        "in/e.jpg": "done",
        "in/sub/b.png": "skipped",
    } == outcomes(results)
    assert made(b"A2") == files("out")["a.jpg"]
    assert {1} == {result.bytes_in for result in results if result.outcome is Outcome.SKIPPED}


def test_another_recipe_renews_everything_and_back(here):
    """The recipe is part of what is up to date."""
    run(plan_for(BLUR))

    assert {"done"} == set(outcomes(run(plan_for(SHARPEN))).values())
    assert made(b"A", SHARPEN) == files("out")["a.jpg"]
    assert {"done"} == set(outcomes(run(plan_for(BLUR))).values())
    assert {"skipped"} == set(outcomes(run(plan_for(BLUR))).values())


def test_how_the_folders_are_spelled_does_not_matter(here):
    """The same source and output are known again by any path to them."""
    run(plan_for())

    results = run(plan_for(inputs=[os.path.abspath("in") + "/"], output=os.path.abspath("out")))

    assert {"skipped"} == set(outcomes(results).values())


def test_the_same_name_from_another_folder_is_another_source(here):
    """Size and time alone do not make two pictures the same."""
    write("other/a.jpg", b"X")
    run(plan_for())

    results = run(plan_for(inputs=["other"]))

    assert {"other/a.jpg": "done"} == outcomes(results)
    assert made(b"X") == files("out")["a.jpg"]


def test_foreign_files_are_refused(here):
    """A file that imgpipe did not write is kept; the picture fails and says how to go on."""
    write("out/a.jpg", b"foreign")

    results = run(plan_for())

    assert {"in/a.jpg": "failed", "in/sub/b.png": "done"} == outcomes(results)
    assert b"foreign" == files("out")["a.jpg"]
    assert FailureCode.TARGET_EXISTS is results[0].failure.code
    assert "--on-exists" in results[0].failure.remedy
    assert "was not written by imgpipe" in results[0].failure.message


def test_an_output_changed_by_somebody_is_refused(here):
    """What was edited after it was written is not ours any more, even if the recipe changed."""
    run(plan_for())
    write("out/a.jpg", b"edited")

    for recipe in (BLUR, SHARPEN, BLUR):
        results = run(plan_for(recipe))

        assert "failed" == outcomes(results)["in/a.jpg"]
        assert "was changed since" in results[0].failure.message
    assert b"edited" == files("out")["a.jpg"]


@pytest.mark.parametrize("on_exists", ["update", "skip", "error", "rename"])
def test_a_link_or_a_folder_in_the_place_of_an_output(here, on_exists):
    """A link, even one that leads nowhere, and a folder are things that exist; nothing is written through them."""
    os.makedirs("out/a.jpg/full")
    os.makedirs("out/sub")
    os.symlink("nowhere", "out/sub/b.png")

    with contextlib.suppress(OutputExists):
        run(plan_for(on_exists=on_exists))

    assert os.path.isdir("out/a.jpg/full")
    assert "nowhere" == os.readlink("out/sub/b.png")
    assert not os.path.exists("out/sub/nowhere")


def test_failed_pictures_are_tried_again(here):
    """A failure is not an output; what was written before it stays until there is something better."""
    run(plan_for())
    write("in/a.jpg", b"bad", LONG_AGO + 1)

    assert "failed" == outcomes(run(plan_for()))["in/a.jpg"]
    assert made(b"A") == files("out")["a.jpg"]

    write("in/a.jpg", b"good", LONG_AGO + 2)

    assert "done" == outcomes(run(plan_for()))["in/a.jpg"]
    assert made(b"good") == files("out")["a.jpg"]


def test_a_file_put_in_the_place_of_a_failure_is_kept(here):
    """Whoever mends a failed picture by hand keeps what he made."""
    write("in/a.jpg", b"bad")
    run(plan_for())
    write("out/a.jpg", b"by hand", 2_000_000_000_000_000_000)
    write("in/a.jpg", b"good", LONG_AGO + 1)

    results = run(plan_for())

    assert "failed" == outcomes(results)["in/a.jpg"]
    assert b"by hand" == files("out")["a.jpg"]


def test_retry_failed_takes_only_what_failed(here):
    """Others are left alone, without a result; with nothing to retry, there is nothing to do."""
    write("in/c.jpg", b"bad")
    run(plan_for())
    write("in/new.jpg", b"N")
    write("in/c.jpg", b"good", LONG_AGO + 1)
    plan = plan_for(retry_failed=True)

    assert 1 == plan.check().pictures
    assert {"in/c.jpg": "done"} == outcomes(run(plan))
    with pytest.raises(NothingToDo, match="nothing to retry"):
        plan_for(retry_failed=True).check()


def test_retry_failed_remembers_names_found_by_rename(here):
    """A picture that failed under another name is found under it."""
    write("out/a.jpg", b"foreign")
    write("in/a.jpg", b"bad")
    run(plan_for(on_exists="rename"))
    write("in/a.jpg", b"good", LONG_AGO + 1)

    results = run(plan_for(on_exists="rename", retry_failed=True))

    assert [("in/a.jpg", "out/a-1.jpg", "done")] == [(r.source, r.target, str(r.outcome)) for r in results]
    with pytest.raises(NothingToDo):
        plan_for(on_exists="rename", retry_failed=True).check()


def test_refused_pictures_can_be_retried(here):
    """After the foreign file is gone, the picture counts as one that failed."""
    write("out/a.jpg", b"foreign")
    run(plan_for())
    os.unlink("out/a.jpg")

    assert {"in/a.jpg": "done"} == outcomes(run(plan_for(retry_failed=True)))


def test_skip_leaves_whatever_exists(here):
    """Neither origin nor recipe matter."""
    write("out/a.jpg", b"foreign")

    assert {"in/a.jpg": "skipped", "in/sub/b.png": "done"} == outcomes(run(plan_for(on_exists="skip")))
    assert {"in/a.jpg": "skipped", "in/sub/b.png": "skipped"} == outcomes(run(plan_for(SHARPEN, on_exists="skip")))
    assert b"foreign" == files("out")["a.jpg"]


def test_overwrite_replaces_whatever_exists(here):
    """Every picture is done, every time."""
    write("out/a.jpg", b"foreign")

    for _ in range(2):
        assert {"done"} == set(outcomes(run(plan_for(on_exists="overwrite"))).values())
    assert {"a.jpg": made(b"A"), "sub/b.png": made(b"B")} == files("out")


def test_only_overwrite_replaces_what_appears_meanwhile(here):
    """A target that was not there when its task was made may be replaced only if everything may."""
    for on_exists, expected in (("update", False), ("skip", False), ("overwrite", True)):
        plan = plan_for(on_exists=on_exists, output=f"out-{on_exists}")
        with plan.open_ledger() as ledger:
            assert {expected} == {task.replace for task in plan.tasks(ledger, pytest.fail)}


def test_error_names_what_exists_before_the_start(here):
    """Nothing is done if anything is there."""
    run(plan_for(on_exists="error"))
    write("in/c.jpg", b"C")

    with pytest.raises(OutputExists) as caught:
        run(plan_for(on_exists="error"))

    assert "out/a.jpg exists" in str(caught.value)
    assert "out/sub/b.png exists" in str(caught.value)
    assert "c.jpg" not in files("out")


def test_error_refuses_what_appears_after_the_check(here):
    """Between the check and its turn, a target may have been written by somebody else."""
    plan = plan_for(on_exists="error")
    plan.check()
    write("out/a.jpg", b"foreign")

    assert "failed" == outcomes(run(plan, check=False))["in/a.jpg"]
    assert b"foreign" == files("out")["a.jpg"]


def test_rename_writes_beside_and_only_once(here):
    """The next free name is taken, no planned name is, and a second run knows what it made from what."""
    write("in/a-1.jpg", b"A1")
    write("out/a.jpg", b"foreign")
    write("out/a-3.jpg", b"foreign")
    expected = {
        "a.jpg": b"foreign",
        "a-1.jpg": made(b"A1"),
        "a-2.jpg": made(b"A"),
        "a-3.jpg": b"foreign",
        "sub/b.png": made(b"B"),
    }

    assert {"done"} == set(outcomes(run(plan_for(on_exists="rename"))).values())
    assert expected == files("out")
    assert {"skipped"} == set(outcomes(run(plan_for(on_exists="rename"))).values())
    assert expected == files("out")

    run(plan_for(SHARPEN, on_exists="rename"))

    new = {
        "a-4.jpg": made(b"A", SHARPEN),
        "a-1-1.jpg": made(b"A1", SHARPEN),
        "sub/b-1.png": made(b"B", SHARPEN),
    }
    assert expected | new == files("out")


def test_rename_leaves_names_free_that_come_later(here):
    """A name that another source will need is not taken."""
    write("in/sub/a-1.jpg", b"A1")
    write("out/a.jpg", b"foreign")

    run(plan_for(on_exists="rename", name="{name}"))

    assert {
        "a.jpg": b"foreign",
        "a-1.jpg": made(b"A1"),
        "a-2.jpg": made(b"A"),
        "b.png": made(b"B"),
    } == files("out")


def test_a_source_on_a_list_may_be_missing(here):
    """The run itself says so; it is no reason not to begin."""
    plan = plan_for(inputs=["-"], stdin=io.BytesIO(b"in/a.jpg\ngone.jpg\nnul\n"))

    assert (3, 2) == (plan.check().pictures, plan.check().missing)
    assert {"in/a.jpg": "done", "gone.jpg": "failed", "nul": "failed"} == outcomes(run(plan))


def test_nothing_to_do_says_what_was_ignored(here):
    """A folder without pictures is an error that helps."""
    write("texts/a.txt")

    with pytest.raises(
        NothingToDo, match=r"no picture in texts \(1 other files were ignored; --include '\*' takes them\)"
    ):
        plan_for(inputs=["texts"]).check()
    assert not os.path.exists("out")


# What must not begin


def test_collisions_are_found_before_the_start(here):
    """Two sources with one target are named, whatever tells them apart that a file system may not see."""
    write("in/x/photo.png")
    write("in/x/photo.jpg")
    write("in/y/Caf\u00e9.jpg")
    write("in/y/CAFE\u0301.JPG")

    with pytest.raises(OutputCollision) as caught:
        plan_for(Recipe(BLUR.pipeline, write=WriteOptions(format="webp"))).check()

    assert 2 == caught.value.total
    assert [
        ("in/x/photo.jpg", "in/x/photo.png", "out/x/photo.webp"),
        ("in/y/CAFE\u0301.JPG", "in/y/Caf\u00e9.jpg", "out/y/Caf\u00e9.webp"),
    ] == sorted(caught.value.pairs)
    assert "--name" in str(caught.value)
    assert not os.path.exists("out")


def test_a_file_named_twice_collides(here):
    """Overlapping inputs are told as what they are."""
    with pytest.raises(OutputCollision, match="name each file only once"):
        plan_for(inputs=["in", "in/a.jpg"]).check()


def test_only_the_first_of_many_collisions_are_named(here):
    """The message stays short, the number is right."""
    for number in range(30):
        write(f"in/many/{number}.jpg")

    with pytest.raises(OutputCollision) as caught:
        plan_for(name="{ext}x").check()

    assert (30, 10) == (caught.value.total, len(caught.value.pairs))
    assert "and 20 more" in str(caught.value)


@pytest.mark.parametrize("output", ["in", "./in/", "in/sub/..", "link", "hard", "{}/in"])
def test_an_output_that_would_fall_on_an_input_is_refused(here, output):
    """The source folder as output, however it is reached, needs --in-place; links to the very file count too."""
    os.symlink("in", "link")
    os.mkdir("hard")
    os.link("in/a.jpg", "hard/a.jpg")

    with pytest.raises(BadOption, match="--in-place"):
        plan_for(output=output.format(here), on_exists="overwrite").check()


def test_an_output_that_would_fall_on_another_input_is_refused(here):
    """A result must not replace any input, not only its own."""
    write("in/aa.jpg")

    with pytest.raises(BadOption, match=r"in/aa\.jpg is itself one of the inputs"):
        plan_for(inputs=["in/a.jpg", "in/aa.jpg"], output="in", name="a{stem}{ext}", on_exists="overwrite").check()


def test_results_among_the_inputs_are_left_out(here):
    """Where results lie beside their sources, they do not become sources: neither in a later run nor in this one."""
    recipe = Recipe(BLUR.pipeline, write=WriteOptions(format="webp"))
    expected = {"a.jpg": b"A", "sub/b.png": b"B", "zoo/a.webp": made(b"A", recipe), "zoo/b.webp": made(b"B", recipe)}

    results = run(plan_for(recipe, output="in", name="zoo/{stem}{ext}"))

    assert {"in/a.jpg": "done", "in/sub/b.png": "done"} == outcomes(results)
    assert expected == files("in")

    plan = plan_for(recipe, output="in", name="zoo/{stem}{ext}")

    assert (2, 2) == (plan.check().pictures, plan.check().left_out)
    assert {"in/a.jpg": "skipped", "in/sub/b.png": "skipped"} == outcomes(run(plan))
    assert expected == files("in")


def test_a_folder_below_the_input_can_be_the_output(here):
    """It is not walked."""
    for _ in range(2):
        run(plan_for(output="in/out"))

    assert {"a.jpg": made(b"A"), "sub/b.png": made(b"B")} == files("in/out")


def test_an_output_that_cannot_be_written_is_named_before_the_start(here):
    """A file in its place, or above it, is found by the check."""
    write("file", b"")

    with pytest.raises(BadOption, match="output"):
        plan_for(output="file").check()
    with pytest.raises(BadOption, match="can be written"):
        plan_for(output="file/below").check()
    with pytest.raises(BadOption, match="output"):
        plan_for(output="file").check(dry_run=True)


@contextlib.contextmanager
def nobody():
    """Give up the rights of root, to which the modes of files mean nothing."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("output", ["out", "."])
def test_a_folder_without_the_right_to_write_is_named_before_the_start(here, output):
    """Missing permission is one clear error, not one failure for every picture; a dry run needs no permission."""
    os.chmod(".", 0o555)
    os.chmod("in", 0o755)
    plan = plan_for(inputs=["in"], output=output, name="{stem}-x{ext}")

    with nobody():
        assert 2 == plan.check(dry_run=True).pictures
        with pytest.raises(BadOption, match=r"can be written \(Permission denied\)"):
            plan.check()
        with pytest.raises(BadOption, match=r"can be written \(Permission denied\)"):
            plan.open_ledger()
    os.chmod(".", 0o755)


def test_a_second_run_into_the_same_folder_is_refused(here):
    """One at a time."""
    with plan_for().open_ledger(), pytest.raises(OutputLocked):
        plan_for().open_ledger()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"output": "out", "in_place": True}, "not both"),
        ({"output": ""}, "folder"),
        ({"output": "a\0b"}, "folder"),
        ({"in_place": True, "name": "{name}"}, "keep their names"),
        ({"in_place": True, "on_exists": "overwrite"}, "processed twice"),
        ({"output": "out", "on_exists": "ask"}, "update, skip"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, word):
    """Impossible combinations are told when the options are made."""
    with pytest.raises(BadOption, match=word):
        PlanOptions(**options)


def test_a_plan_needs_a_place_for_results(here):
    """Neither an output nor --in-place is no plan, and another format cannot be written in place."""
    with pytest.raises(BadOption, match="--in-place"):
        make_plan(["in"], BLUR)
    with pytest.raises(BadOption, match="keep together with --in-place"):
        plan_for(Recipe(write=WriteOptions(format="png")), in_place=True)


# One file into one file


def test_an_output_may_be_a_file(here):
    """With one file as input, the name of a picture as output is the result's, and says its format."""
    plan = plan_for(inputs=["in/a.jpg"], output="x/{n}%.png")

    assert "png" == plan.recipe.write.format
    assert {"in/a.jpg": "done"} == outcomes(run(plan))
    assert ["{n}%.png"] == list(files("x"))
    assert {"in/a.jpg": "skipped"} == outcomes(run(plan_for(inputs=["in/a.jpg"], output="x/{n}%.png")))
    assert "." == plan_for(inputs=["in/a.jpg"], output="b.png").root


def test_a_folder_may_be_named_like_a_picture(here):
    """What is a folder already, or ends with a separator, is a folder."""
    os.mkdir("album.jpg")

    assert "album.jpg" == plan_for(output="album.jpg").root
    assert "new.jpg/" == plan_for(output="new.jpg/").root


@pytest.mark.parametrize(
    ("inputs", "recipe", "options", "word"),
    [
        (["in"], BLUR, {}, "--format png"),
        (["in/a.jpg", "in/sub/b.png"], BLUR, {}, "one file cannot hold"),
        (["in/*.jpg"], BLUR, {}, "one file cannot hold"),
        (["in/a.jpg"], Recipe(write=WriteOptions(format="webp")), {}, "for the format webp"),
        (["in/a.jpg"], BLUR, {"name": "{name}"}, "no template"),
    ],
)
def test_an_output_file_for_anything_else_is_refused(here, inputs, recipe, options, word):
    """Several results, another format or a template do not fit one file's name."""
    with pytest.raises(BadOption, match=word):
        plan_for(recipe, inputs=inputs, output="out.png", **options)


# In place


def test_in_place_replaces_once(here):
    """Each source is replaced by its result; another run with the same recipe does nothing; with another, it does."""
    assert {"done"} == set(outcomes(run(plan_for(in_place=True))).values())
    assert {"a.jpg": made(b"A"), "sub/b.png": made(b"B")} == files("in")
    assert {"skipped"} == set(outcomes(run(plan_for(in_place=True))).values())

    run(plan_for(SHARPEN, in_place=True))

    assert made(made(b"A"), SHARPEN) == files("in")["a.jpg"]


def test_in_place_is_remembered_by_folders_below_and_above(here):
    """A part of what was processed is known again, and so is everything from the whole."""
    run(plan_for(in_place=True))

    assert {"in/sub/b.png": "skipped"} == outcomes(run(plan_for(inputs=["in/sub"], in_place=True)))
    assert {"in/a.jpg": "skipped"} == outcomes(run(plan_for(inputs=["in/a.jpg"], in_place=True)))
    assert not os.path.exists("in/sub/.imgpipe")


def test_in_place_goes_through_links(here):
    """A link stays a link; the file that it leads to is replaced, once, however it is reached."""
    write("elsewhere/x.jpg", b"X")
    os.symlink("../elsewhere/x.jpg", "in/x.jpg")

    run(plan_for(in_place=True))

    assert os.path.islink("in/x.jpg")
    assert made(b"X") == Path("elsewhere/x.jpg").read_bytes()
    assert {"skipped"} == set(outcomes(run(plan_for(in_place=True))).values())
    with pytest.raises(OutputCollision, match="only once"):
        plan_for(inputs=["in", "elsewhere"], in_place=True).check()


def test_in_place_names_may_differ_in_case_alone(here):
    """Files that lie side by side already do not collide."""
    write("in/A.jpg", b"A")

    assert 3 == len(run(plan_for(in_place=True)))


def test_in_place_takes_a_changed_file_as_new(here):
    """A file that was replaced by its owner is processed again."""
    run(plan_for(in_place=True))
    write("in/a.jpg", b"new", LONG_AGO + 5)

    assert "done" == outcomes(run(plan_for(in_place=True)))["in/a.jpg"]
    assert made(b"new") == files("in")["a.jpg"]


def test_in_place_in_a_folder_of_results(here):
    """Results of another run can be processed in place, even if the recipe is the same; a kill changes nothing."""
    run(plan_for())
    with pytest.raises(KilledError):
        run(plan_for(inputs=["out"], in_place=True), killed_at=(0, "before"))

    assert {"done"} == set(outcomes(run(plan_for(inputs=["out"], in_place=True))).values())
    assert {"a.jpg": made(made(b"A")), "sub/b.png": made(made(b"B"))} == files("out")


def test_in_place_needs_a_folder_in_common(here, monkeypatch):
    """The ledger is not put into the root of the disk."""
    monkeypatch.setattr("imgpipe.plan.sources.Sources.common_folder", lambda self: "/")

    with pytest.raises(UsageError, match="no folder in common"):
        plan_for(in_place=True)


@pytest.mark.parametrize("second", [BLUR, SHARPEN])
@pytest.mark.parametrize("point", ["before", "written", "published", "recorded", "flushed"])
def test_in_place_with_a_change_of_mind(here, point, second):
    """Blurred once, then killed while sharpening, then continued or blurred again: no filter is ever applied twice."""
    run(plan_for(BLUR, in_place=True))
    with pytest.raises(KilledError):
        run(plan_for(SHARPEN, in_place=True), killed_at=(0, point))
    sharpened = point in ("published", "recorded", "flushed")

    run(plan_for(second, in_place=True))

    once = made(b"A", BLUR)
    blurred_last = made(made(once, SHARPEN), BLUR) if sharpened else once
    expected = made(once, SHARPEN) if second is SHARPEN else blurred_last
    assert expected == files("in")["a.jpg"]


# Killed runs


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("point", ["before", "written", "published", "recorded", "flushed"])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_killed_run_is_resumed(here, number, point, in_place):
    """Wherever it died, the next run ends with the tree of a run that did not, and the one after has nothing to do."""
    for name in "cd":
        write(f"in/{name}.jpg", name.encode())
    expected = {name: made(content) for name, content in files("in").items()}
    with pytest.raises(KilledError):
        run(plan_for(in_place=in_place), killed_at=(number, point))

    results = run(plan_for(in_place=in_place))

    folder = "in" if in_place else "out"
    assert expected == files(folder)
    assert Counter(["in/a.jpg", "in/c.jpg", "in/d.jpg", "in/sub/b.png"]) == Counter(r.source for r in results)
    assert all(result.ok for result in results)
    assert {"skipped"} == set(outcomes(run(plan_for(in_place=in_place))).values())


def test_what_a_killed_run_finished_in_place_is_noted_by_the_next(here):
    """Once it is known that the file was published, a file that its owner puts there later is new again."""
    with pytest.raises(KilledError):
        run(plan_for(in_place=True), killed_at=(0, "published"))
    run(plan_for(in_place=True))
    write("in/a.jpg", b"new", LONG_AGO + 5)

    assert "done" == outcomes(run(plan_for(in_place=True)))["in/a.jpg"]
    assert made(b"new") == files("in")["a.jpg"]


def test_a_renewal_that_is_killed_leaves_what_was_ours_ours(here):
    """The old result lies there, older than the killed run: it was ours before, so it still is."""
    run(plan_for(BLUR))
    with Ledger("out") as ledger:
        for name in ("a.jpg", "sub/b.png"):
            os.utime(f"out/{name}", ns=(LONG_AGO, LONG_AGO))
            row = ledger.get(name)
            assert row is not None
            ledger.put([replace(row, output=Identity(row.output.size, LONG_AGO))])
    with pytest.raises(KilledError):
        run(plan_for(SHARPEN), killed_at=(0, "before"))

    assert {"done"} == set(outcomes(run(plan_for(SHARPEN))).values())
    assert {"a.jpg": made(b"A", SHARPEN), "sub/b.png": made(b"B", SHARPEN)} == files("out")


def test_a_foreign_file_older_than_a_killed_run_is_not_ours(here):
    """A pending row alone does not make a file ours: it must have been written since."""
    with pytest.raises(KilledError):
        run(plan_for(), killed_at=(0, "before"))
    write("out/a.jpg", b"restored from a backup")

    assert "failed" == outcomes(run(plan_for()))["in/a.jpg"]
    assert b"restored from a backup" == files("out")["a.jpg"]


def test_a_file_system_with_coarse_times(here):
    """The time of a file may be up to two seconds behind the clock."""
    with pytest.raises(KilledError):
        run(plan_for(), killed_at=(0, "published"))
    status = os.stat("out/a.jpg")
    os.utime("out/a.jpg", ns=(status.st_mtime_ns, status.st_mtime_ns - 1_900_000_000))

    assert {"done"} == set(outcomes(run(plan_for())).values())


def test_leftovers_of_a_killed_run_are_swept(here):
    """Half-written files vanish from the folders in which something was unfinished."""
    with pytest.raises(KilledError):
        run(plan_for(), killed_at=(0, "written"))
    code = (
        "import os\n"
        "from imgpipe.pictures.staging import staged\n"
        "with staged('out/a.jpg', replace=True, durable=False): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert 1 == len(files("out"))

    run(plan_for())

    assert {"a.jpg", "sub/b.png"} == set(files("out"))


names = st.sampled_from(["a.jpg", "b.png", "sub/a.jpg", "sub/c.gif", "x/y/d.webp", "a-1.jpg", "\udcff.jpg", "{n}.png"])
points = st.sampled_from(["before", "written", "published", "recorded", "flushed"])
kills = st.lists(st.tuples(st.integers(0, 5), points), max_size=3)
manners = st.one_of(
    st.just({"in_place": True}),
    st.fixed_dictionaries(
        {
            "on_exists": st.sampled_from(["update", "skip", "overwrite", "rename"]),
            "name": st.sampled_from([DEFAULT_TEMPLATE, "{hash:.1}/{dir}{stem}-x{ext}", "{n:03}{ext}"]),
        }
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, st.sampled_from([b"A", b"bad", b"C"]), min_size=1), manners, kills, st.integers(0, 3))
def test_interruptions_do_not_show_in_the_result(tmp_path_factory, tree, manner, killed, foreign):
    """For any tree and manner, killed anywhere any number of times: the same files, and one outcome for every input."""
    base = tmp_path_factory.mktemp("kill")

    def prepared(name):
        root, output = base / name / "in", base / name / "out"
        for relative, content in tree.items():
            write(str(root / relative), content)
        return root, (root if manner.get("in_place") else output)

    def planned(root):
        return plan_for(inputs=[str(root)], output=str(root.parent / "out"), **manner)

    root, output = prepared("smooth")
    if not manner.get("in_place"):
        strangers = [picture.target for picture in planned(root).preview()][:foreign]
        for target in strangers:
            write(target, b"foreign")
    smooth = run(planned(root))
    expected = files(output)

    root, output = prepared("rough")
    if not manner.get("in_place"):
        for target in strangers:
            write(target.replace("/smooth/", "/rough/"), b"foreign")
    for kill in killed:
        with contextlib.suppress(KilledError):
            run(planned(root), killed_at=kill)
    rough = run(planned(root))

    assert expected == files(output)
    assert not [name for name in files(output) if name.endswith(".tmp")]
    assert len(tree) == len(rough) == len({result.source for result in rough})
    assert len(tree) == len({result.task_id for result in rough})
    assert Counter(result.ok for result in smooth) == Counter(result.ok for result in rough)


# Memory and laziness


class ManySources:
    """Sources that need no files, and count how many were taken."""

    inputs = ("many",)
    ignored = 0
    options = SourceOptions()

    def __init__(self, count):
        self.count, self.taken = count, 0

    def __iter__(self):
        for number in range(self.count):
            self.taken += 1
            yield Source(f"/in/folder/{number}.jpg", f"folder/{number}.jpg")


def plan_of(sources, folder, **options):
    """Return a plan for sources that are not files."""
    return Plan(sources, BLUR, PlanOptions(output=str(folder / "out"), **options))


def test_a_walk_over_many_sources_needs_little_memory(tmp_path):
    """100,000 sources are checked in a few megabytes."""
    plan = plan_of(ManySources(100_000), tmp_path)
    tracemalloc.start()

    summary = plan.check()

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (100_000, 100_000) == (summary.pictures, summary.missing)
    assert peak < 10e6


def test_tasks_are_made_when_they_are_wanted(tmp_path):
    """The first task needs no more than one chunk of sources, also where nothing but skipping is to be done."""
    sources = ManySources(10_000)
    plan = plan_of(sources, tmp_path)
    with plan.open_ledger() as ledger:
        tasks = plan.tasks(ledger, pytest.fail)
        first = next(tasks)

        assert 64 == sources.taken
        assert "pending" == ledger.get("folder/0.jpg").state
        assert "1" == first.id
        tasks.close()


def test_a_task_does_not_wait_for_endless_skipping(tmp_path):
    """One picture to do among thousands that are done is handed out soon."""
    sources = ManySources(10_000)
    plan = plan_of(sources, tmp_path, on_exists="skip")
    for number in range(1, 2000):
        write(str(tmp_path / f"out/folder/{number}.jpg"))
    with plan.open_ledger() as ledger:
        tasks = plan.tasks(ledger, lambda result: None)
        next(tasks)

        assert 256 == sources.taken
        tasks.close()


def test_every_task_has_its_row_before_it_is_given(here):
    """Whoever holds a task could die with it: the ledger knows of it already."""
    for number in range(150):
        write(f"in/many/{number:03}.jpg")
    plan = plan_for()
    with plan.open_ledger() as ledger, contextlib.closing(plan.tasks(ledger, pytest.fail)) as tasks:
        for task in tasks:
            assert "pending" == ledger.get(ledger.key(task.target)).state


# Dry run


def test_preview_says_what_a_run_would_do(here, picture_file):
    """Actions, sizes and reasons are those of the run, from headers alone; nothing is written, nothing is made."""
    shutil.rmtree("in")
    picture_file(here / "in", "big.jpg", size=(400, 300))
    picture_file(here / "in", "small.png", size=(40, 30))
    picture_file(here / "in", "there.png", size=(40, 30))
    write("in/broken.jpg", b"no picture")
    recipe = Recipe(Pipeline.parse("resize:100x100"))
    write("out/there.png", b"foreign")
    before = files(".", private=True)
    plan = plan_for(recipe)

    plan.check(dry_run=True)
    seen = {picture.source: picture for picture in plan.preview()}

    assert before == files(".", private=True)
    assert {
        "in/big.jpg": "process",
        "in/broken.jpg": "refuse",
        "in/small.png": "copy",
        "in/there.png": "refuse",
    } == {source: picture.action for source, picture in seen.items()}
    big = seen["in/big.jpg"]
    assert ("out/big.jpg", "jpeg", 100, 75, 0.12) == (big.target, big.format, big.width, big.height, big.megapixels)
    assert big.memory_bytes > 200 * 150 * 4  # the decoder gives half the sides
    assert "UNREADABLE" in seen["in/broken.jpg"].reason
    assert "was not written by imgpipe" in seen["in/there.png"].reason


def test_preview_of_a_fresh_output_makes_no_folder(here):
    """Even the output folder is not made."""
    plan = plan_for()

    plan.check(dry_run=True)
    list(plan.preview())

    assert not os.path.exists("out")


def test_preview_knows_the_ledger(here):
    """What is up to date is skipped in the preview too, and a preview does not disturb a run that is going on."""
    run(plan_for())
    before = files("out", private=True)

    assert ["up to date"] * 2 == [picture.reason for picture in plan_for().preview()]
    assert before == files("out", private=True)
    with Ledger("out"):
        assert ["skip"] * 2 == [picture.action for picture in plan_for().preview()]


def test_preview_renames_as_the_run_does(here):
    """The names that a run would find are shown."""
    write("out/a.jpg", b"foreign")

    seen = [picture.target for picture in plan_for(on_exists="rename").preview()]
    results = run(plan_for(on_exists="rename"))

    assert ["out/a-1.jpg", "out/sub/b.png"] == seen == [result.target for result in results]


def test_preview_refuses_what_the_header_forbids(here, picture_file):
    """An animation does not fit a format without frames: known before a pixel is decoded."""
    shutil.rmtree("in")
    from PIL import Image

    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    os.mkdir("in")
    frames[0].save("in/a.gif", save_all=True, append_images=frames[1:])

    (seen,) = plan_for(Recipe(BLUR.pipeline, write=WriteOptions(format="jpeg"))).preview()

    assert "refuse" == seen.action
    assert "ANIMATED" in seen.reason


def test_order_does_not_depend_on_the_disk(here, monkeypatch):
    """Numbers in names are the same whatever order the file system lists files in."""
    for number in range(20):
        write(f"in/{number:02}.jpg")
    expected = [picture.target for picture in plan_for(name="{n:03}{ext}").preview()]
    real = os.scandir

    @contextlib.contextmanager
    def shuffled(path):
        with real(path) as entries:
            yield random.Random(7).sample(found := list(entries), len(found))

    monkeypatch.setattr(os, "scandir", shuffled)

    assert expected == [picture.target for picture in plan_for(name="{n:03}{ext}").preview()]
