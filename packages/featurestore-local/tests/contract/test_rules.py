from featurestore_support.rules import PAGE, RULES, page, rules_tested


def test_every_rule_has_a_test_and_every_test_names_a_rule_there_is() -> None:
    assert rules_tested().keys() == RULES.keys()


def test_the_page_lists_the_rules_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run python tests/featurestore_support/rules.py"
    )
