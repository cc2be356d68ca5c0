"""
Component planes: which features go together?
=============================================

A component plane shows one feature of all prototypes over the map. All planes share the same map: the same place on
each of them is the same kind of wine. Planes that look alike are features that rise and fall together.
"""

import pandas as pd
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import ComponentPlanesDisplay

wine = load_wine(as_frame=True)
model = make_pipeline(StandardScaler(), TopographicMap(height=9, width=7)).fit(wine.data)

# %%
# The display takes the names of the features from the data frame that the Pipeline was fitted on.
display = ComponentPlanesDisplay.from_estimator(model, n_columns=5)
display.figure_.set_size_inches(11, 7.5)

# %%
# The map has seen standardized features, so the color bars count standard deviations. In the units of the data:
# the codebook goes back through the scaler.
scaler, som = model
codebook = pd.DataFrame(scaler.inverse_transform(som.codebook_), columns=wine.data.columns)
codebook[["alcohol", "proline"]].describe().loc[["min", "max"]].round(1)

# %%
# Total phenols, flavanoids and od280/od315 look alike, and proline follows alcohol. How alike two planes are is the
# correlation of their prototypes:
correlation = codebook.corr().rename_axis(index="first", columns="second").stack()
pairs = correlation[correlation.index.get_level_values(0) < correlation.index.get_level_values(1)]
pairs.nlargest(4).round(2).to_frame("correlation")
