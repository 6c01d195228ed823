import pytest
from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsConfigDict

from docs import generate
from tests.support.declared import FEATURES
from txfeatures.domain.topics import TOPICS
from txfeatures.process.metrics import DEFINITIONS
from txfeatures.process.settings import SERVICES, Group


class Example(Group):
    model_config = SettingsConfigDict(env_prefix="TXF_EXAMPLE_")

    needed: int = Field(description="No default.")
    ratio: float = Field(default=0.5, gt=0, le=1, description="A number.")
    word: str = Field(default="a", min_length=1, max_length=3, description="A word.")
    password: SecretStr = Field(default=SecretStr("hush"), description="A secret.")
    token: SecretStr | None = Field(default=None, description="None or a secret.")
    switch: bool = Field(default=True, description="A switch.")


def field(name: str) -> FieldInfo:
    return Example.model_fields[name]


@pytest.mark.parametrize("name", generate.pages())
def test_a_generated_page_equals_the_code(name: str) -> None:
    found = (generate.GENERATED.directory / name).read_text(encoding="utf-8")
    assert found == generate.pages()[name], (
        f"docs/reference/{name} lags behind: run `{generate.COMMAND}`"
    )


def test_every_declared_name_stands_on_its_page() -> None:
    pages = generate.pages()
    assert all(f"`{metric.name}`" in pages["metrics.md"] for metric in DEFINITIONS)
    assert all(f"`{topic.name}`" in pages["topics.md"] for topic in TOPICS)
    assert all(f"`{feature.name}`" in pages["features.md"] for feature in FEATURES)


def test_every_service_has_its_settings_on_the_page() -> None:
    assert set(SERVICES) <= generate.READERS.keys()
    page = generate.pages()["settings.md"]
    assert all(f"`TXF_{service.upper()}_HTTP_PORT`" in page for service in SERVICES)
    assert "`TXF_BOOTSTRAP_PARTITIONS`" in page


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("needed", "required"),
        ("ratio", "`0.5`"),
        ("password", "hidden"),
        ("token", "unset"),
        ("switch", "`true`"),
    ],
)
def test_a_default_is_told_for_people_and_a_secret_never(name: str, default: str) -> None:
    assert generate.default_of(field(name)) == default


@pytest.mark.parametrize(
    ("name", "bounds"),
    [("needed", ""), ("ratio", "above 0, up to 1"), ("word", "1 to 3 characters"), ("switch", "")],
)
def test_bounds_are_those_of_the_field(name: str, bounds: str) -> None:
    assert generate.bounds_of(field(name)) == bounds


@pytest.mark.parametrize(
    ("name", "type_"), [("needed", "integer"), ("password", "secret"), ("token", "secret")]
)
def test_a_type_is_named_for_people(name: str, type_: str) -> None:
    assert generate.type_of(field(name)) == type_
