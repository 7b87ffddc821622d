"""How long a worker may take what it has claimed for its own."""

from warrener_workers.tenure import Tenure

now = 100.0


def tenure_at(*renewals: tuple[float, float]) -> Tenure:
    """Renewed at these times, each time until another one."""
    it = Tenure(lambda: now)
    for at, until in renewals:
        _set(at)
        it.renewed(until)
    return it


def _set(at: float) -> None:
    global now
    now = at


def test_nothing_is_covered_before_the_first_renewal() -> None:
    assert not Tenure(lambda: now).covers(0)


def test_renewals_in_time_are_one_tenure() -> None:
    it = tenure_at((0, 9), (3, 12), (11.9, 20))
    _set(19.9)
    assert it.number == 1
    assert it.covers(1)


def test_after_its_end_nothing_is_covered_until_it_is_renewed() -> None:
    it = tenure_at((0, 9))
    _set(9.0)
    assert not it.covers(1)


def test_one_that_comes_too_late_is_another() -> None:
    it = tenure_at((0, 9), (9.1, 18))
    assert not it.covers(1)
    assert it.covers(2)
