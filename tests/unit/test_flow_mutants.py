"""The tests of limits can fail: with one line of a script changed, one of them does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from . import test_flow as tests
from .test_flow import TASK, Bench
from .test_workflow_mutants import mutate

Test = Callable[[Bench], Awaitable[None]]


async def keeps_the_next_place(bench: Bench) -> None:
    await tests.test_the_next_place_is_kept_for_who_waited_longest(bench, TASK)


TAKE = "flow/take"
MUTANTS: dict[str, tuple[str, str, str, Test]] = {
    "who asks again takes a second place": (
        TAKE,
        "if taking and redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'granted'} end",
        "",
        tests.test_a_place_is_for_one_until_it_is_given_back,
    ),
    "there is one place more": (
        TAKE,
        "+ kept >= most then",
        "+ kept > most then",
        tests.test_a_place_is_for_one_until_it_is_given_back,
    ),
    "why a job waited is not forgotten": (
        TAKE,
        "redis.call('DEL', KEYS[2])",
        "",
        tests.test_a_place_is_for_one_until_it_is_given_back,
    ),
    "a place is not given back": (
        "flow/leave",
        "redis.call('ZREM', places, ARGV[1])",
        "",
        tests.test_a_place_is_for_one_until_it_is_given_back,
    ),
    "a refused job uses up a start": (
        TAKE,
        "next_starts[i] = start + interval",
        "redis.call('SET', rate, exactly(start + interval))",
        tests.test_a_refused_job_uses_up_no_start,
    ),
    "places never lapse": (
        TAKE,
        "if ARGV[6] == '1' then redis.call('ZREM",
        "if false then redis.call('ZREM",
        tests.test_places_lapse_with_their_owner_and_not_while_nobody_may_judge,
    ),
    "places lapse while nobody may judge": (
        TAKE,
        "if ARGV[6] == '1' then redis.call('ZREM",
        "if true then redis.call('ZREM",
        tests.test_places_lapse_with_their_owner_and_not_while_nobody_may_judge,
    ),
    "a place is not renewed": (
        "flow/renew",
        "redis.call('ZADD', places, string.format('%.3f', now + tonumber(ARGV[3])), ARGV[1])",
        "",
        tests.test_places_lapse_with_their_owner_and_not_while_nobody_may_judge,
    ),
    "one that lapsed is not taken anew": (
        "flow/renew",
        "redis.call('ZADD', places, string",
        "redis.call('ZADD', places, 'XX', string",
        tests.test_places_lapse_with_their_owner_and_not_while_nobody_may_judge,
    ),
    "who looks takes": (
        TAKE,
        "if not taking then return {'granted'} end",
        "",
        tests.test_to_look_takes_nothing,
    ),
    "who looks is noted as refused": (
        TAKE,
        "if not taking then return {'refused', name, what, math.ceil(wait), 0} end",
        "",
        tests.test_to_look_takes_nothing,
    ),
    "no place is kept": (TAKE, "> now and 1 or 0", "> now and 0 or 0", keeps_the_next_place),
    "it is kept from him as well": (
        TAKE,
        "return holder[1] and holder[1] ~= ARGV[2] and",
        "return holder[1] and",
        keeps_the_next_place,
    ),
    "it is taken from who waited longer": (
        TAKE,
        "if live and holder[1] ~= ARGV[2] and tonumber(holder[3]) >= tonumber(ARGV[3]) then return 0 end",
        "",
        keeps_the_next_place,
    ),
    "it stays kept once he has it": (
        TAKE,
        "redis.call('DEL', KEYS[3 * i + 2])",
        "",
        keeps_the_next_place,
    ),
    "it is kept for ever": (
        TAKE,
        "and tonumber(holder[2]) > now and 1 or 0",
        "and 1 or 0",
        tests.test_a_booking_that_nobody_comes_for_lapses,
    ),
    "a queue keeps places": (
        TAKE,
        "string.sub(name, 1, 6) ~= 'queue:' and ",
        "",
        tests.test_a_queue_keeps_no_place_for_a_job,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_rule_of_limits_is_needed(monkeypatch: pytest.MonkeyPatch, mutant: str) -> None:
    script, old, new, test = MUTANTS[mutant]
    mutate(monkeypatch, script, old, new)
    with pytest.raises(AssertionError):
        await test(Bench())
