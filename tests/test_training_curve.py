import matplotlib.pyplot as plt
import numpy as np
import pytest

from sktopo import TopographicMap
from sktopo.plotting import TrainingCurveDisplay


def test_the_training_curve_is_the_loss(iris):
    som = TopographicMap(4, 4, max_iter=7).fit(iris[0])
    display = TrainingCurveDisplay.from_estimator(som)
    np.testing.assert_array_equal(display.line_.get_ydata(), som.loss_curve_)
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(1, som.n_iter_ + 1))
    assert display.ax_.get_xlabel() == "epoch"


@pytest.mark.parametrize("rule", [{}, {"winner": "local"}, {"winner": "local", "temperature": 0.2}], ids=str)
@pytest.mark.parametrize(
    ("solver", "max_iter", "step"),
    [
        ("auto", None, "epoch"),
        ("batch", 10, "epoch"),
        ("stream", None, "annealing stage"),
        ("stream", 10, "annealing stage"),  # as many as there are passes
        ("gradient", 2.5, "epoch"),
    ],
)
def test_the_training_curve_says_what_its_steps_are_and_shows_all(solver, max_iter, step, rule, iris):
    som = TopographicMap(4, 4, solver=solver, max_iter=max_iter, random_state=0, **rule).fit(iris[0])
    display = TrainingCurveDisplay.from_estimator(som)
    assert display.ax_.get_xlabel() == step
    low, high = display.ax_.get_ylim()
    assert low <= min(0, som.loss_curve_.min()) < som.loss_curve_.max() <= high


def test_the_training_curve_counts_the_calls_of_partial_fit(iris):
    som = TopographicMap(4, 4, random_state=0)
    for chunk in np.array_split(iris[0], 5):
        som.partial_fit(chunk)
    display = TrainingCurveDisplay.from_estimator(som)
    assert display.ax_.get_xlabel() == "call of partial_fit"
    assert len(display.line_.get_ydata()) == 5


@pytest.mark.parametrize(("losses", "n_lost"), [([np.nan] * 3, 3), ([4.0, np.inf, 1.0], 1), ([4.0, 2.0, 1.0], 0)])
def test_the_training_curve_tells_of_losses_that_are_not_finite(losses, n_lost):
    display = TrainingCurveDisplay(np.array(losses)).plot()
    expected = f"Training ({n_lost} of 3 losses are not finite)" if n_lost else "Training"
    assert display.ax_.get_title() == expected
    display.figure_.canvas.draw()


def test_the_labels_of_a_small_training_curve_stay_on_the_page():
    with plt.rc_context({"figure.figsize": (3, 2.4)}):
        display = TrainingCurveDisplay(np.linspace(400, 3, 18)).plot()
    display.figure_.draw_without_rendering()
    box = display.ax_.yaxis.label.get_window_extent()
    assert display.figure_.bbox.contains(*box.min)
    assert display.figure_.bbox.contains(*box.max)
