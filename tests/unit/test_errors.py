"""Errors: their messages, their tree, and the public names."""

import ast
import copy
import inspect
import pickle
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import warrener
from warrener import errors
from warrener.errors import WarrenerError


def family(root: type[WarrenerError]) -> Iterator[type[WarrenerError]]:
    if root.__module__ == errors.__name__:
        yield root
        for child in root.__subclasses__():
            yield from family(child)


ERRORS = sorted(family(WarrenerError), key=lambda error: error.__name__)
BY_NAME = {error.__name__: error for error in ERRORS}
every_error = pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)


def fields(kind: type[WarrenerError]) -> set[str]:
    """The words in braces of its docstring."""
    return {name for _, name, _, _ in string.Formatter().parse(inspect.getdoc(kind) or "") if name}


def parameters(kind: type[WarrenerError]) -> set[str]:
    """What must be given to raise it."""
    found = inspect.signature(kind).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in found):
        return fields(kind)
    return {p.name for p in found if p.default is p.empty}


def example(kind: type[WarrenerError]) -> WarrenerError:
    make: Any = kind
    error: WarrenerError = make(**{name: f"<{name}>" for name in parameters(kind)})
    return error


@every_error
def test_message_is_the_docstring_filled_with_the_facts(kind: type[WarrenerError]) -> None:
    error = example(kind)
    shown = {name: str(getattr(error, name)) for name in fields(kind)}
    assert shown.keys() >= parameters(kind)
    assert all(fact in str(error) for fact in shown.values())
    assert "{" not in str(error)
    assert "\n" not in str(error)


@every_error
def test_docstring_is_a_message_of_its_own(kind: type[WarrenerError]) -> None:
    assert kind.__doc__ is not None
    is_branch = len(list(family(kind))) > 1
    assert (kind.__doc__ == "{message}") is is_branch, "only the branches of the tree are generic"


@every_error
def test_a_missing_fact_is_not_printed_as_a_blank(kind: type[WarrenerError]) -> None:
    make: Any = kind
    with pytest.raises((KeyError, TypeError)):
        make()


@every_error
def test_pickling_and_copying_keep_type_message_and_facts(kind: type[WarrenerError]) -> None:
    error = example(kind)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_values_are_not_taken_for_fields() -> None:
    error = errors.UnknownTask(task="{known}", known="{task}")
    assert str(error) == "No task is called '{known}'. Known here: {task}."


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        root = re.fullmatch(r"    (\w+Error)", line)
        branch = re.search(r"[├└]── (.+?)(?:\s{2,}|$)", line)
        if root:
            above = [root[1]]
        elif branch:
            depth = branch.start() // 4
            for name in branch[1].split(" · "):
                drawn[name] = above[depth - 1]
            above[depth:] = [branch[1].split(" · ")[-1]]
    real = {error.__name__: error.__base__.__name__ for error in ERRORS if error.__base__}
    del real["WarrenerError"]
    assert drawn == real


def test_may_arrive_tells_whether_the_job_may_still_run() -> None:
    doubtful = {kind.__name__ for kind in ERRORS if kind.may_arrive}
    assert doubtful == {"PublishTimeout"}
    sent = errors.BrokerUnavailable(url="amqp://h/", reason="reset", may_arrive=True)
    unsent = errors.BrokerUnavailable(url="amqp://h/", reason="refused")
    assert sent.may_arrive
    assert "may still arrive" in str(sent)
    assert not unsent.may_arrive
    assert str(unsent).endswith("Nothing was sent.")
    assert pickle.loads(pickle.dumps(sent)).may_arrive


def test_an_unavailable_broker_is_explained_even_by_an_error_without_words() -> None:
    error = errors.BrokerUnavailable(url="amqp://h/", reason=TimeoutError())
    assert "not available: TimeoutError." in str(error)


