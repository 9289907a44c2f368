"""as_filter: turns a plain function over pixels into a filter."""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from imgpipe.filters.base import Filter, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.frame import Frame


def as_filter(
    function: Callable[..., Any] | None = None,
    *,
    name: str = "",
    kind: Kind = "cpu",
    modes: tuple[str, ...] = ("RGB",),
    alpha: Literal["native", "premultiply", "separate"] = "separate",
    gil: Literal["releases", "holds"] = "holds",
    version: int = 1,
) -> Any:
    """Register a function as a filter and return the filter class.

        @as_filter
        def sepia(pixels: np.ndarray, *, strength: Annotated[float, Range(0, 1)] = 1.0) -> np.ndarray:
            ...

    The first argument's annotation says what the function gets: `numpy.ndarray` (uint8, height x width x 3) or
    `PIL.Image.Image`; it returns the same kind. Keyword arguments become the parameters. The function must live in an
    importable module if it is to run in other processes.
    """
    if function is None:
        return lambda wrapped: as_filter(
            wrapped, name=name, kind=kind, modes=modes, alpha=alpha, gil=gil, version=version
        )
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function, include_extras=True)
    pixels, *parameters = signature.parameters.values()
    backend = _backend(function.__name__, hints.get(pixels.name))

    def apply(self: Filter, frame: Frame) -> Frame:
        if backend == "numpy":
            return frame.with_array(np.asarray(function(frame.array, **self.params())))
        return frame.with_image(function(frame.image, **self.params()))

    fields = {parameter.name: hints.get(parameter.name, Any) for parameter in parameters}
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    body = {
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        "__annotations__": fields,
        "apply": apply,
        **defaults,
    }
    spec = {"kind": kind, "backend": backend, "modes": modes, "alpha": alpha, "gil": gil, "version": version}
    return type(Filter)(function.__name__, (Filter,), body, name=name or function.__name__, **spec)


def _backend(function: str, hint: Any) -> Literal["pillow", "numpy"]:
    hint = typing.get_origin(hint) or hint
    if hint is np.ndarray:
        return "numpy"
    if hint is Image.Image:
        return "pillow"
    raise TypeError(f"{function}: annotate its first argument as numpy.ndarray or PIL.Image.Image")
