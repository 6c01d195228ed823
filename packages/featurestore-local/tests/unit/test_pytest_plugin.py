import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_the_fixture_serves_a_suite_that_knows_nothing_else(tmp_path: Path) -> None:
    suite = """
        def test_put_and_get(feature_store):
            group = feature_store.create_group(
                {"id": "String", "time": "Fractional"}, record_identifier="id", event_time="time"
            )
            runtime = feature_store.client("sagemaker-featurestore-runtime")
            record = [
                {"FeatureName": "id", "ValueAsString": "a"},
                {"FeatureName": "time", "ValueAsString": "1"},
            ]
            runtime.put_record(FeatureGroupName=group, Record=record)
            found = runtime.get_record(FeatureGroupName=group, RecordIdentifierValueAsString="a")
            assert found["Record"] == record

        def test_groups_have_names_of_their_own(feature_store):
            first, second = (
                feature_store.create_group(
                    {"i": "String", "t": "String"}, record_identifier="i", event_time="t"
                )
                for _ in range(2)
            )
            assert first != second

        def test_a_group_that_fails_is_an_error(feature_store):
            import pytest
            with pytest.raises(Exception, match="more than once|required|not defined"):
                feature_store.create_group(
                    {"i": "String"}, record_identifier="i", event_time="missing"
                )
        """
    (tmp_path / "test_suite.py").write_text(textwrap.dedent(suite))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_suite.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in run.stdout, run.stdout
