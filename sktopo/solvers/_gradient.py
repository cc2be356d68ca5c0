"""Training by gradients: minibatches, the layer's own loss, and a torch optimizer.

The only solver that minimizes the true loss for every p-norm: where p is not 2, the mean of the samples around a unit
is not the best prototype, and the gradient of the distances says where a better one lies. The layer of
`sktopo.nn` does the mathematics; sigma and the step size follow their schedules from step to step.
(D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.)
"""

import math
from copy import deepcopy
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from sktopo._assignment import Averaging, highest_temperature
from sktopo._frame import Frame
from sktopo._smoothing import make_smoother
from sktopo._sources import Parts, Source, Subset
from sktopo._threads import stop_if_abandoned
from sktopo.nn import TopographicLayer
from sktopo.solvers._base import Problem, Settings, Solver, State, movement

# The choices below are explained in docs/decisions/0021-gradient.md.
MOST_PASSES = 100
FEWEST_ROWS = 100_000
ROWS_PER_UNIT = 300
BATCH_ROWS = 64
BETAS = (0.9, 0.99)


def default_passes(n_rows: int, n_units: int) -> float:
    """Passes that a fit makes: 100 over few rows, one over many, as many between them as the units want."""
    wanted = max(FEWEST_ROWS, ROWS_PER_UNIT * n_units)
    return max(1.0, min(float(MOST_PASSES), wanted / n_rows))


class GradientSolver(Solver):
    """Minibatch training of the layer's loss with Adam.

    Rows are drawn in proportion to their weights. Adam forgets the gradients of a wide sigma, and those of outliers,
    within a hundred steps. The step size rests at `learning_rate` while sigma falls, then goes
    to 0 in a straight line, so that the noise of the batches fades.
    """

    name: ClassVar[str] = "gradient"
    hold: ClassVar[float] = 0.4
    takes_fractions: ClassVar[bool] = True

    def __init__(self, problem: Problem, settings: Settings, source: Source) -> None:
        super().__init__(problem, settings, source)
        wanted = settings.max_iter
        self._passes = default_passes(source.n_rows, problem.lattice.n_units) if wanted is None else float(wanted)
        self._batch = settings.batch_size or BATCH_ROWS
        self._smoother = make_smoother(problem.lattice, problem.neighborhood)
        # unit vectors are compared as they are, everything else in the frame
        self._scale = 1.0 if problem.normalize else float(problem.frame.scale)
        # sparse rows have a frame with a unit of its own, and the same steps
        extent = replace(problem.frame.extent, from_zero=False)
        self._step_unit = 1.0 if problem.normalize else float(Frame(extent).scale) / self._scale

    @property
    def n_epochs(self) -> int:
        """Passes, the last of which may be a part of one."""
        return math.ceil(self._passes)

    def run_epoch(self, state: State, epoch: int) -> State:
        """One pass of minibatches, and one more search for what each unit holds."""
        problem, source = self.problem, self.source
        share = min(1.0, self._passes - epoch)
        rows = source.draw_in_parts(max(1, round(share * source.n_rows)), self.settings.generator)
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(source.device.type, enabled=False),  # which the layer's gradient would follow
        ):
            layer = self._layer(state.codebook)
            optimizer = torch.optim.Adam(
                layer.parameters(), lr=self._step_size, betas=BETAS, eps=1e-8 * self._step_unit
            )
            if state.optimizer is not None:
                optimizer.load_state_dict(deepcopy(state.optimizer))  # which it goes on to change
            loss, sigma = self._minimize(layer, optimizer, rows, epoch, epoch + share)
        codebook = problem.constrained(self._codebook(layer))
        averaging = Averaging(self._smoother.at(sigma), codebook, problem.lattice.n_units)
        assign = problem.assign(problem.frame.from_frame(codebook), averaging, source.dtype)
        units = source.reduce(lambda *chunk: assign([chunk])).units
        moved = movement(codebook, state.codebook, units)
        losses, passes = (*state.losses, loss), state.passes + share
        return State(codebook, sigma, units, problem.lattice, losses, passes, moved, optimizer.state_dict())

    @property
    def _step_size(self) -> float:
        return self.settings.learning_rate * self._step_unit

    def _minimize(
        self,
        layer: TopographicLayer,
        optimizer: torch.optim.Optimizer,
        rows: Parts,
        begin: float,
        end: float,
    ) -> tuple[float, float]:
        """Steps over all rows, from `begin` passes over the data to `end`; the mean loss and the last sigma."""
        highest = highest_temperature(self.source.dtype)
        temperature = min(self.problem.temperature / self._scale / self._scale, highest)
        total = 0.0
        for start in range(0, rows.n_rows, self._batch):
            stop_if_abandoned()
            part = rows.part(start, min(start + self._batch, rows.n_rows))
            done = (begin + (end - begin) * start / rows.n_rows) / self._passes
            final_step = end >= self._passes and start + self._batch >= rows.n_rows
            sigma = self.problem.schedule(1.0 if final_step else done)
            for group in optimizer.param_groups:
                group["lr"] = self._step_size * min(1.0, (1 - done) / self.hold)
            optimizer.zero_grad()
            x, mask = self._samples(part)
            loss = layer.loss(x, sigma, temperature, mask=mask)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * part.n_rows
        if temperature == highest:  # beside it no distance counts
            return -2 * self.problem.temperature * math.log(self.problem.lattice.n_units), sigma
        return total / rows.n_rows * self._scale * self._scale, sigma

    def _samples(self, part: Subset) -> tuple[Tensor, Tensor | None]:
        """Dense rows as the layer takes them, and where values were observed if some are missing."""
        x = part.take(torch.arange(part.n_rows, device="cpu"))
        x = x.to_dense() if x.is_sparse else x
        x = x if self.problem.normalize else self.problem.frame.samples(x).to(x.dtype)
        missing = torch.isnan(x)
        return (x.masked_fill(missing, 0), ~missing) if bool(missing.any()) else (x, None)

    def _layer(self, codebook: Tensor) -> TopographicLayer:
        """A layer that trains a codebook of the frame."""
        start = self.problem.frame.from_frame(codebook) if self.problem.normalize else codebook
        return self.problem.layer_of(start, codebook.device, self.source.dtype)

    def _codebook(self, layer: TopographicLayer) -> Tensor:
        """Its codebook, in the frame."""
        trained = layer.codebook.detach().to(self.problem.frame.scale.dtype)
        return self.problem.frame.to_frame(trained) if self.problem.normalize else trained
