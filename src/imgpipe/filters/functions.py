"""as_filter: turns a plain function over pixels into a filter."""

from __future__ import annotations

import inspect
import types
import typing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from PIL import Image

from imgpipe.filters.base import Filter, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgpipe.frame import Frame


@overload
def as_filter(function: Callable[..., Any]) -> type[Any]: ...
@overload
def as_filter(
    *,
    name: str = "",
    kind: Kind = "cpu",
    modes: tuple[str, ...] = ("RGB",),
    alpha: Literal["native", "premultiply", "separate"] = "separate",
    gil: Literal["releases", "holds"] = "holds",
    version: int = 1,
) -> Callable[[Callable[..., Any]], type[Any]]: ...
def as_filter(
    function: Callable[..., Any] | None = None,
    *,
    name: str = "",
    kind: Kind = "cpu",
    modes: tuple[str, ...] = ("RGB",),
    alpha: Literal["native", "premultiply", "separate"] = "separate",
    gil: Literal["releases", "holds"] = "holds",
    version: int = 1,
) -> type[Any] | Callable[[Callable[..., Any]], type[Any]]:
    """Register a function as a filter and return the filter class.

        @as_filter
        def sepia(pixels: np.ndarray, *, strength: Annotated[float, Range(0, 1)] = 1.0) -> np.ndarray:
            ...

    The first argument's annotation says what the function gets: `numpy.ndarray` (uint8, height x width x 3) or
    `PIL.Image.Image`; it returns the same kind. Keyword arguments become the parameters. The function must live in an
    importable module if it is to run in other processes.
    """
    if function is None:
        return partial(_filter_of, name=name, kind=kind, modes=modes, alpha=alpha, gil=gil, version=version)
    return _filter_of(function, name=name, kind=kind, modes=modes, alpha=alpha, gil=gil, version=version)


def _filter_of(function: Callable[..., Any], *, name: str, **spec: object) -> type[Any]:
    if not inspect.signature(function).parameters:
        raise TypeError(f"{function.__name__}: it takes no picture")
    hints = typing.get_type_hints(function, include_extras=True)
    pixels, *parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in (pixels, *parameters)):
        raise TypeError(f"{function.__name__}: name each parameter, without *args and **kwargs")
    backend = _backend(function.__name__, hints.get(pixels.name))

    def apply(self: Filter, frame: Frame) -> Frame:
        # Arrays cannot be written to; a Pillow image cannot be protected, and people draw on them: it is a copy.
        after = function(frame.array if backend == "numpy" else frame.image.copy(), **self.params())
        if isinstance(after, np.ndarray):
            return frame.with_array(after)
        if isinstance(after, Image.Image):
            return frame.with_image(after)
        raise TypeError(f"it returned {type(after).__name__}, not a picture")

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
    spec |= {"name": name or function.__name__, "backend": backend}
    return types.new_class(function.__name__, (Filter,), spec, lambda namespace: namespace.update(body))


def _backend(function: str, hint: Any) -> Literal["pillow", "numpy"]:
    hint = typing.get_origin(hint) or hint
    if hint is np.ndarray:
        return "numpy"
    if hint is Image.Image:
        return "pillow"
    raise TypeError(f"{function}: annotate its first argument as numpy.ndarray or PIL.Image.Image")
