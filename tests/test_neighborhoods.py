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
