"""What is wrong with Redis, and with the clocks that are compared through it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from warrener.presence import Presence
from warrener.schedules import HEAL, Unreadable

from .findings import Finding, not_seen, ok, problem, versions, warning

OLDEST, NEWEST = (6, 2), (8, 99)
FULL, NEARLY_FULL = 0.9, 0.75
"""Shares of maxmemory."""
SKEW, BAD_SKEW = 1.0, 60.0
"""Seconds."""

FORGETS = "promises 1 and 2 hold only while Redis keeps what it acknowledged"


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What Redis says of itself. `config` has what CONFIG GET gave; `unseen` what was refused, and why."""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    now: float
    """Our clock minus half a round trip, when Redis answered TIME."""
    time: float | None
    presences: list[Presence] = field(default_factory=list)
    unseen: Mapping[str, str] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    """How many jobs of a queue have not ended."""


def findings(facts: StoreFacts, presence_lifetime: float) -> list[Finding]:
    """Everything that Redis's facts tell."""
    found = [
        not_seen(f"Redis {what}", reason, "Allow this user the command, or look there by hand.")
        for what, reason in facts.unseen.items()
    ]
    if facts.info:
        found += _version(facts.info)
        found += persistence(facts.info, facts.config)
        found += memory(facts.info)
        found += role(facts.info)
    if facts.time is not None:
        found += clock(facts.now - facts.time)
        found += workers_clocks(facts.presences, facts.time, presence_lifetime)
    return found


def _version(info: Mapping[str, Any]) -> list[Finding]:
    why = "its scripts and expiries are not those that Warrener was tried with"
    if "valkey_version" in info:
        return [ok(f"Valkey {info['valkey_version']}")]
    return versions("Redis", str(info.get("redis_version", "")), OLDEST, NEWEST, why)


def persistence(info: Mapping[str, Any], config: Mapping[str, str]) -> list[Finding]:
    """Does it keep what it acknowledged?"""
    found = []
    remedy = "Set appendonly yes (and appendfsync everysec or always)."
    if not int(info.get("aof_enabled", 0)):
        saves = config.get("save")
        if saves is None:
            why = "whether it saves snapshots could not be asked; " + FORGETS
            found.append(warning("Redis keeps no append-only file", why, remedy))
        elif saves:
            why = f"a crash loses what came after the last snapshot (save {saves}); " + FORGETS
            found.append(warning("Redis keeps snapshots only", why, remedy))
        else:
            why = "a restart loses every record and the protection from second runs; " + FORGETS
            found.append(problem("Redis persists nothing", why, remedy))
    elif config.get("appendfsync") == "no":
        why = "a crash of its machine loses what the kernel had not written yet"
        found.append(warning("Redis never syncs its append-only file", why, remedy))
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"):
        if info.get(name, "ok") != "ok":
            why = f"{name} is {info[name]!r}; it may refuse writes (MISCONF) or forget them"
            remedy = "Look at its log, its disk's free space and its folder's permissions."
            found.append(problem("Redis could not write its data to disk", why, remedy))
    return found or [ok("Redis persists: append-only file")]


def memory(info: Mapping[str, Any]) -> list[Finding]:
    """Can it evict records, and is there room?"""
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy, found = str(info.get("maxmemory_policy", "noeviction")), []
    if policy != "noeviction":
        why = "when memory is full it drops records, results and presences: jobs may run twice"
        remedy = "Set maxmemory-policy noeviction."
        say = problem if limit else warning
        found.append(say(f"Redis evicts keys ({policy})", why, remedy))
    whole = limit or int(info.get("total_system_memory", 0))
    share = used / whole if whole else 0.0
    if share > NEARLY_FULL:
        of = "maxmemory" if limit else "its machine's memory"
        why = "when it is full it refuses writes: workers pause, and the API answers 503"
        remedy = "Raise it, or lower WARRENER_RESULT_TTL and WARRENER_DEDUPE_TTL."
        say = problem if share > FULL else warning
        found.append(say(f"Redis uses {share:.0%} of {of}", why, remedy))
    return found or [ok("Redis evicts nothing and has room")]


def role(info: Mapping[str, Any]) -> list[Finding]:
    """Is it one that takes our writes?"""
    found = []
    if info.get("role") == "slave":
        master = f"{info.get('master_host')}:{info.get('master_port')}"
        if int(info.get("slave_read_only", 1)):
            why = "it refuses every write: no job is claimed"
        else:
            why = "what is written here, its master does not know and overwrites"
        remedy = f"Point WARRENER_REDIS_URL at its master, {master}."
        found.append(problem("Redis is a replica", why, remedy))
    if int(info.get("cluster_enabled", 0)):
        why = "the client is not one of a Cluster: MOVED counts as Redis not being available"
        found.append(problem("Redis is a node of a Cluster", why, "Use one Redis."))
    return found


def clock(skew: float) -> list[Finding]:
    """This machine's clock against Redis's, in seconds."""
    if abs(skew) <= SKEW:
        return [ok("this machine's clock agrees with Redis's")]
    ahead = "ahead of" if skew > 0 else "behind"
    return [_skewed(f"this machine's clock is {abs(skew):.1f} s {ahead} Redis's", skew)]


def workers_clocks(presences: Iterable[Presence], now: float, lifetime: float) -> list[Finding]:
    """The workers' clocks against Redis's. A presence lapses by Redis's clock a lifetime after it was
    written, so `seen`, which is the worker's clock, must lie within that; more cannot be told."""
    found = []
    for one in presences:
        age = now - one.seen
        skew = -age if age < 0 else min(0.0, lifetime - age)
        if abs(skew) > SKEW:
            ahead = "ahead of" if skew > 0 else "behind"
            what = f"the clock of worker {one.name} ({one.host}) is at least {abs(skew):.1f} s "
            found.append(_skewed(f"{what}{ahead} Redis's", skew))
    return found


def beats(leader: str | None, schedules: int) -> list[Finding]:
    """Does anybody submit what is scheduled?"""
    if leader is not None:
        return [ok(f"a beat leads: {leader}")]
    if not schedules:
        return [ok("nothing is scheduled, and no beat leads")]
    remedy = "Start `warrener beat`, on two machines or more."
    return [problem("no beat leads", f"none of {schedules} schedule(s) is submitted", remedy)]


def unreadable_schedules(found: Iterable[Unreadable]) -> list[Finding]:
    """What beat leaves out since it cannot read it."""
    return [
        problem(
            f"schedule {one.name} cannot be read", f"no beat submits it: {one.reason}", HEAL + "."
        )
        for one in found
    ]


def _skewed(what: str, skew: float) -> Finding:
    why = "delayed jobs come early or late by that, and times in records are wrong"
    say = problem if abs(skew) > BAD_SKEW else warning
    return say(what, why, "Run a time service (chrony, systemd-timesyncd) on both.")