@pytest.mark.parametrize("name", ["StoreUnavailable", "BrokerUnavailable", "BrokerRefusedLogin"])
def test_a_reason_that_is_a_sentence_does_not_end_in_two_dots(name: str) -> None:
    make: Any = BY_NAME[name]
    error = make(url="redis://h/", reason=OSError("Connection refused."))
    assert ": Connection refused. Check " in str(error)


WITHOUT_DOCSTRINGS = """
from warrener.errors import BrokerUnavailable, ConfigurationError, QueueNotFound
print(QueueNotFound(queue="scan"))
print(ConfigurationError(message="no, because"))
print(BrokerUnavailable(url="amqp://h/", reason="refused"))
"""


def test_without_docstrings_the_facts_are_shown() -> None:
    command = [sys.executable, "-OO", "-c", WITHOUT_DOCSTRINGS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "QueueNotFound: queue='scan'",
        "no, because",
        "BrokerUnavailable: url='amqp://h/', reason='refused', fate='Nothing was sent.'",
    ]


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the sources that makes one of the errors."""
    specs = [find_spec(name) for name in ("warrener", "warrener_workers", "warrener_api")]
    folders = [f for spec in specs if spec for f in spec.submodule_search_locations or ()]
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in BY_NAME:
                yield f"{path.parent.name}/{path.name}:{node.lineno} {node.func.id}", node


def test_all_places_that_raise_an_error_give_all_its_facts() -> None:
    places = dict(raised())
    assert len(places) > 30
    lacking = {}
    for place, call in places.items():
        assert isinstance(call.func, ast.Name)
        given = {word.arg for word in call.keywords}
        missing = parameters(BY_NAME[call.func.id]) - given
        if missing and None not in given and not call.args:
            lacking[place] = missing
    assert lacking == {}


PUBLIC = [
    "ApiKeyNotFound",
    "AppImportError",
    "BrokerRefusedLogin",
    "BrokerUnavailable",
    "Chain",
    "ConfigurationError",
    "ConsumingLost",
    "CursorError",
    "DeadLetterNotFound",
    "DuplicateJob",
    "DuplicateTask",
    "ExchangeNotFound",
    "Group",
    "IdempotencyConflict",
    "IdempotencyKeyError",
    "InvalidArguments",
    "InvalidDelay",
    "InvalidPriority",
    "Job",
    "JobEnded",
    "JobError",
    "JobFailed",
    "JobHandle",
    "JobIdError",
    "JobNotFound",
    "JobRevoked",
    "JobStatus",
    "Limits",
    "Middleware",
    "OperationNotFound",
    "PartlySubmitted",
    "PayloadTooLarge",
    "PrioritiesUnsupported",
    "PublishRefused",
    "PublishTimeout",
    "QueueBusy",
    "QueueNameError",
    "QueueNotFound",
    "ResultError",
    "ResultExpired",
    "ResultTimeout",
    "Retry",
    "RetryLater",
    "RunCall",
    "ScheduleError",
    "ScheduleExists",
    "ScheduleInCode",
    "ScheduleNotFound",
    "Settings",
    "Signature",
    "SoftTimeLimitExceeded",
    "State",
    "StoreUnavailable",
    "SubmissionError",
    "SyncCallOnLoop",
    "Task",
    "TaskNameError",
    "TaskSignatureError",
    "TimeLimitExceeded",
    "TopologyMismatch",
    "Unique",
    "UnknownTask",
    "WaitInsideJob",
    "Warrener",
    "WarrenerError",
    "WorkerLost",
    "WorkerNameTaken",
    "WorkerNotFound",
    "WorkflowEnded",
    "WorkflowFailed",
    "WorkflowHandle",
    "WorkflowNotFound",
    "WorkflowRevoked",
    "WorkflowStatus",
    "WorkflowTimeout",
    "chain",
    "chord",
    "cron",
    "every",
    "group",
]


def test_the_public_names_are_these() -> None:
    assert warrener.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC


def test_the_public_names_exist_and_include_every_error() -> None:
    assert all(hasattr(warrener, name) for name in warrener.__all__)
    assert BY_NAME.keys() <= set(warrener.__all__)
