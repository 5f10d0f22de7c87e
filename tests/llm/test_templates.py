"""Situations as templates: what they can express, and that they stay within their bounds."""

import time
from typing import Any

import pytest

from service.domain.errors import InvalidInput
from service.llm.templates import MAX_OUTPUT_CHARS, MAX_TEMPLATE_CHARS, SandboxedTemplates

pytestmark = pytest.mark.alone

VARIABLES: dict[str, Any] = {
    "session": {"id": "s1", "title": "First steps"},
    "user_id": "alice",
    "agent_id": "guide",
    "metadata": {"name": "Alice", "items": ["a", "b"], "n": 3, "long": "x" * 8000},
}
LONG_LOOP = "{% for a in metadata.long %}" * 3 + "x" + "{% endfor %}" * 3
EMPTY_LOOP = "{% for a in metadata.long %}{% for b in metadata.long %}{% endfor %}{% endfor %}"
MANY_LOOPS = "{% for a in metadata.long %}{% endfor %}" * 400


def render(template: str) -> str:
    return SandboxedTemplates().render(template, VARIABLES)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("You help {{ user_id }} as {{ agent_id }}.", "You help alice as guide."),
        ("{{ session.title }} {{ session['id'] }}", "First steps s1"),
        ("{{ metadata.name | upper }}", "ALICE"),
        ("{% if metadata.n > 2 %}many{% else %}few{% endif %}", "many"),
        ("{% for x in metadata['items'] %}{{ loop.index }}{{ x }}{% endfor %}", "1a2b"),
        ("{{ metadata.items[0] }}", "a"),
        ("{{ metadata.unknown.deeper }}{{ nobody }}", ""),
        ("{{ metadata.unknown | default('nobody') }}", "nobody"),
        ("{{ 'yes' if 'a' in metadata['items'] and not metadata.x else 'no' }}", "yes"),
        ("no template", "no template"),
    ],
)
def test_a_template_can_use_the_session_conditions_and_loops(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ metadata.__class__ }}",
        "{{ metadata.keys }}",
        "{{ user_id.format }}",
        "{{ session._data }}",
    ],
)
def test_a_template_sees_nothing_of_a_value_but_its_items(template: str) -> None:
    assert render(template) == ""


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' ~ 'x' }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ range(10) }}",
        "{{ lipsum(n=100000) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ metadata['items'] | join('x') }}",
        "{{ metadata.n | counted(1) }}",
        "{{ [1, 2] }}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% filter upper %}x{% endfilter %}",
        "{% block b %}{% endblock %}",
        "{% unknown %}",
        "{{ user_id",
        "{{ metadata.n | nofilter }}",
        "{{ 1 is nothing }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "metadata" + ".a" * 5000 + " }}",
        "{% if 1 %}" * 500 + "{% endif %}" * 500,
        "{{ " + "9" * 10_000 + " }}",
        "{{ user_id < 1 }}",
        LONG_LOOP,
        EMPTY_LOOP,
        MANY_LOOPS,
        "{% for a in metadata.long %}{{ metadata.long }}{% endfor %}",
        "x" * (MAX_TEMPLATE_CHARS + 1),
    ],
    ids=lambda template: template[:40],
)
def test_a_template_that_exceeds_a_bound_is_refused_quickly(template: str) -> None:
    begun_s = time.monotonic()

    with pytest.raises(InvalidInput, match="situation"):
        render(template)

    assert time.monotonic() - begun_s < 2


def test_a_rendered_template_is_bounded() -> None:
    loop = "{% for a in metadata.long %}" + "y" * 200 + "{% endfor %}"

    with pytest.raises(InvalidInput, match=str(MAX_OUTPUT_CHARS)):
        render(loop)
