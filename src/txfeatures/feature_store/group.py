"""The description of a feature group, as SageMaker's control plane gives it."""

from typing import TYPE_CHECKING

from txfeatures.domain.errors import FatalError
from txfeatures.feature_store.errors import translated

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import DescribeFeatureGroupResponseTypeDef


def describe(sagemaker: "SageMakerClient", group: str) -> "DescribeFeatureGroupResponseTypeDef":
    """Return the description of a feature group.

    Raises:
        FatalError: There is no such group, or AWS refuses.
        TransientError: AWS does not answer.
    """
    with translated("SageMaker"):
        try:
            return sagemaker.describe_feature_group(FeatureGroupName=group)
        except sagemaker.exceptions.ResourceNotFound as error:
            raise FatalError(
                f"there is no feature group {group}; run `txfeatures bootstrap` "
                "or set TXF_AWS_FEATURE_GROUP to the one that it made"
            ) from error
