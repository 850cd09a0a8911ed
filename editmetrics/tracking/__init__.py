"""Numbers of runs in the experiment trackers that people look at: TensorBoard, Weights & Biases, MLflow, trackio.

    from editmetrics.tracking import open_tracker, score_values

    with open_tracker("tensorboard:runs/tb", run="mine") as tracker:
        metric.fit("train.csv", output_dir="runs/mine", progress=tracker.progress)
        tracker.log(score_values(results))

Each run or step is one flat dictionary of finite floats. What has no number has no key.
"""

from .tracker import Tracker
from .trackers import TRACKERS, TrackerError, open_tracker
from .values import leaderboard_values, score_values

__all__ = ["TRACKERS", "Tracker", "TrackerError", "leaderboard_values", "open_tracker", "score_values"]
