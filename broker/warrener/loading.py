"""Finding an app by its path, module:attribute."""

from __future__ import annotations

import sys

from .app import Warrener
from .errors import AppImportError
from .imports import import_module


def load_app(path: str) -> Warrener:
    """Import an app given as module:attribute, also from the current folder. Raises AppImportError."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise AppImportError(path=path, reason="it is not of the form module:attribute")
    if "" not in sys.path:
        sys.path.insert(0, "")
    module = import_module(module_name, path)
    try:
        app = getattr(module, attribute)
    except AttributeError as error:
        raise AppImportError(path=path, reason=error) from error
    if not isinstance(app, Warrener):
        raise AppImportError(path=path, reason=f"it is a {type(app).__name__}, not a Warrener")
    return app
