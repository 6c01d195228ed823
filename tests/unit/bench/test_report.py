import json
from pathlib import Path

from rich.console import Console

from bench import report
from bench.contest import Result
from bench.latency import Latency
from bench.measure import Count, Figures
from bench.state import Measured
from bench.systems import Guarantee


def figures(records_per_s: float, *, missing: int = 0) -> Figures:
    return Figures(
        records_per_s=records_per_s,
        cpu_us_per_record=records_per_s / 1000,
        memory_mib=100.4,
        count=Count(missing=missing, duplicates=2),
    )


def result(
    system: str, *rates: float, guarantee: Guarantee = "exactly_once", skipped: str = ""
) -> Result:
    return Result(
        stage="dedup",
        system=system,
        guarantee=guarantee,
        records=200_000,
        rounds=[figures(rate) for rate in rates],
        skipped=skipped,
    )


RESULTS = [
    result("txfeatures", 60_000, 80_000, 70_000),
    result("quix_streams", 20_000, 14_000, 10_000),
    result("kafka_streams", skipped="there is no javac", guarantee="at_least_once"),
]
LATENCY = Latency(begin="the push", to="aggregated", polls=110, p50_s=0.4161, p99_s=1.2)
STATE = Measured(stage="recovery", what="to ready", value=25.651, unit="s")
FOUND = report.document(RESULTS, [LATENCY], [STATE], {"cpu": "Z80", "cores": 1})


def test_the_document_has_medians_over_the_rounds() -> None:
    assert FOUND["results"][0] == {
        "stage": "dedup",
        "system": "txfeatures",
        "guarantee": "exactly_once",
        "records": 200_000,
        "records_per_s": 70_000,
        "cpu_us_per_record": 70.0,
        "memory_mib": 100,
        "missing": 0,
        "duplicates": 2,
        "rounds": [60_000, 80_000, 70_000],
    }


def test_the_document_says_who_was_skipped_and_why() -> None:
    assert [one["system"] for one in FOUND["results"]] == ["txfeatures", "quix_streams"]
    assert FOUND["skipped"] == [
        {
            "stage": "dedup",
            "system": "kafka_streams",
            "guarantee": "at_least_once",
            "why": "there is no javac",
        }
    ]


def test_the_worst_round_says_what_was_lost() -> None:
    losing = Result(
        stage="dedup",
        system="faust",
        guarantee="at_least_once",
        records=10,
        rounds=[figures(1), figures(1, missing=5)],
    )
    assert report.document([losing], [], [], {})["results"][0]["missing"] == 5


def test_a_peers_ratio_is_how_many_times_as_fast_the_product_is() -> None:
    dedup = report.sections(FOUND)[0]
    column = [*dedup.words, *dedup.numbers].index("ratio")
    assert [row[column] for row in dedup.rows] == ["", "5.00"]


def test_without_the_product_there_is_no_ratio() -> None:
    alone = report.sections(report.document(RESULTS[1:2], [], [], {}))[0]
    column = [*alone.words, *alone.numbers].index("ratio")
    assert [row[column] for row in alone.rows] == [""]


def test_the_page_has_a_table_for_everything_that_was_measured() -> None:
    page = report.page(FOUND)
    assert "## Dedup\n\n| system | guarantee | records | records/s |" in page
    assert "| txfeatures | exactly once | 200,000 | 70,000 | 60,000-80,000 | 70.0 | 100 |" in page
    assert "| the push | aggregated | 110 | 0.416 | 1.200 |" in page
    assert "| dedup | kafka_streams | at least once | there is no javac |" in page
    assert "| recovery | to ready | 25.65 | s |" in page
    assert "- cpu: Z80\n" in page


def test_the_table_shows_every_row() -> None:
    console = Console(width=120)
    with console.capture() as shown:
        for section in report.sections(FOUND):
            console.print(report.table(section))
    for word in ("txfeatures", "70,000", "5.00", "0.416", "there is no javac"):
        assert word in shown.get()


def test_the_document_is_written_where_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    report.write(path, FOUND)
    assert json.loads(path.read_text()) == FOUND


def test_the_machine_says_what_figures_depend_on() -> None:
    found = report.machine(0.0)
    assert found["cpu"]
    assert int(found["cores"]) > 0
    assert int(found["memory_gib"]) > 0
