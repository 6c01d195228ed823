"""Rules of a validator that a construct breaks on purpose."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

NAG = "AwsSolutions-"
"""Prefix of the rules of cdk-nag's pack."""
CLOUDFORMATION = "CloudFormation-Validate::"
"""Prefix of the rules that CDK itself has from cfn-lint."""


def acknowledge(construct: IConstruct, reason: str, *rules: str, pack: str = NAG) -> None:
    """Accept findings on a construct, and all below it.

    Args:
        construct: The construct.
        reason: Why they are right there.
        rules: The rules, some with the finding in brackets.
        pack: Prefix of the rules.
    """
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"{pack}{rule}", reason=reason) for rule in rules)
    )
