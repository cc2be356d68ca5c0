import math

import pytest
import torch

from sktopo.neighborhoods import NEIGHBORHOODS


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.5])
def test_one_at_the_winner(neighborhood, sigma):
    assert NEIGHBORHOODS[neighborhood](torch.zeros(1), sigma).item() == 1


def test_values_worked_by_hand():
    sqdist = torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64)
    gaussian = NEIGHBORHOODS["gaussian"](sqdist, 2.0)
    assert gaussian.tolist() == pytest.approx([math.exp(-1 / 8), math.exp(-4 / 8), math.exp(-9 / 8)], rel=1e-15)
    assert NEIGHBORHOODS["bubble"](sqdist, 2.0).tolist() == [1, 1, 0]
    assert NEIGHBORHOODS["epanechnikov"](sqdist, 2.0).tolist() == [0.75, 0, 0]


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.5])
def test_nothing_beyond_the_support(neighborhood, sigma):
    h = NEIGHBORHOODS[neighborhood]
    beyond = torch.tensor([(1 + 1e-9) * h.support(sigma) ** 2], dtype=torch.float64)
    assert h(beyond, sigma).item() == 0


@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_the_spread_along_an_axis(neighborhood, sigma):
    h = NEIGHBORHOODS[neighborhood]
    places = torch.linspace(-40, 40, 2001, dtype=torch.float64)
    weights = h(places.square()[:, None] + places.square(), sigma).sum(dim=1)
    spread = ((weights * places.square()).sum() / weights.sum()).sqrt().item()
    assert spread == pytest.approx(h.axis_spread * sigma, rel=0.01)
