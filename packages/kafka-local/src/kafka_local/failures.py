"""The cause of a Java program's end, as found in its log."""

import re

# A line of a stack trace that names an exception or error, in the forms that Java prints.
_THROWN = re.compile(
    r'(Exception in thread "[^"]*" |Caused by: )?(?P<thrown>[\w.$]+(Exception|Error): .+)'
)


def cause_of(log: str) -> str:
    """Return the sentence of ``log`` that best explains why the program ended.

    This is the last exception or error, which in a chain is the root cause; otherwise the last
    line that is not a stack frame; otherwise a remark that the log is empty.
    """
    lines = [line for line in map(str.strip, log.splitlines()) if line]
    lines = [line for line in lines if not line.startswith("at ")]
    thrown = [found["thrown"] for line in lines if (found := _THROWN.match(line))]
    candidates = thrown or lines or ["it logged nothing"]
    return candidates[-1].split(". ")[0].rstrip(".")
