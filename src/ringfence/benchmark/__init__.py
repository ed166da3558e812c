"""Methods × data × seeds → run records → tables beside the baselines and the published numbers."""

from .execute import Setting
from .folder import FolderBench
from .job import Job
from .runner import plan, run

__all__ = ["FolderBench", "Job", "Setting", "plan", "run"]
