"""
Outliers: far from every prototype
==================================

``score_samples`` is minus the distance of a sample to its nearest prototype. A map fitted on normal samples has
prototypes where those are, so that whatever is unlike them scores low. Here *normal* means benign tumors.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktopo import TopographicMap

data = load_breast_cancer()
benign, malignant = data.data[data.target == 1], data.data[data.target == 0]
train, test = train_test_split(benign, random_state=0)
model = make_pipeline(StandardScaler(), TopographicMap(8, 8)).fit(train)

# %%
# A threshold comes from the training rows: here, the distance that one in twenty of them exceeds. Training rows lie
# closer to the prototypes than new ones, so more than one in twenty new benign tumors is flagged. Take the threshold
# from rows held out if the rate matters.
threshold = np.quantile(model.score_samples(train), 0.05)
scores = model.score_samples(np.vstack([test, malignant]))
is_malignant = np.r_[np.zeros(len(test)), np.ones(len(malignant))]
print(f"benign tumors flagged     {np.mean(scores[is_malignant == 0] < threshold):.2f}")
print(f"malignant tumors flagged  {np.mean(scores[is_malignant == 1] < threshold):.2f}")
print(f"area under the ROC curve  {roc_auc_score(is_malignant, -scores):.3f}")

figure, ax = plt.subplots(figsize=(7, 3.4))
bins = np.linspace(0, 20, 41)
ax.hist(-scores[is_malignant == 0], bins, alpha=0.7, label="benign, not in the training rows", density=True)
ax.hist(-scores[is_malignant == 1], bins, alpha=0.7, label="malignant", density=True)
ax.axvline(-threshold, color="0.3", linestyle="--", label="threshold")
ax.set(xlabel="distance to the nearest prototype (standard deviations)", ylabel="density")
ax.legend()
figure.tight_layout()

# %%
# The best unit also says *why*: the features in which the sample differs most from its prototype.
scaler, som = model
worst = scaler.transform(malignant[[np.argmin(model.score_samples(malignant))]])
difference = (worst - som.codebook_[som.predict(worst)])[0]
for feature in np.argsort(-np.abs(difference))[:3]:
    print(f"{data.feature_names[feature]:20} {difference[feature]:+.1f} standard deviations from its prototype")
