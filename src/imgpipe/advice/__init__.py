"""Advice: whether other numbers of workers would help, by how much, how sure that is, and why; never carried out."""

from imgpipe.advice.advice import Advice, advise, advise_all
from imgpipe.advice.settings import AdviceSettings
from imgpipe.advice.signals import Host, Objective, Signals, WorkerSignal

__all__ = ["Advice", "AdviceSettings", "Host", "Objective", "Signals", "WorkerSignal", "advise", "advise_all"]
