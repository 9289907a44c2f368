"""Lessons: guided experiments: a question, the learner's prediction, a real run, what came out, and why.

A module for each lesson has its `Lesson` under the name LESSON; `catalogue` finds it. What a lesson measures is real,
on this machine and now; what it says is made from the measured numbers.
"""

from imgpipe.lessons.catalogue import NAMES, all_lessons, find
from imgpipe.lessons.values import Finding, Lesson

__all__ = ["NAMES", "Finding", "Lesson", "all_lessons", "find"]
