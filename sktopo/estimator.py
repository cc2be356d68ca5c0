"""The scikit-learn estimator: checks what it is given, builds, delegates, and publishes what was learned."""

import os
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from sktopo import maps, persistence
from sktopo._assignment import WINNERS
from sktopo._callbacks import CallbackSupportMixin, CallbackWatcher
from sktopo._device import chunk_rows
from sktopo._fitted import FittedMap, answer, answer_lazily, codebook_of, open_query, open_source
from sktopo._forks import in_any_process
from sktopo._means import distances_to_bmu
from sktopo._namespaces import Namespace, as_tensor, check_same_namespace
from sktopo._options import chosen
from sktopo._outputs import OUTPUTS, Output
from sktopo._restored import check_restorable, restored
from sktopo._sources import Source, as_source, ask_lazily, is_dask
from sktopo._training import Training, continue_training, label
from sktopo._validation import (
    check_dask_shape,
    check_lazy_output,
    check_one_chunk,
    check_samples,
    check_supported,
    features_of_the_map,
    fit_context,
    floating_types,
    output_container,
    parameter_constraints,
)
from sktopo._values import as_plain, check_tensor
from sktopo.initialization import INITIALIZERS
from sktopo.metrics import quantization_error
from sktopo.nn import TopographicLayer
from sktopo.solvers import SOLVERS

__all__ = ["TopographicMap"]


class TopographicMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Topographic map (self-organizing map): a grid of prototypes that keeps neighbors together.

    A map is a lattice of units, each with a prototype in the space of the samples. Training makes the prototypes
    follow the data while units that are close on the lattice stay close in that space, so that the lattice becomes a
    picture of the data. One epoch assigns every sample to its best matching unit (BMU, the nearest prototype) and then
    replaces all prototypes at once by neighborhood-weighted means,
    ``w_j = sum_i a_i h(c_i, j) x_i / sum_i a_i h(c_i, j)``, with `c_i` the BMU of sample `x_i`, `a_i` its weight and
    ``h`` the neighborhood, whose radius sigma shrinks from epoch to epoch.

    Parameters
    ----------
    height, width : int or "auto", default=10
        Sides of the map, in units. "auto" makes about ``5 sqrt(n)`` units, `n` being the sum of the sample
        weights, with sides in the ratio of the data's two leading standard deviations; a side that is given is kept.
    lattice : {"rectangular", "hexagonal"}, default="rectangular"
        Arrangement of the units.
    periodic : bool, default=False
        Whether opposite edges of the map are joined. A periodic hexagonal lattice needs an even height.
    p_norm : float, default=2
        Order of the distance between samples and prototypes, at least 1 or inf: for winners, `transform`, `score` and
        metrics. The update of the solvers "batch" and "stream" stays the (neighborhood-weighted) mean for every order;
        "gradient" minimizes the true loss.
    normalize : bool, default=False
        Whether samples and prototypes are scaled to unit p-norm.
    neighborhood : {"gaussian", "bubble", "epanechnikov"}, default="gaussian"
        Function of the lattice distance; the Gaussian is ``exp(-d^2 / (2 sigma^2))``.
    sigma_initial, sigma_final : float, optional
        First and last radius of the neighborhood, in lattice units; the first is at least the last. None: a quarter of
        the longer side, and ``max(0.5, 0.5 + ln(n_units / 100) / 4)``, but never more than a given `sigma_initial`; a
        bubble ends at 2 times, an Epanechnikov neighborhood at sqrt(6) times that, where they smooth as much.
        A smaller `sigma_final` follows the data more closely and folds more.
    winner : {"nearest", "local"}, default="nearest"
        The unit that takes a sample in training, and around which hard activations lie: the nearest prototype
        (Kohonen), or the one with the least local error ``sum_k g_jk |x - w_k|^2`` with the row-normalized
        neighborhood (Heskes), whose loss never rises at a constant sigma for ``p_norm=2`` (if normalized, of complete
        rows). `predict` gives the nearest for both.
    temperature : float, default=0.0
        Softness of the assignment, in squared units of the data; above 0 it needs ``winner="local"``. Samples are then
        shared among the units by ``softmax_j(-e_j / 2T)`` of their local errors, in `fit` and in `transform`'s
        activations and (expected) coordinates. Above `sktopo.annealing.critical_temperature` the map usually collapses.
    output : {"coordinates", "activations", "distances"}, default="coordinates"
        What `transform` returns: lattice coordinates of the BMU ``(n, 2)``, neighborhood activations around the winner
        ``(n, n_units)``, or distances to all prototypes ``(n, n_units)``.
    init : {"pca", "random"} or array-like of shape (n_units, n_features), default="pca"
        First codebook: spread over the plane of the two leading principal components, drawn from a normal distribution
        with the data's mean and standard deviations, or given.
    solver : {"auto", "batch", "stream", "gradient"}, default="auto"
        "batch" makes exact full passes: deterministic, and integer sample weights equal repeated rows. "stream" learns
        from as many rows as the map needs; on large maps it looks for their winners coarse to fine, which nearly always
        finds them (`labels_` are those of `predict`). "gradient" trains the loss of `sktopo.nn.TopographicLayer` by
        minibatches with Adam, the only one that minimizes it for every `p_norm`. "auto" is "batch" up to 10 000 rows,
        "stream" above.
    max_iter : float, optional
        Passes over the data; only "stream" and "gradient" take fractions. None: 20 for "batch". For "stream" 150 rows a
        unit, at least 40 000, in at most one pass; with fewer than 40 000 rows, or 10 a unit, as many whole passes
        as make up for it, at most 20. For "gradient" 300 rows a unit, and at least 100 000, in 1 to 100 passes.
    tol : float, default=0.0
        "batch" and "gradient" stop once sigma is constant and the prototypes move less than `tol` times the data's
        root-mean-square spread in an epoch; 0 stops when nothing moves. A stream rests in its last stage only, and ends
        with it.
    batch_size : int, optional
        Rows in a chunk, which never changes the result of "batch"; rows in a step of "stream" (None: 512 to 12 288,
        more as sigma falls) and of "gradient" (None: 64).
    learning_rate : float, default=0.01
        First step size of "gradient", in units of the features' largest half range, rounded up to a
        power of two; not used by the others.
    device : {"auto", "cpu", "cuda", "mps"} or torch.device, optional
        Where the computation runs; None is where X is (for NumPy the CPU), "auto" the accelerator if there is one.
    random_state : int, RandomState instance or None, default=None
        Randomness of ``init="random"``, "stream", "gradient" and `partial_fit`. None draws fresh entropy and leaves
        NumPy's and torch's generators alone.

    Attributes
    ----------
    codebook_ : ndarray of shape (n_units, n_features)
        The prototypes; row ``row * width_ + column`` belongs to the unit at (row, column).
    unit_coordinates_ : ndarray of shape (n_units, 2)
        Lattice coordinates ``(row, column)``; neighboring units are at distance 1.
    labels_ : ndarray of int64 of shape (n_samples,)
        BMU of each training sample. Not set for dask input: use `predict`.
    height_, width_ : int
        Sides of the map.
    sigma_ : float
        Last radius used, also the one behind the activations.
    quantization_error_ : float
        Weighted mean distance of the training samples to their BMUs.
    loss_curve_ : ndarray of shape (n_epochs,)
        Training loss of each epoch, in squared units of the data: the weighted mean over samples of
        ``sum_j h(c, j) |x - w_j|^2``; for ``winner="local"`` of the local error; at a temperature above 0 twice the
        free energy, which may be negative. "batch": before the update. "stream": one entry a stage of the annealing, of
        the rows of its last step, which are assigned before and measured after the update. "gradient": the mean over
        the steps of a pass. For other norms "batch" and "stream" still tell the squared Euclidean distances, which
        their means reduce, and where `normalize` meets missing values they take prototypes as they are; "gradient"
        tells the loss that it reduces.
    n_iter_ : int or float
        Passes over the data; for "stream" the number of rows drawn over the number of rows. Each call of `partial_fit`
        counts as one.
    solver_ : {"batch", "stream", "gradient"}
        The solver that trained the map; what "auto" has chosen.
    unit_counts_, unit_sums_ : ndarray of shape (n_units,), (n_units, n_features)
        Weights and weighted sums of the samples that each unit remembers, from which `partial_fit` goes on. Where
        values are missing, `unit_counts_` has a column for each feature.
    weight_seen_ : float
        Weight of the rows that `partial_fit` has seen; infinite after `fit`, which has annealed sigma already.
    n_features_in_ : int
        Width of the training samples.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features, where X had them.

    See Also
    --------
    sktopo.nn.TopographicLayer : The same map as a differentiable torch layer.

    Notes
    -----
    Of parameters that are set after `fit`, `output`, `p_norm`, `neighborhood`, `winner`, `temperature` and `device` act
    at once: they are questions to the map. `lattice`, `periodic` and `normalize` say what the map is: with other values
    its methods raise a ValueError until they are set back or it is fitted again. All others act in training only.

    References
    ----------
    T. Kohonen, "Essentials of the self-organizing map", Neural Networks 37, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktopo import TopographicMap
    >>> X, y = load_iris(return_X_y=True)
    >>> som = TopographicMap(height=8, width=5)
    >>> som.fit_transform(X).shape
    (150, 2)
    >>> som.predict(X[:3]).shape
    (3,)
    >>> som.u_matrix().shape
    (8, 5)
    """

    _parameter_constraints = parameter_constraints(WINNERS, OUTPUTS, INITIALIZERS, SOLVERS)

    def __init__(
        self,
        height: int | str = 10,
        width: int | str = 10,
        *,
        lattice: str = "rectangular",
        periodic: bool = False,
        p_norm: float = 2,
        normalize: bool = False,
        neighborhood: str = "gaussian",
        sigma_initial: float | None = None,
        sigma_final: float | None = None,
        winner: str = "nearest",
        temperature: float = 0.0,
        output: str = "coordinates",
        init: str | ArrayLike = "pca",
        solver: str = "auto",
        max_iter: float | None = None,
        tol: float = 0.0,
        batch_size: int | None = None,
        learning_rate: float = 0.01,
        device: str | torch.device | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.height = height
        self.width = width
        self.lattice = lattice
        self.periodic = periodic
        self.p_norm = p_norm
        self.normalize = normalize
        self.neighborhood = neighborhood
        self.sigma_initial = sigma_initial
        self.sigma_final = sigma_final
        self.winner = winner
        self.temperature = temperature
        self.output = output
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    @in_any_process
    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the map.

        Parameters
        ----------
        X : array-like, sparse matrix or dask collection of shape (n_samples, n_features)
            Samples; float32 and float64 are kept, other numbers become float64. NaN means missing, in sparse rows where
            it is stored. Sparse rows are never made dense as a whole, memory maps never read or cast as a whole, and
            dask partitions stay on their workers (only the rows that "stream" and "gradient" draw are fetched; for
            "gradient" that is all of them in every pass).
            Under Array API dispatch fitted arrays follow X, its library and its device.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights, not negative; for "batch" a weight of k equals the row k times. A row of weight 0 must be usable
            all the same, and counts where `solver` "auto" and "stream" count rows.

        Returns
        -------
        TopographicMap
            The fitted map itself.

        Raises
        ------
        ValueError
            If a parameter, X or the weights are not usable; the message names the cause.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `temperature` is above the critical one, where the map usually collapses to the mean of X (known for
            p = 2 and rows that are complete and not normalized).
        """
        check_supported(self)
        with features_of_the_map(self):
            namespace = Namespace.of(X)
            samples, weight = check_samples(self, X, sample_weight, reset=True)
            # where a run starts must not depend on its chunks: what is read first comes in chunks of the default size
            all_rows = open_source(self, samples, weight)
            training = Training.begin(self, all_rows, open_source(self, samples, weight, rows=self.batch_size))
            watcher = CallbackWatcher(
                self, (X, y, sample_weight), lambda state: namespace.hold(training.learned(state)), training.keep
            )
            state = training.solver.run(training.state, watcher)
            self._publish(training.learned(state), all_rows, namespace)
            watcher.end(state)
            training.close()
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @in_any_process
    def partial_fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Learn from one more chunk of rows.

        Every call takes one streaming step after another through its rows, in random order, whatever `solver` is. The
        first call makes the first codebook from its rows; sigma then follows its schedule with the weight of the rows
        seen, and rests at `sigma_final` once ``120 * n_units`` have been seen: pass fewer rows again until then, or the
        map stays too smooth. After `fit` it stays at `sigma_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples. Chunks should be mixed: what only the last chunks hold weighs most, as in any incremental fit.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights, not negative.

        Returns
        -------
        TopographicMap
            The map itself; `labels_` and `quantization_error_` describe this chunk.

        Raises
        ------
        ValueError
            If a parameter, X or the weights are not usable; the message names the cause.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            In the first call, if `temperature` is above the critical one.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_digits
        >>> from sktopo import TopographicMap
        >>> X, _ = load_digits(return_X_y=True)
        >>> som = TopographicMap(6, 6, random_state=0)
        >>> for chunk in np.array_split(X, 20):
        ...     som = som.partial_fit(chunk)
        >>> bool(som.score(X) > -28)
        True
        """
        self._validate_params()  # which the decorator leaves out once there is a map
        check_supported(self)
        check_one_chunk(X, "partial_fit")
        with features_of_the_map(self):
            namespace, first = Namespace.of(X), not hasattr(self, "codebook_")
            if not first:
                check_same_namespace(self, X, "partial_fit")
            samples, weight = check_samples(self, X, sample_weight, reset=first)
            source = open_source(self, samples, weight)
            self._publish(continue_training(self, source), source, namespace)
        return self

    def _publish(self, learned: dict[str, Any], source: Source, namespace: Namespace) -> None:
        """Set what was learned and what it says of the rows: together, or after an error neither."""
        learned, trained = namespace.hold(learned), copy(self)
        trained.__dict__.update(learned)
        labels = namespace.hold(label(trained, source))
        self.__dict__.pop("labels_", None)  # of an earlier fit; dask rows have none, which would be as long as the data
        self.__dict__.update(learned | labels)

    @in_any_process
    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Map samples to what `output` says.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_units)
            Lattice coordinates of the BMU, activations ``h(winner, unit; sigma_)``, or distances to all prototypes; in
            the floating point type of X. At a temperature above 0 coordinates and activations are means under the
            responsibilities. A row's result never depends on the other rows.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X is not usable; the message names the cause.
        """
        if is_dask(X):
            check_lazy_output(self)
            return answer_lazily(self, X, "transform", self._n_features_out)
        transformed: NDArray[Any] = answer(self, X, "transform", self._chosen_output.transform, self._n_features_out)
        return transformed

    @in_any_process
    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Best matching unit of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            Unit numbers ``row * width_ + column``; ties go to the lowest.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X is not usable; the message names the cause.
        """
        if is_dask(X):
            return answer_lazily(self, X, "predict", dtype=np.int64)
        labels: NDArray[np.int64] = answer(self, X, "predict", lambda fitted, dtype: fitted.search(dtype).bmu)
        return labels

    def fit_predict(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> NDArray[np.int64]:
        """Learn the map and return the best matching unit of each training sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            `labels_`.

        Raises
        ------
        ValueError
            If a parameter, X or the weights are not usable; the message names the cause.
        """
        self.fit(X, y, sample_weight)
        labels: NDArray[np.int64] = self.predict(X) if is_dask(X) else self.labels_
        return labels

    @in_any_process
    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """Points in the space of the samples for what `transform` returned.

        Coordinates are interpolated between the prototypes around them (bilinear on a rectangular lattice, barycentric
        on a hexagonal one; clipped to a planar map, wrapped on a periodic one), activations give the weighted mean of
        the prototypes, distances the nearest prototype.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2) or (n_samples, n_units)
            Coordinates, activations or distances, as `output` says.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Points, in the floating point type of X.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X is not what `transform` could return.
        """
        fitted, output = FittedMap.of(self), self._chosen_output
        columns = output.n_columns(fitted.lattice.n_units)
        if is_dask(X):
            self._check_columns(check_dask_shape(X), columns)
            return ask_lazily(self, X, "inverse_transform", self.n_features_in_)
        check_same_namespace(self, X, "inverse_transform")
        X = as_plain(X)
        if isinstance(X, torch.Tensor):
            check_tensor(X)
        namespace = Namespace.of(X)
        values = check_array(X, dtype=floating_types(X, namespace.library))
        self._check_columns(values.shape[1], columns)
        values = values if namespace.is_numpy else as_tensor(values)
        rows = chunk_rows(columns + self.n_features_in_ * output.n_corners)
        source = as_source(values, None, fitted.codebook.device, rows=rows)
        return namespace.array(source.map_rows(lambda chunk: output.inverse(fitted, chunk)))

    def score(
        self,
        X: ArrayLike,
        y: Any = None,  # noqa: ARG002
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Minus the quantization error: higher is better, 0 is perfect.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.

        Returns
        -------
        float
            Minus the (weighted) mean distance to the BMU.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X or the weights are not usable; the message names the cause.
        """
        return -quantization_error(self, X, sample_weight=sample_weight)

    @in_any_process
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Minus the distance of each sample to its BMU; low for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Not above 0.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X is not usable; the message names the cause.
        """
        if is_dask(X):
            return answer_lazily(self, X, "score_samples", dtype=np.float64)
        distances: NDArray[np.float64] = answer(self, X, "score_samples", distances_to_bmu)
        return -distances

    @in_any_process
    def to_layer(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> TopographicLayer:
        """A torch layer that holds a copy of the codebook.

        Parameters
        ----------
        device : torch.device or str, optional
            Where the layer lives; None is the CPU.
        dtype : torch.dtype, optional
            Type of its parameters; None keeps the codebook's.

        Returns
        -------
        TopographicLayer
            With this map's geometry, norm and neighborhood, and ``lattice_p_norm=2``. It does not know missing values:
            the unit of a row with NaN means nothing. It holds no sigma and no temperature either: what `transform`
            returns is ``layer.coordinates(z, som.sigma_, som.temperature)`` or ``layer.activations`` of the same, with
            `z` normalized by the layer itself.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If `device` or `dtype` is not one that a layer can have.

        Examples
        --------
        >>> import torch
        >>> from sklearn.datasets import load_iris
        >>> from sktopo import TopographicMap
        >>> X, _ = load_iris(return_X_y=True)
        >>> som = TopographicMap(5, 5).fit(X)
        >>> bmu = som.to_layer().bmu(torch.from_numpy(X))
        >>> bool((bmu.numpy() == som.labels_).all())
        True
        """
        return FittedMap.of(self).layer_of(as_tensor(self.codebook_), device, dtype)

    @in_any_process
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted map to a file: arrays and JSON, no pickle.

        Parameters
        ----------
        path : path-like
            Exactly this file is written, or the one that a symbolic link points to. An older file is replaced at once
            when the new one is whole, or not at all.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If a parameter or an attribute was since set to what `load` would refuse.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from sklearn.datasets import load_iris
        >>> from sktopo import TopographicMap
        >>> X, _ = load_iris(return_X_y=True)
        >>> som = TopographicMap(5, 5).fit(X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "iris.map"
        ...     som.save(path)
        ...     again = TopographicMap.load(path)
        >>> bool((again.predict(X) == som.labels_).all())
        True
        """
        self._validate_params()
        codebook_of(self)
        fitted = {name: value for name, value in vars(self).items() if name.endswith("_") and name[0] != "_"}
        fitted |= {name: value.item() for name, value in fitted.items() if isinstance(value, np.generic)}
        check_restorable(self, fitted)
        content = {
            "estimator": type(self).__name__,
            "parameters": self.get_params(deep=False),
            "fitted": fitted,
            "output": output_container(self),
        }
        persistence.write(path, content)

    @classmethod
    @in_any_process
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a map that `save` wrote. Nothing in the file is ever run, so files of others are safe to load.

        Parameters
        ----------
        path : path-like
            A file.

        Returns
        -------
        TopographicMap
            With every parameter and fitted attribute. What lived on a device that is not here comes to the CPU
            (``device=None``), with one warning.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is not a whole sktopo file with a whole map, or was written by a newer version.
        """
        loaded: Self = restored(cls(), persistence.read(path))
        return loaded

    @in_any_process
    def u_matrix(self) -> NDArray[Any]:
        """Mean distance of each prototype to the adjacent ones: high ridges separate clusters.

        Returns
        -------
        ndarray of shape (height_, width_)
            Distances in the units of the data, not rescaled (8 neighbors on a rectangular lattice, 6 on a hexagonal
            one).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        """
        fitted = FittedMap.of(self)
        matrix = maps.u_matrix(fitted.codebook, fitted.lattice, fitted.p_norm)
        return Namespace.of(self.codebook_).array(matrix)

    @in_any_process
    def component_planes(self) -> NDArray[Any]:
        """Each feature of the codebook over the map.

        Returns
        -------
        ndarray of shape (n_features, height_, width_)
            One plane a feature, in the units of the data.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        """
        fitted = FittedMap.of(self)
        return Namespace.of(self.codebook_).array(maps.component_planes(fitted.codebook, fitted.lattice))

    @in_any_process
    def hit_histogram(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> NDArray[np.float64]:
        """Number of samples per best matching unit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        sample_weight : array-like of shape (n_samples,), optional
            Weights; None counts every sample once. All may be zero, as those of a class that X has not.

        Returns
        -------
        ndarray of shape (height_, width_)
            Sums of weights.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the map is not fitted.
        ValueError
            If X or the weights are not usable; the message names the cause.
        """
        fitted, source = open_query(self, X, sample_weight, method="hit_histogram", zero_weights=True)
        search = fitted.search(source.dtype)
        hits = source.reduce(lambda x, weight: maps.hit_histogram(search.bmu(x), weight, fitted.lattice))
        return Namespace.of(X).array(hits)

    @property
    def _n_features_out(self) -> int:
        """Width of `transform`'s result, for the names of its features."""
        check_is_fitted(self)
        return self._chosen_output.n_columns(self.height_ * self.width_)

    def _check_columns(self, given: int, expected: int) -> None:
        """Raise ValueError for what `transform` could not have returned."""
        if given != expected:
            raise ValueError(f"X has {given} columns; output={self.output!r} has {expected} on this map.")

    @property
    def _chosen_output(self) -> Output:
        """What `output` stands for; it may have been set since `fit`, which checks it."""
        return chosen("output", self.output, OUTPUTS)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
