"""The console's words: the same keys in every language, the same places in every text, none missing, none left over."""

import json
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "gateway" / "api" / "pages"
LANGUAGES = ("en", "nl", "fr", "de")
WORDS = {language: json.loads((PAGES / "i18n" / f"{language}.json").read_text()) for language in LANGUAGES}
SCRIPTS = {path.name: path.read_text() for path in PAGES.glob("*.js")}


def places(text):
    """The {places} of a text; all forms of one that depends on a number."""
    forms = text.values() if isinstance(text, dict) else (text,)
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language):
    assert WORDS[language].keys() == WORDS["en"].keys()
    for key, text in WORDS[language].items():
        assert places(text) == places(WORDS["en"][key]), key
        assert isinstance(text, dict) == isinstance(WORDS["en"][key], dict), key
        assert all(form.strip() for form in (text.values() if isinstance(text, dict) else (text,))), key


def test_every_text_that_a_page_asks_for_is_there():
    asked = {key for script in SCRIPTS.values() for key in re.findall(r"""\bt\(\s*"([\w.]+)\"""", script)}
    assert asked and asked <= WORDS["en"].keys()


def test_no_text_is_left_over():
    whole = "\n".join(SCRIPTS.values())
    groups = {*re.findall(r"""named\(\s*"(\w+)\"""", whole), *re.findall(r"`(\w+)\.(?:\$|\w+_\$)", whole)}
    for key in WORDS["en"]:
        group = key.split(".")[0]
        assert f'"{key}"' in whole or group in groups, key


def test_nothing_is_written_into_the_page_as_markup():
    """Texts of devices and operators reach the page as text only; the policy forbids inline scripts and styles."""
    for name, script in SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script), name
    page = (PAGES / "index.html").read_text()
    assert "<style" not in page and " style=" not in page and " on" not in re.sub(r">[^<]*<", "><", page)
    assert not re.search(r"<script(?![^>]*src=)", page)


def test_the_console_stays_small():
    assert sum(path.stat().st_size for path in PAGES.rglob("*") if path.is_file()) <= 150_000


def test_every_kind_of_life_alarm_and_every_outcome_has_its_word():
    from gateway.model import LIFE, OUTCOMES, kind_names

    for language in LANGUAGES:
        assert {f"kind.{name}" for name in kind_names(LIFE)} <= WORDS[language].keys()
        assert {f"outcome.{code}" for code in OUTCOMES} <= WORDS[language].keys()
