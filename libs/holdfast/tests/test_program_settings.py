import pytest

from holdfast._program.errors import CannotStart
from holdfast._program.settings import Settings, database_url, read_settings


def test_settings_have_defaults_for_one_machine() -> None:
    settings = read_settings({}, {})

    assert settings == Settings()
    assert (settings.host, settings.port, settings.nats_port) == ("127.0.0.1", 8400, 8422)


def test_a_setting_is_read_from_the_environment() -> None:
    settings = read_settings({}, {"HOLDFAST_PORT": "9000", "HOLDFAST_DATA": "/srv/x", "HOLDFAST_OTHER": "1"})

    assert settings == Settings(port=9000, data="/srv/x")


def test_a_flag_goes_before_the_environment() -> None:
    assert read_settings({"port": "9001"}, {"HOLDFAST_PORT": "9000"}).port == 9001


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"nats_port": "many"}, {}, "--nats-port cannot be 'many': expected int"),
        ({}, {"HOLDFAST_PORT": "70000"}, "HOLDFAST_PORT cannot be '70000': expected int <= 65535"),
        ({"log": "loud"}, {}, "--log cannot be 'loud'"),
        ({}, {"HOLDFAST_DATA": ""}, "HOLDFAST_DATA cannot be ''"),
    ],
)
def test_a_bad_value_is_refused_with_its_source(
    flags: dict[str, str | None], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(CannotStart) as refusal:
        read_settings(flags, environment)

    assert str(refusal.value).startswith(message)


def test_each_service_has_a_file_of_its_own_in_the_data_folder() -> None:
    assert database_url(Settings(data="/srv/x")) == "sqlite+aiosqlite:////srv/x/{service}.db"


def test_a_named_database_goes_before_the_data_folder() -> None:
    assert database_url(Settings(database="postgresql+asyncpg://h/d")) == "postgresql+asyncpg://h/d"
