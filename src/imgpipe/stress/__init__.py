"""Stress: sends tasks to a queue or a server by a plan, watches what becomes of each, and judges its own measurement.

`schedule` says when, `generator` sends, `book` writes down, `queue_target` and `http_target` know whom to send to;
`fleet` and `faults` are for workers of our own, which may be killed. All else is arithmetic: `summary` makes a report
of what was written down, `verdict` says whether it can be trusted, `table`, `document` and `page` show it.
"""

from imgpipe.stress.run import Stress, stress
from imgpipe.stress.summary import report_of
from imgpipe.stress.values import Plan, Report, Run

__all__ = ["Plan", "Report", "Run", "Stress", "report_of", "stress"]
