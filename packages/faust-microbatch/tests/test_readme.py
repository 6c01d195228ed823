import re
import runpy
from pathlib import Path

from faust_microbatch import Outgoing
from faust_microbatch.testing import TestDriver

PACKAGE = Path(__file__).parents[1]
EXAMPLE = PACKAGE / "examples" / "first_seen.py"
BLOCKS = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)


def test_the_readme_shows_the_example_file_and_how_to_test_it() -> None:
    example, test = BLOCKS
    assert example == EXAMPLE.read_text()
    exec(example + test, {"__name__": "readme"})


def test_the_example_forwards_the_first_record_of_each_key_once() -> None:
    app = runpy.run_path(str(EXAMPLE))["app"]
    with TestDriver(app) as driver:
        driver.feed("events", [Outgoing(b"a", b"1"), Outgoing(b"b", b"2"), Outgoing(b"a", b"3")])
        driver.restart()
        driver.feed("events", [Outgoing(b"b", b"4"), Outgoing(b"c", b"5")])
        sent = [(record.key, record.value) for record in driver.read("first")]
    assert sent == [(b"a", b"1"), (b"b", b"2"), (b"c", b"5")]
