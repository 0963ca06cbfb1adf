"""Heart rate as a score."""

import numpy as np

from leadlab_train.baselines import heart_rate_scores
from leadlab_train.metrics import auroc


def test_orientation_comes_from_training_labels_only() -> None:
    rng = np.random.default_rng(0)
    bpm = rng.normal(75, 12, 500)
    labels = np.stack([bpm > 90, bpm < 60, bpm > 90], axis=1).astype(np.int8)
    labels[:250, 2] = -1
    values = auroc(heart_rate_scores(bpm, labels, bpm), labels)
    np.testing.assert_array_equal(values, 1.0)
    reversed_test = auroc(heart_rate_scores(bpm, labels, bpm), 1 - np.abs(labels))
    assert (reversed_test < 0.5).all()


def test_unknown_heart_rates_score_the_training_median() -> None:
    train_bpm = np.array([60.0, 70.0, np.nan, 100.0])
    labels = np.array([[0], [1], [0], [1]], dtype=np.int8)
    scores = heart_rate_scores(train_bpm, labels, np.array([np.nan, 80.0]))
    assert scores.tolist() == [[70.0], [80.0]]
