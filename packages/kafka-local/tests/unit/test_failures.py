from kafka_local.failures import cause_of

_CHAIN = """\
[2026-01-01] INFO starting
java.lang.RuntimeException: outer
    at kafka.Kafka.main(Kafka.scala)
Caused by: java.net.BindException: Address already in use. Try another.
    at java.base/sun.nio.ch.Net.bind0(Native Method)
    ... 7 more
[2026-01-01] INFO shut down completed
"""


def test_the_root_of_a_chain_of_exceptions_is_the_cause() -> None:
    assert cause_of(_CHAIN) == "java.net.BindException: Address already in use"


def test_an_exception_that_ended_the_main_thread_is_the_cause() -> None:
    log = 'Exception in thread "main" a.b.ConfigException: Invalid value x\n\tat a.b.C(D.java:1)\n'
    assert cause_of(log) == "a.b.ConfigException: Invalid value x"


def test_without_an_exception_the_last_line_is_the_cause() -> None:
    assert cause_of("one\nUnrecognized VM option 'Y'.\n\n") == "Unrecognized VM option 'Y'"


def test_an_empty_log_is_reported_as_such() -> None:
    assert cause_of("\n") == "it logged nothing"
