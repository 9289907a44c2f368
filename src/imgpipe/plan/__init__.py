"""Plan: from what the user names to tasks: which files, which targets, what is up to date, what forbids the run."""

from imgpipe.plan.plan import Plan, PlanOptions, make_plan
from imgpipe.plan.preview import PlannedPicture
from imgpipe.plan.survey import PlanSummary

__all__ = ["Plan", "PlanOptions", "PlanSummary", "PlannedPicture", "make_plan"]
