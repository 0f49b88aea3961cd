import sys
from pathlib import Path

import pytest

from holdfast._program.discovery import load, load_demo, load_service, service_names
from holdfast._program.errors import CannotStart

ROOT = Path(__file__).parents[3]


def test_only_folders_with_a_service_module_are_services() -> None:
    assert all((ROOT / "services" / name / "service.py").exists() for name in service_names())


def test_a_service_is_found_at_a_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from holdfast._service import Service\nservice = Service(name='standing', entities=())\n"
    (tmp_path / "standing.py").write_text(source)
    monkeypatch.chdir(tmp_path)

    assert load_service("standing:service").name == "standing"


def test_an_unknown_service_is_refused_with_those_there_are() -> None:
    with pytest.raises(CannotStart, match="there is no service 'nowhere'; there are: "):
        load_service("nowhere")


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(CannotStart, match="there is no module 'nowhere' in this installation"):
        load_service("nowhere.at.all:service")


def test_an_attribute_that_is_no_service_is_refused() -> None:
    with pytest.raises(CannotStart, match="pathlib:Path is not a Service"):
        load_service("pathlib:Path")


def test_a_missing_attribute_is_refused() -> None:
    with pytest.raises(CannotStart, match="the module pathlib has no 'nothing'"):
        load("pathlib", "nothing")


def test_a_module_that_lacks_an_import_of_its_own_is_broken_and_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_part.py").write_text("import no_such_thing_anywhere")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    with pytest.raises(ModuleNotFoundError, match="no_such_thing_anywhere"):
        load("broken_part", "serve")


def test_an_unknown_demo_is_refused_with_those_there_are() -> None:
    with pytest.raises(CannotStart, match="there is no demo 'nowhere'; there are: auction"):
        load_demo("nowhere")
