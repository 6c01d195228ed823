"""Optional packages of a command, checked without importing them.

DuckDB, pyarrow, boto3 and Kafka's client take longer to load than most commands run, so a
command imports them, and modules that import them, only when it is called.
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
