"""Fragile: a filter that ends its process at some pictures, as a bug in a native library would; for `crash.py`."""

import ctypes

from imgpipe import Filter, Frame


class Fragile(Filter, name="fragile", modes=("RGB",)):
    """Leave pictures as they are, and crash at those that are `width` wide."""

    width: int

    def apply(self, frame: Frame) -> Frame:
        """Read from address 0 if it is such a picture: the system ends the process."""
        if frame.width == self.width:
            ctypes.string_at(0)
        return frame
