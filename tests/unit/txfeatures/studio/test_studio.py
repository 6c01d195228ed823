"""A Studio in an account that is as slow and fussy as the true one."""

import json
import re
import threading
from functools import cache

import pytest

from deploy.iam.studio import STUDIO
from tests.support.studio_account import KilledError, StudioAccount
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.studio import custom_resource
from txfeatures.studio.account import OWNER_TAG, role_name
from txfeatures.studio.creation import Studio
from txfeatures.studio.parts import DOMAIN_TAG
from txfeatures.studio.work import Work

NAME = "txfeatures"
WANTED = Studio(
    name=NAME,
    role=role_name(NAME),
    vpc="vpc-1",
    subnets=("subnet-1", "subnet-2"),
    policy=json.dumps({"Version": "2012-10-17", "Statement": []}),
    user="ada",
    notebooks="https://example.org/txfeatures.git",
    instance="ml.t3.medium",
)


def work(
    aws: StudioAccount, reports: list[str] | None = None, domain_id: str | None = None
) -> Work:
    return Work(
        account=aws.account,
        name=NAME,
        domain_id=domain_id,
        runtime=Runtime(metrics=Metrics("studio"), clock=aws.clock),
        pause_s=60.0,
        report=(reports if reports is not None else []).append,
    )


def used(aws: StudioAccount) -> StudioAccount:
    """Create a Studio, and use it: apps run, and a home file system was made after all."""
    work(aws).create(WANTED)
    [domain] = aws.domains
    aws.add_app(domain, {"SpaceName": WANTED.space}, "JupyterLab", "default")
    aws.add_app(domain, {"UserProfileName": "ada"}, "KernelGateway", "kernel")
    aws.add_home(domain)
    aws.roles[WANTED.role]["attached"].append("arn:aws:iam::aws:policy/ReadOnlyAccess")
    aws.changes.clear()
    return aws


def test_a_studio_has_no_home_file_system_and_a_space_with_the_notebooks() -> None:
    aws, reports = StudioAccount(), list[str]()
    work(aws, reports).create(WANTED)
    assert aws.changes == [
        "CreateRole",
        "PutRolePolicy",
        "CreateDomain",
        "TagRole",
        "CreateUserProfile",
        "CreateSpace",
    ]
    assert not aws.file_systems
    [space] = aws.spaces.values()
    assert space.about["settings"]["JupyterLabAppSettings"]["CodeRepositories"] == [
        {"RepositoryUrl": WANTED.notebooks}
    ]
    assert aws.roles[WANTED.role]["inline"] == {"txfeatures": WANTED.policy}
    assert any(report.startswith("waiting for domain txfeatures (Pending)") for report in reports)


def test_a_studio_that_is_complete_is_left_alone() -> None:
    aws = StudioAccount()
    work(aws).create(WANTED)
    aws.changes.clear()
    work(aws).create(WANTED)
    assert aws.changes == []


@pytest.mark.parametrize("leaves_file_system", [True, False])
def test_a_studio_in_use_is_deleted_without_remains(leaves_file_system: bool) -> None:
    aws = used(StudioAccount(leaves_file_system=leaves_file_system))
    start = aws.clock.now()
    work(aws).delete()
    assert aws.is_empty()
    assert aws.clock.now() - start > 1200.0  # the apps alone take twenty minutes
    assert ("DeleteFileSystem" in aws.changes) == leaves_file_system
    assert aws.changes[-1] == "DeleteRole"


@cache
def steps() -> int:
    """Return the number of changes that the deletion of a Studio in use takes."""
    aws = used(StudioAccount())
    work(aws).delete()
    return len(aws.changes)


@pytest.mark.parametrize("step", range(steps()))
def test_a_deletion_that_is_killed_at_any_step_is_resumed(step: int) -> None:
    aws = used(StudioAccount())
    aws.dies_after = step
    with pytest.raises(KilledError):
        work(aws).delete()
    assert not aws.is_empty()
    aws.dies_after = None
    work(aws).delete()
    assert aws.is_empty()
    assert len(aws.changes) == steps()  # nothing was done twice


@pytest.mark.parametrize("step", range(6))
def test_a_creation_that_is_killed_at_any_step_is_resumed_or_deleted(step: int) -> None:
    for resume in (True, False):
        aws = StudioAccount(dies_after=step)
        with pytest.raises(KilledError):
            work(aws).create(WANTED)
        aws.dies_after = None
        if resume:
            work(aws).create(WANTED)
            assert len(aws.changes) == 6
            assert set(aws.spaces) == {WANTED.space}
        else:
            work(aws).delete()
            assert aws.is_empty()


def test_a_domain_of_somebody_else_is_deleted_by_its_id_and_our_role_stays() -> None:
    aws = used(StudioAccount())
    [domain] = aws.domains
    aws.roles[WANTED.role]["tags"].pop(DOMAIN_TAG)
    work(aws, domain_id=domain).delete()
    assert (aws.domains, aws.file_systems, aws.groups) == ({}, {}, {})
    assert list(aws.roles) == [WANTED.role]


