"""How long a worker's children wait for a sign of it, beside how long its claims last."""

from __future__ import annotations

import pytest

from warrener import Settings
from warrener_workers.child import PATIENCE
from warrener_workers.worker import LIFELINE_BEAT

SHORTEST = Settings.model_fields["beat"].metadata[0].ge


@pytest.mark.parametrize("beat", [SHORTEST, 3.0, 60.0])
def test_children_outlast_a_parent_that_is_late_and_never_its_claims(beat: float) -> None:
    settings = Settings(beat=beat)
    patience = PATIENCE * settings.presence_lifetime
    assert patience >= 5 * LIFELINE_BEAT
    # The parent stops just before a renewal that was due, and the one before was a third late.
    assert patience + beat + beat / 3 < settings.presence_lifetime
