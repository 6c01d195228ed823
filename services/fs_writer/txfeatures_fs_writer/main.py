"""fs_writer: rows of features to Feature Store, transactions to the archive in S3.

Two steps, in one process or in one each, with a consumer group of its own. Offsets are
committed only after the stores have acknowledged everything before them, so a crash repeats
work and never loses it; a repeat changes neither the online store nor the archive. A step
that fails goes on trying while the other works.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial

from txfeatures.process.declared import load_features
from txfeatures.process.runtime import Runtime, Step, run
from txfeatures.process.shell import Program, serve
from txfeatures.process.supervision import SupervisedStep
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.settings import Settings

Open = Callable[..., AbstractContextManager[Step]]


def build(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    """Open the chosen steps; return the program that runs them side by side."""
    freshness = Freshness(runtime.metrics)
    steps: dict[str, Step] = {}
    for name, open_step in _chosen(settings).items():
        opened = partial(open_step, settings, freshness=freshness, runtime=runtime)
        step = SupervisedStep(name, opened, runtime=runtime)
        steps[name] = stack.enter_context(closing(step))
    return partial(run, steps, runtime=runtime, apart=True)


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve("fs_writer", Settings, build)


def _chosen(settings: Settings) -> Mapping[str, Open]:
    # Imported as they are needed: the archive's pyarrow takes 170 MB.
    steps: dict[str, Open] = {}
    if settings.steps in {"features", "both"}:
        from txfeatures_fs_writer.features import open_features

        features = load_features(settings.features).features
        steps["features"] = partial(open_features, features=features)
    if settings.steps in {"archive", "both"}:
        from txfeatures_fs_writer.archive import open_archive

        steps["archive"] = open_archive
    return steps
