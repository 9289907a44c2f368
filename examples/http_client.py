"""An HTTP client of the standard library alone: hand pictures over, wait for their end, fetch a result.

Here the server is started as well. It has workers of its own; with `--redis`, those of other machines do the work.

Prints:

    3 pictures handed over: resize:width=320,height=240 | blur:radius=3
    completed: 3 done, 0 failed
    sample-001.jpg has become a picture of 320x180
"""

import io
import json
import subprocess
import sys
from typing import Any
from urllib.request import Request, urlopen

from PIL import Image

from imgpipe import make_samples

ORDER = {
    "images": ["sample-001.jpg", "sample-002.jpg", "sample-003.png"],
    "filters": ["resize", "blur"],
    "filter_params": {"resize": {"width": 320, "height": 240}, "blur": {"radius": 3.0}},
}


def main(url: str) -> None:
    """Send an order to the server at `url`."""
    task = ask(f"{url}/api/process-batch/distributed/", ORDER)
    print(f"{task['total']} pictures handed over: {task['pipeline']}")
    status = task
    while status["status"] in ("pending", "processing"):
        status = ask(f"{url}{task['status_url']}?wait=30")  # answered as soon as it is over: this loop does not hurry
    print(f"{status['status']}: {status['progress']['done']} done, {status['progress']['failed']} failed")

    results = ask(f"{url}{task['results_url']}")["items"]
    first = min(results, key=lambda result: str(result["input"]))
    with urlopen(url + first["image_url"]) as answer:
        picture = Image.open(io.BytesIO(answer.read()))
    print(f"{first['input']} has become a picture of {picture.width}x{picture.height}")


def ask(url: str, order: object = None) -> dict[str, Any]:
    """Ask for JSON; with an order, POST it. An answer of 400 or more raises `HTTPError`, whose body says why."""
    body = None if order is None else json.dumps(order).encode()
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=60) as answer:
        return dict(json.load(answer))


make_samples("pictures", count=3, width=640, height=360)
command = [sys.executable, "-m", "imgpipe", "serve", "--port", "0", "--quiet", "--images", "pictures"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
    try:
        assert server.stdout is not None
        main(server.stdout.readline().split()[2].rstrip("/"))  # "imgpipe serves http://127.0.0.1:40613/ (...)"
    finally:
        server.terminate()
