"""Picture of the U-matrix."""

from typing import Any, Self

from numpy.typing import NDArray

from sktopo._namespaces import as_numpy
from sktopo._pipelines import last_step
from sktopo.plotting._cells import Cells
from sktopo.plotting._drawing import color_bar, figure_and_axes, frame, paint_values


class UMatrixDisplay:
    """The U-matrix of a map: how far each prototype is from those of the adjacent units.

    Bright ridges separate clusters, dark plains are clusters. Use `from_estimator` to make one.

    Parameters
    ----------
    u_matrix : array of shape (height, width)
        From `TopographicMap.u_matrix`.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges are joined.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the map.
    figure_ : matplotlib Figure
        Containing it.
    colorbar_ : matplotlib Colorbar or None
        Beside it.

    See Also
    --------
    ComponentPlanesDisplay : One picture a feature.

    References
    ----------
    A. Ultsch and H. P. Siemon, "Kohonen's self organizing feature maps for exploratory data analysis",
    Proc. Intern. Neural Networks Conf., 1990.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> from sktopo.plotting import UMatrixDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> display = UMatrixDisplay.from_estimator(TopographicMap(6, 8, lattice="hexagonal").fit(X))
    >>> display.ax_.get_title()
    'U-matrix'
    """

    def __init__(self, u_matrix: NDArray[Any], *, lattice: str = "rectangular", periodic: bool = False) -> None:
        self.u_matrix = u_matrix
        self.lattice = lattice
        self.periodic = periodic

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, cmap: Any = "viridis", colorbar: bool = True) -> Self:
        """Draw the U-matrix of a fitted map.

        Parameters
        ----------
        estimator : TopographicMap, Pipeline or search
            A fitted map, or a fitted Pipeline or search that ends in one.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        cmap : str, matplotlib Colormap or None, default="viridis"
            Colors (None: the default) from the least to the greatest distance.
        colorbar : bool, default=True
            Whether a color bar is drawn.

        Returns
        -------
        UMatrixDisplay
            The display that has been drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        """
        map = last_step(estimator)
        display = cls(as_numpy(map.u_matrix()), lattice=map.lattice, periodic=map.periodic)
        return display.plot(ax=ax, cmap=cmap, colorbar=colorbar)

    def plot(self, *, ax: Any = None, cmap: Any = "viridis", colorbar: bool = True) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        cmap : str, matplotlib Colormap or None, default="viridis"
            Colors (None: the default) from the least to the greatest distance.
        colorbar : bool, default=True
            Whether a color bar is drawn.

        Returns
        -------
        UMatrixDisplay
            The display itself.
        """
        self.figure_, self.ax_ = figure_and_axes(ax)
        cells = Cells.named(self.lattice, self.u_matrix.shape, self.periodic)
        painted = paint_values(self.ax_, cells, self.u_matrix, cmap)
        frame(self.ax_, cells, "U-matrix")
        label = "mean distance to neighbors\n(units of the data)"
        self.colorbar_ = color_bar(self.ax_, painted, cells, label) if colorbar else None
        return self
