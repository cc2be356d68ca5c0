import math

import pytest

from sktopo.schedules import ExponentialSchedule, default_sigma_final, sigma_schedule


def test_equal_factors_then_constant():
    schedule = ExponentialSchedule(8.0, 0.5, hold=0.2)
    assert [schedule(t) for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)] == pytest.approx([8, 4, 2, 1, 0.5, 0.5])


@pytest.mark.parametrize("arguments", [(-1.0, 2.0), (2.0, 0.0), (2.0, 1.0, 1.0), (2.0, 1.0, -0.1)])
def test_bad_schedules_are_refused(arguments):
    with pytest.raises(ValueError, match="initial and final must be above 0"):
        ExponentialSchedule(*arguments)


@pytest.mark.parametrize(("side", "expected"), [(2, 0.5), (10, 0.5), (30, 1.05), (100, 1.65)])
def test_default_sigma_final_grows_with_the_map(side, expected):
    assert default_sigma_final(side, side) == pytest.approx(expected, abs=0.01)


def test_other_neighborhoods_end_as_wide_as_the_gaussian():
    assert default_sigma_final(10, 10, 1 / 2) == 1
    assert sigma_schedule(10, 10, None, None, axis_spread=1 / math.sqrt(6)).final == pytest.approx(0.5 * math.sqrt(6))
    assert sigma_schedule(10, 10, 0.8, None, axis_spread=1 / 2).final == 0.8


def test_the_schedule_of_sigma_fills_in_what_is_none():
    schedule = sigma_schedule(12, 40, None, 0.7)
    assert (schedule.initial, schedule.final) == (10, 0.7)
    assert sigma_schedule(2, 2, None, 3.0).initial == 3.0
    assert sigma_schedule(30, 30, 0.8, None).final == 0.8
