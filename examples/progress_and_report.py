"""Progress and a report: how far a run is, and a line of CSV for every picture, while it goes on.

A plan knows before the start how many pictures there are, and that no two of them want the same name.

Prints:

    1 of 4: sample-001.jpg is done
    2 of 4: sample-002.jpg is done
    3 of 4: sample-003.png is done
    4 of 4: sample-004.jpg is done
    run.csv: 4 rows, 0.9 megapixels read
"""

import csv
import itertools
from pathlib import Path

from imgpipe import Journal, Pipeline, Recipe, Result, create_executor, make_plan, make_samples, run

make_samples("photos", count=4, width=640, height=480)
plan = make_plan(["photos"], Recipe(Pipeline.parse("edges")), output="edges")
total = plan.check().pictures
numbers = itertools.count(1)

with Journal("run.csv") as journal, create_executor("sequential") as executor:

    def each(result: Result) -> None:
        """Tell of one picture; this thread calls it."""
        journal.add(result)
        print(f"{next(numbers)} of {total}: {Path(result.source).name} is {result.outcome}")

    run(plan, executor, each=each)

with open("run.csv", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
print(f"run.csv: {len(rows)} rows, {sum(float(row['megapixels']) for row in rows):.1f} megapixels read")
