"""Options of a task and of a call: each call of options() adds to those before it."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from warrener import ConfigurationError, Warrener
from warrener.tasks import Choices, Options

app = Warrener()
ETA = datetime(2030, 1, 1, tzinfo=UTC)


@app.task(name="shop.mail")
def mail() -> None: ...


def test_options_of_a_task_add_up_and_leave_the_task_alone() -> None:
    later = mail.options(countdown=60).options(id="x").options(queue="slow")
    assert later.s().chosen == Options(queue="slow", countdown=60, id="x")
    assert mail.s().chosen == Options()


def test_options_of_a_call_add_to_those_of_its_task() -> None:
    call = mail.options(idempotency_key="k").s().options(countdown=5)
    assert call.options(id="y").chosen == Options(countdown=5, id="y", idempotency_key="k")


def test_the_later_wins_and_one_time_replaces_another() -> None:
    later = mail.options(id="a", countdown=60).options(id="b", eta=ETA)
    assert later.s().chosen == Options(eta=ETA, id="b")
    assert later.options(countdown=0).s().chosen == Options(countdown=0, id="b")


def test_two_times_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        mail.options(countdown=5, eta=ETA)
    with pytest.raises(ConfigurationError, match="time zone"):
        mail.s().options(eta=datetime(2030, 1, 1))


def test_every_option_can_be_chosen() -> None:
    assert list(Choices.__annotations__) == [field.name for field in fields(Options)]
