"""An engine of your own: whatever speaks `concurrent.futures` can do the work, here the standard library's processes.

Dask, loky and MPI speak it as well, with workers on other machines.

Prints:

    6 done
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from imgpipe import FuturesExecutor, make_samples, process


def main() -> None:
    """Lend the pool to imgpipe for one run; who has made it ends it."""
    make_samples("photos", count=6, width=640, height=360)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        report = process("photos", "brightness:1.2", "bright", executor=FuturesExecutor(pool, workers=2))
    print(report.done, "done")


if __name__ == "__main__":  # the standard library's processes import this file; imgpipe's own do not
    main()
