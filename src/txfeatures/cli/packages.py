"""What a command needs that not every installation has, told without loading it.

DuckDB, pyarrow, boto3 and Kafka's client take longer to load than most commands run, so
commands import them, and what imports them, when they are called.
"""

from importlib.util import find_spec


def needs(*packages: str) -> None:
    """Check that ``packages`` can be imported.

    Raises:
        ModuleNotFoundError: One is not installed; its command is then left out.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
