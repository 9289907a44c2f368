"""Monitor: what a fleet is doing, how fast, what is stuck, and whether more workers would help."""

from imgpipe.monitor.values import Snapshot
from imgpipe.monitor.watch import Watch

__all__ = ["Snapshot", "Watch"]
