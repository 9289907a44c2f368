"""Resume: a run that was stopped goes on, and what is up to date is left alone; a ledger in the output knows.

Prints:

    stopped: enough for today, 2 done
    the same again: 4 done, 2 up to date
    and again: 0 done, 6 up to date
    another pipeline: 6 done, 0 up to date
    one source is new: 1 done, 5 up to date
"""

import shutil

from imgpipe import Pipeline, Recipe, Result, create_executor, make_plan, make_samples, process, run

make_samples("photos", count=6, width=320, height=180)
results: list[Result] = []

plan = make_plan(["photos"], Recipe(Pipeline.parse("blur:2")), output="out")
plan.check()
with create_executor("sequential") as executor:
    report = run(plan, executor, each=results.append, stop=lambda: "enough for today" if len(results) == 2 else "")
print(f"stopped: {report.stopped}, {report.done} done")


def again(words: str, pipeline: str) -> None:
    """Run it once more."""
    report = process("photos", pipeline, "out")
    print(f"{words}: {report.done} done, {report.skipped} up to date")


again("the same again", "blur:2")
again("and again", "blur:2")
again("another pipeline", "blur:3")
shutil.copy("photos/sample-001.jpg", "photos/sample-002.jpg")
again("one source is new", "blur:3")
