"""Children: processes that each work on one picture at a time, so that a crash or a hang costs that picture alone."""

from imgpipe.children.pool import ChildPool

__all__ = ["ChildPool"]
