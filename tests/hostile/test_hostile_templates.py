"""Templates that would loop for days or build gigabytes end early; ordinary ones are untouched."""

import time

import jinja2.sandbox
import psutil
import pytest

from vocabtrim_core.templates import limits
from vocabtrim_core.templates.render import RefusedError, Renderer

CHAT = [
    {"role": "user", "content": "first line\nsecond"},
    {"role": "assistant", "content": "an answer"},
]
GROWING = "{% set ns = namespace(a='x') %}{% for i in range(60) %}BODY{% endfor %}{{ ns.a }}"
HOSTILE = {
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}"
    "{% endfor %}",
    "loops in loops over pairs": "{% for i, j in [(1, 2)] * 99999 %}{% for k, l in [(1, 2)] * 99999"
    " %}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}"
    "{% endif %}{% endmacro %}{{ f(60) }}",
    "text times number": "{{ 'x' * (10 ** 10) }}",
    "number times text": "{{ (10 ** 10) * 'x' }}",
    "list times number": "{{ ([1] * (10 ** 9)) | length }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "doubling by ~": GROWING.replace("BODY", "{% set ns.a = ns.a ~ ns.a %}"),
    "doubling by +": GROWING.replace("BODY", "{% set ns.a = ns.a + ns.a %}"),
    "doubling by a block": GROWING.replace(
        "BODY", "{% set b %}{{ ns.a }}{{ ns.a }}{% endset %}{% set ns.a = b %}"
    ),
    "doubling a list": GROWING.replace("'x'", "[1]").replace(
        "BODY", "{% set ns.a = ns.a + ns.a %}"
    ),
    "the method replace": GROWING.replace("BODY", "{% set ns.a = ns.a.replace('x', 'xxxxxx') %}"),
    "the filter replace": GROWING.replace("BODY", "{% set ns.a = ns.a | replace('x', 'xxxxx') %}"),
    "the filter join": "{{ (['y' * 1000000] * 1000) | join }}",
    "join with a separator": "{{ ([1] * 1000) | join('y' * 1000000) }}",
    "the method join": "{{ ''.join(['y' * 1000000] * 1000) }}",
    "ljust": "{{ 'a'.ljust(10 ** 10) }}",
    "center": "{{ 'a' | center(10 ** 10) }}",
    "indent": "{% for m in messages %}{{ m.content | indent(10 ** 9) }}{% endfor %}",
    "tojson": "{{ messages | tojson(indent=10 ** 9) }}",
    "percent": "{{ '%1000000000d' % 5 }}",
    "percent with a width of its own": "{{ '%*d' % (10 ** 9, 5) }}",
    "format": "{{ '{:>10000000000}'.format('x') }}",
    "the filter format": "{{ '%1000000000d' | format(5) }}",
    "translate": "{{ ('a' * 1000000).translate({97: 'b' * 1000000}) }}",
    "lipsum": "{{ lipsum(100000) }}",
}


@pytest.mark.parametrize("jinja", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_template_is_refused_in_one_sentence(jinja, monkeypatch):
    monkeypatch.setattr(limits, "MOST_SECONDS", 1.0)
    before = psutil.Process().memory_info().rss
    with pytest.raises(RefusedError) as refused:
        Renderer(jinja).render(CHAT)
    assert psutil.Process().memory_info().rss - before < 200_000_000
    assert "\n" not in str(refused.value)


def test_the_time_of_a_rendering_has_a_limit(monkeypatch):
    monkeypatch.setattr(limits, "MOST_SECONDS", 0.05)
    slow = "{% for i in range(99999) %}{{ range(99999) | list | length }}{% endfor %}"
    began = time.thread_time()
    with pytest.raises(RefusedError, match="takes more than"):
        Renderer(slow).render(CHAT)
    assert time.thread_time() - began < 30  # of about 200


ORDINARY = (
    "{% for m in messages %}{{ '<' + m.role + '>' + m.content | trim ~ 5 ~ none }}{% endfor %}",
    "{{ 'x' * 3 }}{{ 5 * 3 }}{{ 2 ** 10 }}{{ [1, 2] + [3] }}{{ 7 % 4 }}{{ 1 + 1 }}",
    "{{ '%s %5d' % ('a', 4) }}{{ '%s' | format('q') }}{{ '{} {:>5}'.format('a', 'b') }}",
    "{{ messages | map(attribute='role') | join(', ') }}{{ 'abc' | join('-') }}",
    "{{ messages[0].values() | join('|') }}{{ ','.join(messages[0].keys()) }}",
    "{{ messages[0].content | indent(4) | replace('line', 'row') | center(60) }}",
    "{{ messages[0].content | indent('>> ', true) }}{{ 'a'.replace('a', 'b') }}{{ ''.join([]) }}",
    "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% set a %}in a block{% endset %}{{ a }}",
    "{{ 'one two three' | wordwrap(5) }}{{ 'x'.ljust(4) }}{{ '7'.zfill(3) }}",
    "{% for m in messages recursive %}{{ m.role }}{% endfor %}{% for k, v in {'a': 1}.items() %}"
    "{{ k ~ v }}{% endfor %}",
)


@pytest.mark.parametrize("jinja", ORDINARY)
def test_ordinary_templates_are_rendered_as_jinja_renders_them(jinja):
    plain = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    try:
        expected = plain.from_string(jinja).render(messages=CHAT)
    except Exception as error:
        with pytest.raises(RefusedError, match=str(error)[:20]):
            Renderer(jinja).render(CHAT)
    else:
        assert Renderer(jinja).render(CHAT).text == expected
