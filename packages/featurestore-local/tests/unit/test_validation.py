from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape
from botocore.session import get_session

from featurestore_local.errors import AwsError
from featurestore_local.validation import check, compiled

PUT = {"FeatureGroupName": "g", "Record": [{"FeatureName": "a", "ValueAsString": "1"}]}


def shape_of(operation: str, service: str = "sagemaker-featurestore-runtime") -> StructureShape:
    shape = get_session().get_service_model(service).operation_model(operation).input_shape
    assert isinstance(shape, StructureShape)
    return shape


def test_a_sound_request_passes_and_unknown_members_are_let_be() -> None:
    check(PUT | {"Unheard": object()}, shape_of("PutRecord"), "ValidationError")


def test_a_null_counts_as_absent() -> None:
    check(PUT | {"TargetStores": None}, shape_of("PutRecord"), "ValidationError")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"Record": None}, "Value null at 'record' .* must not be null"),
        ({"Record": []}, "at 'record' .* length greater than or equal to 1"),
        ({"Record": [{}]}, r"at 'record\.1\.member\.featureName' .* must not be null"),
        ({"FeatureGroupName": "g-"}, "at 'featureGroupName' .* regular expression"),
        ({"FeatureGroupName": "g" * 65}, "regular expression"),
        ({"TargetStores": ["Online"]}, r"enum value set: \[OnlineStore, OfflineStore\]"),
        ({"TargetStores": ["OnlineStore"] * 3}, "length less than or equal to 2"),
        ({"TtlDuration": {"Unit": "Days", "Value": 0}}, "value greater than or equal to 1"),
    ],
)
def test_a_broken_constraint_is_named_with_its_place(
    changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AwsError, match=complaint) as caught:
        check(PUT | changes, shape_of("PutRecord"), "ValidationError")
    assert caught.value.code == "ValidationError"


def test_all_breaches_are_named_at_once() -> None:
    with pytest.raises(AwsError, match=r"^ValidationError: 2 validation errors detected"):
        check({"FeatureGroupName": "-"}, shape_of("PutRecord"), "ValidationError")


@pytest.mark.parametrize(
    "changes",
    [
        {"FeatureGroupName": 1},
        {"Record": {}},
        {"Record": ["a"]},
        {"TtlDuration": {"Unit": "Days", "Value": "1"}},
        {"TtlDuration": {"Unit": "Days", "Value": True}},
    ],
)
def test_another_json_type_is_a_serialization_error(changes: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="must be a JSON") as caught:
        check(PUT | changes, shape_of("PutRecord"), "ValidationError")
    assert caught.value.code == "SerializationException"


def test_every_pattern_of_the_models_compiles() -> None:
    def patterns(shape: Shape) -> Iterator[str]:
        if "pattern" in shape.metadata:
            yield shape.metadata["pattern"]
        members = list(shape.members.values()) if isinstance(shape, StructureShape) else []
        for member in [shape.member] if isinstance(shape, ListShape) else members:
            yield from patterns(member)

    found = {
        pattern
        for operation in (
            "CreateFeatureGroup",
            "UpdateFeatureGroup",
            "ListFeatureGroups",
            "AddTags",
        )
        for pattern in patterns(shape_of(operation, "sagemaker"))
    }
    assert len([compiled(pattern) for pattern in found]) > 5


def test_java_patterns_keep_their_meaning() -> None:
    tag = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
    assert compiled(tag).fullmatch("Équipe 7: a/b@c")
    assert not compiled(tag).fullmatch("a;b")


def test_of_a_union_exactly_one_member_is_set() -> None:
    shape = shape_of("CreateFeatureGroup", "sagemaker")
    feature = {"FeatureName": "v", "FeatureType": "Fractional", "CollectionConfig": {}}
    params = {
        "FeatureGroupName": "g",
        "RecordIdentifierFeatureName": "a",
        "EventTimeFeatureName": "b",
        "FeatureDefinitions": [feature],
    }
    with pytest.raises(AwsError, match=r"collectionConfig' .* Exactly one member must be set"):
        check(params, shape, "ValidationException")
    feature["CollectionConfig"] = {"VectorConfig": {"Dimension": 3}}
    check(params, shape, "ValidationException")


def test_keys_and_values_of_maps_are_checked() -> None:
    shape = shape_of("CreateTable", "glue")
    table = {"Name": "t", "Parameters": {"k": "v"}}
    check({"DatabaseName": "d", "TableInput": table}, shape, "InvalidInputException")
    table["Parameters"] = {"": "v"}
    with pytest.raises(AwsError, match=r"tableInput\.parameters\.\.key' .* length greater"):
        check({"DatabaseName": "d", "TableInput": table}, shape, "InvalidInputException")
