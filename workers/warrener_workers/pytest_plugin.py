"""What pytest loads in every environment that has Warrener: fixtures by name, and nothing else.

It must import nothing beyond pytest itself. Who tests something else has not asked for Warrener's
extra, and a plug-in that cannot be imported ends every run of pytest.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from warrener import Warrener

    from .testing import WarrenerTest

NEEDS = ("pytest_asyncio", "fakeredis", "lupa")
_missing = [name for name in NEEDS if find_spec(name) is None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option `warrener_app`."""
    parser.addini("warrener_app", "The app under test, as module:attribute.", default="")


@pytest.fixture
def warrener_app(request: pytest.FixtureRequest) -> Warrener:
    """The app under test: the ini option `warrener_app`, or WARRENER_APP; or override this fixture."""
    from warrener.errors import ConfigurationError
    from warrener.loading import load_app

    path = request.config.getini("warrener_app") or os.environ.get("WARRENER_APP", "")
    if not path:
        raise ConfigurationError(
            message="say which app is tested: warrener_app = module:attribute in pytest's "
            "configuration, or a fixture of yours called warrener_app"
        )
    return load_app(str(path))


if _missing:

    @pytest.fixture(name="warrener_test")
    def refused() -> NoReturn:
        """The same name without the extra, so that the error says what to install."""
        from warrener.errors import ConfigurationError

        raise ConfigurationError(
            message=f"the fixture warrener_test needs {', '.join(_missing)}: "
            "pip install 'warrener[testing]'"
        )

else:
    import pytest_asyncio

    @pytest_asyncio.fixture(name="warrener_test")
    async def on_the_double(warrener_app: Warrener) -> AsyncIterator[WarrenerTest]:
        """The app under test on an in-memory broker: send, `await warrener_test.drain()`, look."""
        from .testing import WarrenerTest

        async with WarrenerTest(warrener_app).installed() as test:
            yield test
