"""The accessor `.cmd` on frames and series of pandas, polars and Dask, and when it is registered.

Registering goes through each library's own extension API. A library that is not imported yet is
waited for: one finder on `sys.meta_path` registers the accessor right after the import, which it
leaves to the finders that are there. Nothing is imported here but the standard library, so that
loading the extension stays light.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


NAME: Final = "cmd"
_PACKAGE = "cc_jupyter"


class CmdAccessor:
    """Send a prompt for each row of a frame or series.

    `df.cmd.map("Classify: {{ text }}", into=Literal["good", "bad"])` is
    `cc_jupyter.map_rows(df, …)`. The result's `.cmd.meta` says what each row took.
    """

    def __init__(self, data: Any) -> None:  # noqa: ANN401  of any library
        if _is_taken(data):
            from cc_jupyter.rows.frames.taken_name import taken_error  # noqa: PLC0415  loading the extension is light

            raise taken_error(data, is_pandas=_library(data) == "pandas")
        self._data = data

    def map(  # noqa: PLR0913  experiments.md, section 5
        self,
        prompt: str,
        *,
        into: object | None = None,
        model: str | None = None,
        system: str | None = None,
        preview: int | None = None,
        check: str | Sequence[str] = (),
        concurrency: int | None = None,
        max_usd: float | str | None = None,
        max_requests: int | None = None,
        on_error: str = "keep",
        unique: bool | None = None,
        fresh: bool = False,
        retry: str | Sequence[str] = (),
        executor: Any = None,  # noqa: ANN401  of concurrent.futures, or a Dask client
        **parameters: Any,  # noqa: ANN401  those of `cc_jupyter.ask`
    ) -> Any:  # noqa: ANN401  of the library of the data
        """Return the answers for all rows, with the same index; see `cc_jupyter.map_rows`.

        Parameters
        ----------
        prompt
            `{{ }}` is filled in for each row: with `row`, `index`, the columns, then your names.
        into
            The type of the answers: one column for each of its fields. Without it, the text.
        preview
            Send only so many rows, drawn with a fixed seed, and project the bill.
        check
            Expressions that are evaluated for each answer: one column each.
        on_error
            `keep`: a row that fails is missing. `raise`: an error at the end. `stop`: at once.
        unique
            Send equal rows once; `False` sends each. Where all rows are equal, say which is meant.
        fresh
            Send all rows again, also those that an earlier run has answered.
        retry
            Also send rows again whose answer ended so: `length`, `content_filter`, …
        """
        options = {**locals(), **parameters}
        for name in ("self", "prompt", "parameters"):
            del options[name]
        map_rows: Callable[..., Any] = sys.modules[_PACKAGE].map_rows  # loads what it needs
        return map_rows(self._data, prompt, **options)

    @property
    def meta(self) -> Any:  # noqa: ANN401  of the library of the result
        """What each row of a result took: tokens, cost, attempts, error; a copy has none.

        Raises
        ------
        OptionError
            It is a copy of a result, or no result at all.
        """
        from cc_jupyter.rows.frames.meta import meta_of  # noqa: PLC0415  loading the extension is light

        return meta_of(self._data)


def _is_taken(data: Any) -> bool:  # noqa: ANN401  of any library
    """Return whether `.cmd` reads a column, or a cell of a series by its label.

    In polars it never does.
    """
    library = _library(data)
    if library == "polars":
        return False
    if hasattr(data, "columns"):
        return NAME in data.columns
    return library == "pandas" and data.index.dtype.kind == "O" and NAME in data.index


def _library(data: object) -> str:
    """Return the library of a frame or series, which may be of a subclass."""
    modules = (kind.__module__.partition(".")[0] for kind in type(data).__mro__)
    return next((each for each in modules if each in ("pandas", "polars", "dask")), "")


def _register_pandas(module: Any) -> None:  # noqa: ANN401  a module
    _add(module.DataFrame, module.api.extensions.register_dataframe_accessor)
    _add(module.Series, module.api.extensions.register_series_accessor)


def _register_polars(module: Any) -> None:  # noqa: ANN401  a module
    _add(module.DataFrame, module.api.register_dataframe_namespace)
    _add(module.Series, module.api.register_series_namespace)


def _register_dask(module: Any) -> None:  # noqa: ANN401  a module
    _add(module.DataFrame, module.extensions.register_dataframe_accessor)
    _add(module.Series, module.extensions.register_series_accessor)


_REGISTER: Final[dict[str, Callable[[Any], None]]] = {
    "pandas": _register_pandas,
    "polars": _register_polars,
    "dask.dataframe": _register_dask,
}
"""By the module that has the classes."""


def _add(kind: type, registrar: Callable[[str], Callable[[type], type]]) -> None:
    """Register the accessor for one class, unless it is there; nothing else is replaced."""
    if vars(kind).get(NAME) is None:
        registrar(NAME)(CmdAccessor)


def _remove(kind: Any) -> None:  # noqa: ANN401  a class of a library
    """Take the accessor out of one class, if it is ours."""
    if getattr(kind, NAME, None) is CmdAccessor:
        delattr(kind, NAME)
        getattr(kind, "_accessors", set()).discard(NAME)


def register() -> None:
    """Register the accessor at once for imported libraries, later for others; once is enough."""
    for name in _REGISTER:
        if (module := sys.modules.get(name)) is not None:
            _register(name, module)
    if not any(isinstance(each, _AfterImport) for each in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


def unregister() -> None:
    """Take the accessor and the finder out again."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _AfterImport)]
    for name in _REGISTER:
        module = sys.modules.get(name)
        for kind in (getattr(module, "DataFrame", None), getattr(module, "Series", None)):
            _remove(kind)


def _register(name: str, module: object) -> None:
    """Register the accessor for a library; a library that cannot is imported all the same."""
    try:
        _REGISTER[name](module)
    except Exception as error:  # noqa: BLE001  of any version of a foreign library
        warnings.warn(
            f"cc_jupyter cannot add the accessor .cmd to {name} ({type(error).__name__}: {error});"
            " use cc_jupyter.map_rows",
            stacklevel=2,
        )


class _AfterImport:
    """Finds the libraries as the other finders do, and registers the accessor after the import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a library; `None` for all other modules, for which it costs 0.1 us."""
        if name not in _REGISTER:
            return None
        spec = next(self._specs(name, path, target), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader)  # type: ignore[assignment]
        return spec

    def _specs(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> Iterator[ModuleSpec]:
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    yield spec


class _RegisteringLoader:
    """The loader of a library, which it gives back before the library runs."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  of any loader
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as its own loader does, then register the accessor."""
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        if any(isinstance(each, _AfterImport) for each in sys.meta_path):
            _register(module.__name__, module)
