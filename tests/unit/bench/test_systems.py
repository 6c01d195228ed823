import sys
from pathlib import Path

from bench.cluster import PARTITIONS
from bench.environments import PEERS
from bench.stages import stages
from bench.systems import GUARANTEES, PRODUCT, Peer, Product, Run, peers
from txfeatures.process.settings import load
from txfeatures_aggregator.settings import Settings as AggregatorSettings
from txfeatures_dedup.settings import Settings as DedupSettings

RUN = Run(bootstrap_servers="127.0.0.1:1", source="raw", directory=Path("/somewhere"))


def test_the_services_take_the_settings_they_are_given() -> None:
    env = Product(services=("dedup", "aggregator")).environment(RUN)
    dedup, aggregator = load(DedupSettings, env), load(AggregatorSettings, env)
    assert dedup.model_fields_set <= {*DedupSettings.model_fields}
    assert aggregator.model_fields_set <= {*AggregatorSettings.model_fields}
    assert env["TXF_DEDUP_HTTP_PORT"] != env["TXF_AGGREGATOR_HTTP_PORT"]


def test_the_services_start_as_in_production(tmp_path: Path) -> None:
    commands = Product(services=("dedup", "aggregator")).prepare(tmp_path)
    assert commands == [
        [sys.executable, "-m", "txfeatures_dedup"],
        [sys.executable, "-m", "txfeatures_aggregator"],
    ]


def test_every_peer_has_its_script_and_what_it_is_run_with() -> None:
    for peer in peers():
        assert isinstance(peer, Peer)
        assert (PEERS / peer.script).is_file()
        if peer.environment_name:
            suffix = "lock" if peer.script.endswith(".java") else "txt"
            assert (PEERS / f"{peer.environment_name}.{suffix}").is_file()


def test_every_peer_is_measured_with_both_guarantees() -> None:
    found = {(peer.name, peer.guarantee) for peer in peers()}
    names = {peer.name for peer in peers()}
    assert names == {"limit", "kafka_streams", "quix_streams", "faust"}
    assert found == {(name, guarantee) for name in names for guarantee in GUARANTEES}


def test_a_peer_without_packages_of_its_own_runs_in_this_environment(tmp_path: Path) -> None:
    limit = next(peer for peer in peers() if peer.name == "limit")
    assert limit.prepare(tmp_path) == [[sys.executable, str(PEERS / "limit.py")]]


def test_a_peer_is_told_what_its_script_reads() -> None:
    for peer in peers():
        assert isinstance(peer, Peer)
        told = peer.environment(RUN)
        script = (PEERS / peer.script).read_text()
        read = {
            word for word in script.replace('"', " ").replace("'", " ").split() if "BENCH_" in word
        }
        assert read <= told.keys()
        assert told["BENCH_PARTITIONS"] == str(PARTITIONS)


def test_the_product_is_measured_in_every_stage() -> None:
    for stage in stages():
        assert stage.systems[0].name == PRODUCT
