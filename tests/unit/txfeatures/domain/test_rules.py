import pytest
from pydantic import ValidationError

from txfeatures.domain.rules import AggregatorRules, DedupRules, Rules

MINUTE_S = 600


def test_the_rules_are_those_of_the_design_unless_told_otherwise() -> None:
    assert Rules() == Rules(
        out_of_orderness_s=60,
        idle_s=20,
        max_skew_s=120,
        allowed_lateness_s=24 * 3600,
        remember_s=2 * 24 * 3600,
    )


def test_all_rules_are_those_of_dedup_and_the_aggregator() -> None:
    all_of_them = Rules.model_fields.keys()
    assert all_of_them == DedupRules.model_fields.keys() | AggregatorRules.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("out_of_orderness_s", 0, 3600),
        ("idle_s", 1, 3600),
        ("max_skew_s", 0, 3600),
        ("allowed_lateness_s", 0, 7 * 24 * 3600),
        ("remember_s", 60, 30 * 24 * 3600),
    ],
)
def test_a_rule_keeps_to_its_bounds(name: str, least: int, most: int) -> None:
    for inside in (least, most):
        assert getattr(Rules.model_validate({name: inside}), name) == inside
    for outside in (least - 1, most + 1):
        with pytest.raises(ValidationError, match=name):
            Rules.model_validate({name: outside})


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="lateness_s"):
        Rules.model_validate({"lateness_s": 60})


def test_rules_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Rules().idle_s = 1  # type: ignore[misc]


@pytest.mark.parametrize(("watermark_s", "is_closed"), [(659, False), (660, True), (661, True)])
def test_a_minute_is_closed_when_the_watermark_reaches_its_end(
    watermark_s: int, is_closed: bool
) -> None:
    assert AggregatorRules().is_closed(MINUTE_S, watermark_s) is is_closed


@pytest.mark.parametrize(("watermark_s", "is_forgotten"), [(689, False), (690, True)])
def test_a_minute_is_forgotten_when_it_was_closed_for_the_lateness_allowed(
    watermark_s: int, is_forgotten: bool
) -> None:
    rules = AggregatorRules(allowed_lateness_s=30)
    assert rules.is_forgotten(MINUTE_S, watermark_s) is is_forgotten
