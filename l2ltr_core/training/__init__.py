"""Training on photos and imagery: `train(load_config(path), datasets, out_dir)`."""

from l2ltr_core.training.config import TrainConfig, load_config
from l2ltr_core.training.ranks import leads
from l2ltr_core.training.run import Report
from l2ltr_core.training.trainer import TrainResult, train

__all__ = ["Report", "TrainConfig", "TrainResult", "leads", "load_config", "train"]
