"""
From a data frame to a report
=============================

A map of patients, described by numbers and by categories: where the groups are, what makes each of them, who is
unusual, how an outcome lies over the map, and the way back into the data frame.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.neighbors import radius_neighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sktopo import TopographicMap
from sktopo.plotting import LabelMapDisplay, UMatrixDisplay

data = load_diabetes(as_frame=True, scaled=False)
numbers = ["bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]  # body mass index, blood pressure, six blood values
patients = data.data[numbers].assign(
    sex=data.data["sex"].map({1: "first", 2: "second"}),  # the data set does not say which is which
    age=pd.cut(data.data["age"], [0, 40, 60, 100], labels=["to 40", "41 to 60", "over 60"]),
)
patients.head(3)

# %%
# A map takes numbers only. Measurements are standardized; a category becomes a column of zeros and ones for each of its
# values. Two patients of different sex are then as far apart as two whose blood pressure differs by 1.4 standard
# deviations. Give ``transformer_weights={"category": 2}`` to make categories count for more.
prepare = ColumnTransformer([("number", StandardScaler(), numbers), ("category", OneHotEncoder(), ["sex", "age"])])
model = make_pipeline(prepare, TopographicMap(height="auto", width="auto")).fit(patients)
som = model[-1]
print(f"{som.height_} x {som.width_} units, {som.n_features_in_} features, {len(patients)} patients")

# %%
# **Where are the groups?** The prototypes are clustered, and only adjacent units may join, so that each cluster is one
# piece of the map. A patient belongs to the cluster of their unit.
adjacent = radius_neighbors_graph(som.unit_coordinates_, radius=1.5)
cluster_of_unit = AgglomerativeClustering(4, connectivity=adjacent).fit_predict(som.codebook_)
unit = model.predict(patients)
cluster = np.array(list("ABCD"))[cluster_of_unit[unit]]

# %%
# **How does an outcome lie over the map?** The progression of the disease a year later took no part in the fit. Means
# weighted by the activations are smooth, and every unit has one.
activations = model.set_params(topographicmap__output="activations").transform(patients)
outcome = (activations.T @ data.target / activations.sum(axis=0)).reshape(som.height_, som.width_)
figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
UMatrixDisplay.from_estimator(model, ax=axes[0])
LabelMapDisplay.from_estimator(model, patients, cluster, ax=axes[1])
axes[1].set_title("Cluster of each unit")
figure.colorbar(axes[2].imshow(outcome), ax=axes[2], shrink=0.6)
axes[2].set(title="Progression of the disease", xlabel="column", ylabel="row", xticks=range(0, 13, 2))

# %%
# No ridge crosses the U-matrix: these patients pass into each other without gaps. The clusters divide a continuum, to
# have names for its parts, and their borders mean no more than that. The progression rises from left to right.

# %%
# **What makes each group?** The means of its patients, in the units of the data, beside those of all:
report = patients.assign(progression=data.target)
means = report.groupby(cluster)[[*numbers, "progression"]].mean()
means.loc["all"] = report[means.columns].mean()
means.insert(0, "patients", [*pd.Series(cluster).value_counts().sort_index(), len(patients)])
means.round(1)

# %%
# The same as a sentence: the three measurements in which a group differs most from all, in standard deviations.
difference = (means[numbers] - means.loc["all", numbers]) / patients[numbers].std()
for name, row in difference.drop("all").iterrows():
    print(name, *(f"{column} {row[column]:+.1f}" for column in row.abs().nlargest(3).index), sep="  ")

# %%
# Categories are counted, as shares of each group:
pd.concat(
    [pd.crosstab(cluster, patients[name], rownames=["cluster"], normalize="index") for name in ("sex", "age")], axis=1
).round(2)

# %%
# **Who is unusual?** Whoever is far from every prototype. A map lies closer to the patients that it was fitted on, so
# each fifth is scored by a map of the others. What one in twenty exceeds is also a threshold for new patients.
scores = pd.Series(0.0, index=patients.index)
for train, test in KFold(5, shuffle=True, random_state=0).split(patients):
    scores.iloc[test] = clone(model).fit(patients.iloc[train]).score_samples(patients.iloc[test])
print(f"one patient in twenty is further away than {-scores.quantile(0.05):.1f}")
patients.assign(distance=-scores).nlargest(3, "distance").round(1)

# %%
# **And back.** Everything the map says about a patient is a column:
place = model.set_params(topographicmap__output="coordinates").transform(patients)
report.assign(row=place[:, 0], column=place[:, 1], unit=unit, cluster=cluster, distance=-scores).round(1).head()
