"""Importing what users name, with errors that say where in their own files it broke."""

from __future__ import annotations

import importlib
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from .errors import AppImportError, WarrenerError
from .settings import read_settings

_OURS = str(Path(__file__).parent)
# Code that users have not written; the standard library's folder holds site-packages as well.
_OTHERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")})
_OUR_PACKAGES = ("warrener", "warrener_workers", "warrener_api")


def import_module(name: str, path: str) -> ModuleType:
    """Import a module that `path` names to the user. Raises AppImportError for all that goes wrong in
    it, except for Warrener's own errors, which say enough."""
    try:
        return importlib.import_module(name)
    except WarrenerError:
        raise
    except (Exception, SystemExit) as error:
        raise _explained(error, name, path) from error


def name_of_module(function: Callable[..., Any]) -> str:
    """The module's importable name, also for a file that runs as a script."""
    if function.__module__ != "__main__":
        return function.__module__
    main = sys.modules["__main__"]
    if spec := getattr(main, "__spec__", None):
        return str(spec.name.removesuffix(".__main__"))
    file = getattr(main, "__file__", None) or "__main__.py"
    return str(file.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py"))


def _explained(error: BaseException, module: str, path: str) -> AppImportError:
    where = _last_line(error.__traceback__)
    if where is None and isinstance(error, ImportError):
        return AppImportError(path=path, reason=error)
    reason = str(error)
    if not isinstance(error, ImportError):  # which needs no name
        reason = f"{type(error).__name__}: {reason}".removesuffix(": ")
    if where is not None:
        reason += f" ({_short(where.filename)}, line {where.lineno})"
    remedy = f'Mend it, and try `python -c "import {module}"`.'
    return AppImportError(path=path, reason=reason, remedy=remedy)


def _last_line(trace: TracebackType | None) -> traceback.FrameSummary | None:
    """The last line of the user's own in a traceback."""
    lines = [line for line in traceback.extract_tb(trace) if _is_the_users(line.filename)]
    return lines[-1] if lines else None


def _is_the_users(file: str) -> bool:
    return not file.startswith(("<", _OURS, *_OTHERS))


def users_frame(trace: TracebackType | None, package: str) -> str:
    """The innermost frame of the user's own code, as module.function:line; empty if there is none.
    Code of the task's own `package` is the user's wherever it is installed."""
    found = ""
    for frame, line in traceback.walk_tb(trace):
        module = str(frame.f_globals.get("__name__", ""))
        root = module.partition(".")[0]
        if root in _OUR_PACKAGES:
            continue
        if root == package or _is_the_users(frame.f_code.co_filename):
            found = f"{module}.{frame.f_code.co_qualname}:{line}"
    return found


def _short(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def users_traceback(error: WarrenerError) -> str:
    """The traceback of what broke in the user's files while they were imported, from their first line on;
    empty if nothing of theirs broke: settings come from the environment more often than from code."""
    broken = error.__cause__ if isinstance(error, AppImportError) else error
    if broken is not None and _innermost(broken.__traceback__) is read_settings.__code__:
        return ""
    trace = _behind_import(broken.__traceback__) if broken is not None else None
    while trace is not None and not _is_the_users(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if broken is None or (trace is None and not isinstance(broken, SyntaxError)):
        return ""
    return "".join(traceback.format_exception(type(broken), broken, trace))


def _innermost(trace: TracebackType | None) -> CodeType | None:
    found = None
    for frame, _ in traceback.walk_tb(trace):
        found = frame.f_code
    return found


def _behind_import(trace: TracebackType | None) -> TracebackType | None:
    """What follows where a module was imported; None if none was."""
    while trace is not None and trace.tb_frame.f_code is not import_module.__code__:
        trace = trace.tb_next
    return trace
