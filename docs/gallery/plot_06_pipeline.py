"""
A map as a step of a model
==========================

A map turns a sample into features: its place, its distances to all prototypes, or *activations*, which are 1 at its
best unit and fall off with the distance on the map. Here a linear classifier gets them, and a grid search chooses the
map.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sktopo import TopographicMap

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = make_pipeline(MinMaxScaler(), TopographicMap(output="activations"), RidgeClassifier())
model

# %%
# Steps are named after their class, as ever in scikit-learn.
search = GridSearchCV(
    model,
    {
        "topographicmap__height": [6, 12],
        "topographicmap__width": [12],
        "topographicmap__output": ["coordinates", "activations", "distances"],
    },
    cv=3,
)
search.fit(X_train, y_train)
results = search.cv_results_
names = [f"{p['topographicmap__height']} x 12, {p['topographicmap__output']}" for p in results["params"]]
figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
ax.barh(names, results["mean_test_score"], xerr=results["std_test_score"], color="C0")
ax.bar_label(ax.containers[-1], fmt=" %.2f")
ax.set(xlabel="accuracy, 3-fold cross-validation", xlim=(0, 1.1))
ax.invert_yaxis()

# %%
# Two numbers a digit cannot tell ten classes apart by straight lines. Activations and distances of the whole map can,
# and a larger map sees finer differences.
print(f"accuracy on unseen digits: {search.score(X_test, y_test):.3f}")
search.best_estimator_