def test_another_domain_is_left_alone() -> None:
    aws = used(StudioAccount())
    aws.domains["d-other"] = type(aws.domains[min(aws.domains)])({"DomainName": "other"})
    aws.add_home("d-other")
    aws.mount_targets = {k: v for k, v in aws.mount_targets.items() if "other" not in k}
    work(aws).delete()
    assert set(aws.domains) == {"d-other"}
    assert set(aws.file_systems) == {"fs-d-other"}
    assert len(aws.groups) == 2


def test_a_part_that_failed_is_named_with_the_next_step() -> None:
    aws = StudioAccount()
    work(aws).create(WANTED)
    aws.spaces[WANTED.space].status = "Failed"
    with pytest.raises(FatalError, match=r"space txfeatures-notebooks has failed; run `txfeatures"):
        work(aws).create(WANTED)


def test_remains_of_a_deleted_domain_are_not_taken_over() -> None:
    aws = used(StudioAccount())
    aws.dies_after = steps_before("DeleteMountTarget")
    with pytest.raises(KilledError):
        work(aws).delete()
    aws.dies_after = None
    with pytest.raises(FatalError, match="finish `txfeatures studio delete --name txfeatures`"):
        work(aws).create(WANTED)


def steps_before(operation: str) -> int:
    """Return the number of changes before the first of ``operation`` in a deletion."""
    aws = used(StudioAccount())
    work(aws).delete()
    return aws.changes.index(operation)


def test_a_refused_call_ends_the_work_with_one_sentence() -> None:
    aws = used(StudioAccount(fails={}))
    aws.fails = {"DeleteSpace": "AccessDeniedException"}
    with pytest.raises(FatalError, match="SageMaker Studio refused the call"):
        work(aws).delete()


def test_a_throttled_call_is_repeated() -> None:
    aws, reports = used(StudioAccount()), list[str]()
    aws.fails = {"DeleteApp": "ThrottlingException"}

    class Passing(ManualClock):
        def wait(self, stop: threading.Event, timeout_s: float) -> bool:
            aws.fails.clear()
            return super().wait(stop, timeout_s)

    aws.clock = Passing()
    work(aws, reports).delete()
    assert aws.is_empty()
    assert any("throttled" in report for report in reports)


def test_a_stop_is_reported_with_the_way_to_go_on() -> None:
    aws = used(StudioAccount())
    halted = work(aws)
    halted.runtime.stop.set()
    with pytest.raises(FatalError, match="run the same command again to go on"):
        halted.delete()


def test_a_life_takes_each_of_the_declared_rights_and_no_other() -> None:
    aws = used(StudioAccount())
    work(aws).delete()
    prefixes = {"efs": "elasticfilesystem"}
    called = {
        f"{prefixes.get(service, service)}:{''.join(w.capitalize() for w in operation.split('_'))}"
        for service, operation in aws.calls
    }
    # A role that is passed on, and tags that are given at once, need rights besides.
    called |= {"iam:PassRole", "sagemaker:AddTags"}
    assert called == {action for grant in STUDIO.aws for action in grant.actions}


def test_only_what_a_domain_has_made_may_be_deleted() -> None:
    deletes = [
        grant
        for grant in STUDIO.aws
        if any(re.match(r"(ec2|elasticfilesystem):(Delete|Revoke)", each) for each in grant.actions)
    ]
    assert len(deletes) == 2
    for grant in deletes:
        assert grant.when
        [(tag, domain)] = grant.when["StringLike"].items()
        assert tag.endswith(f"ResourceTag/{OWNER_TAG}")
        assert domain.endswith(":domain/*")


def test_the_custom_resource_creates_and_purges_by_the_same_steps() -> None:
    aws = StudioAccount()
    properties = {
        "Name": NAME,
        "Vpc": "vpc-1",
        "Subnets": ["subnet-1"],
        "Policy": WANTED.policy,
        "User": "ada",
        "Instance": "ml.t3.medium",
    }
    created = {"RequestType": "Create", "ResourceProperties": properties}
    assert custom_resource.on_event(created, None) == {"PhysicalResourceId": NAME}

    def run(kind: str) -> int:
        event = {"RequestType": kind, "PhysicalResourceId": NAME, "ResourceProperties": properties}
        assert custom_resource.on_event(event, None) == {"PhysicalResourceId": NAME}
        for calls in range(1, 500):
            if custom_resource.is_complete(event, None, account=aws.account)["IsComplete"]:
                return calls
            aws.clock.advance(60.0)
        raise AssertionError(f"{kind} did not end: {aws.changes}")

    assert run("Create") > 3
    assert set(aws.spaces) == {WANTED.space}
    [domain] = aws.domains
    aws.add_app(domain, {"SpaceName": WANTED.space}, "JupyterLab", "default")
    aws.add_home(domain)
    assert run("Delete") > 20
    assert aws.is_empty()
