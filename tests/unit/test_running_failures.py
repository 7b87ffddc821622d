"""Running a job: exceptions become outcomes that the parent process can hear of."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from warrener import Retry, RetryLater
from warrener.loading import load_app
from warrener_workers.running import LONGEST_MESSAGE, LONGEST_TRACEBACK

from .running import failed


class ShopError(Exception):
    pass


def kinds(error: BaseException) -> list[Any]:
    """A coroutine and a plain function that raise it."""

    async def coroutine() -> None:
        raise error

    def plain() -> None:
        raise error

    return [coroutine, plain]


@pytest.mark.parametrize(
    "error, name",
    [
        (ValueError("no"), "ValueError"),
        (ShopError("no"), f"{__name__}.ShopError"),
        (SystemExit("no"), "SystemExit"),
        (KeyboardInterrupt("no"), "KeyboardInterrupt"),
        (asyncio.CancelledError("no"), "asyncio.exceptions.CancelledError"),
    ],
)
async def test_an_exception_is_an_outcome(error: BaseException, name: str) -> None:
    for function in kinds(error):
        outcome = await failed(function)
        assert (outcome.error.type, outcome.error.message) == (name, "no")
        assert outcome.error.reason == "error"


async def test_stop_iteration_from_a_plain_function_is_an_outcome() -> None:
    def first_of_nothing() -> int:
        return next(iter([]))

    async with asyncio.timeout(1):
        outcome = await failed(first_of_nothing)
    assert "StopIteration" in outcome.error.traceback


def inner() -> None:
    raise ValueError("no")


async def test_an_error_says_where_in_the_users_own_code_it_was_raised() -> None:
    async def mine() -> None:
        inner()

    async def library() -> None:
        json.loads("{")

    async def ours() -> None:
        load_app("no module")

    line = inner.__code__.co_firstlineno + 1
    assert (await failed(mine)).error.frame == f"{__name__}.inner:{line}"
    for function in (library, ours):
        line = function.__code__.co_firstlineno + 1
        frame = (await failed(function)).error.frame
        assert frame == f"{__name__}.{function.__qualname__}:{line}"


async def test_code_of_the_tasks_own_package_is_the_users_wherever_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def mine() -> None:
        inner()

    root = str(Path(__file__).parents[2])
    monkeypatch.setattr("warrener.imports._OTHERS", (root,))
    assert (await failed(mine)).error.frame.startswith(f"{__name__}.inner:")
    mine.__module__ = "elsewhere.tasks"
    assert (await failed(mine)).error.frame == ""


async def test_what_nothing_of_the_users_raised_has_no_frame() -> None:
    async def takes(a: int) -> None: ...

    assert (await failed(takes, "x")).error.frame == ""


async def outer() -> None:
    inner()


def plain_outer() -> None:
    inner()


@pytest.mark.parametrize("function", [outer, plain_outer])
async def test_a_traceback_shows_the_user_s_code_alone(function: Any) -> None:
    text = (await failed(function)).error.traceback
    assert text.startswith("Traceback (most recent call last)")
    assert text.endswith("ValueError: no\n")
    assert text.count('  File "') == 2, text
    assert "in inner" in text


async def test_huge_errors_are_cut_and_keep_their_end() -> None:
    async def recurse(depth: int) -> None:
        if depth == 0:
            raise ValueError("x" * 100_000 + "end")
        await recurse(depth - 1)

    outcome = await failed(recurse, 50)
    assert len(outcome.error.message) == LONGEST_MESSAGE
    assert len(outcome.error.traceback) == LONGEST_TRACEBACK
    assert outcome.error.traceback.endswith("end\n")


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError("no file \udcff"), id="undecodable file name"),
        pytest.param(Speechless(), id="no text"),
        pytest.param(ExceptionGroup("all", [ValueError("\udcff")]), id="group"),
    ],
)
async def test_an_error_whose_text_is_broken_can_still_be_told(error: Exception) -> None:
    for function in kinds(error):
        assert (await failed(function)).error.type.endswith(type(error).__name__)


@pytest.mark.parametrize(
    "policy, error, retryable",
    [
        (Retry(), ValueError(), True),
        (Retry(), SystemExit(), False),
        (Retry(), asyncio.CancelledError(), False),
        (Retry(on=(OSError,)), ConnectionError(), True),
        (Retry(on=(OSError,)), ValueError(), False),
        (Retry(give_up_on=(ValueError,)), ValueError(), False),
        (Retry(on=()), RetryLater(5), True),
    ],
)
async def test_the_policy_says_which_exceptions_to_retry(
    policy: Retry, error: BaseException, retryable: bool
) -> None:
    for function in kinds(error):
        assert (await failed(function, retry=policy)).retryable is retryable


async def test_retry_later_says_how_long() -> None:
    for function in kinds(RetryLater(7.5)):
        outcome = await failed(function)
        assert (outcome.retryable, outcome.delay) == (True, 7.5)
    for function in kinds(ValueError()):
        assert (await failed(function)).delay is None


@pytest.mark.parametrize("delay", [timedelta(minutes=5), "soon", None])
async def test_retry_later_with_something_else_than_seconds_ends_the_run_all_the_same(
    delay: Any,
) -> None:
    async def later() -> None:
        raise RetryLater(delay)

    outcome = await failed(later)
    assert outcome.delay is None or isinstance(outcome.delay, (int, float))


def strict(value: int) -> int:
    raise KeyError("a validator that raises what pydantic does not catch")


async def test_a_validator_that_raises_is_an_outcome() -> None:
    async def take(number: Annotated[int, AfterValidator(strict)]) -> None: ...

    async def give() -> Annotated[int, AfterValidator(strict)]:
        return 1

    assert "KeyError" in str(await failed(take, 1))
    assert "KeyError" in str(await failed(give))


class Fickle(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError("ask me later")


class FickleError(Exception, metaclass=Fickle):
    pass


async def test_a_policy_that_cannot_be_asked_is_an_outcome() -> None:
    def task() -> None:
        raise ValueError("no")

    outcome = await failed(task, retry=Retry(1, on=FickleError))
    assert (outcome.error.type, outcome.error.reason) == ("NoOutcome", "no_outcome")
    assert "RuntimeError" in outcome.error.message
    assert "ask me later" in outcome.error.message


@pytest.mark.parametrize("delay", [10**400, float("nan"), float("-inf"), "soon", None])
async def test_a_delay_that_is_none_leaves_the_wait_to_the_policy(delay: Any) -> None:
    def task() -> None:
        raise RetryLater(delay)

    outcome = await failed(task)
    assert (outcome.retryable, outcome.delay) == (True, None)
