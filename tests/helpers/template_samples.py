# ruff: noqa: RUF001, E501 - DeepSeek's bars, and jinja that must not be broken
"""Chat templates in the manner of well-known ones, each with the habit it is here for."""

MARKERS = [
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "[INST]",
    "[/INST]",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|end|>",
    "<|return|>",
    "<｜User｜>",
    "<｜Assistant｜>",
]

CHATML = """\
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
{%- endfor %}"""

# A default system prompt where there is none.
SYSTEM_PROMPT = (
    "{%- if messages[0].role != 'system' %}{{- '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}"
    "{%- endif %}" + CHATML
)

# The assistant's text is marked, end-of-turn included, the newline after it not.
MARKED = """\
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' %}
{%- generation %}{{- m.content + '<|im_end|>' }}{%- endgeneration %}
{%- else %}
{{- m.content + '<|im_end|>' }}
{%- endif %}
{{- '\\n' }}
{%- endfor %}"""

# The marks miss the first character of each answer.
HALF_MARKED = """\
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' + m.content[:1] }}{% generation %}{{- m.content[1:] }}\
{% endgeneration %}{{- '<|im_end|>\\n' }}
{%- endfor %}"""

# The marks stand in a macro, where transformers cannot follow them, and around every role's text.
MACRO_MARKED = """\
{%- macro turn(m) %}{{- '<|im_start|>' + m.role + '\\n' }}{% generation %}{{- m.content }}\
{% endgeneration %}{{- '<|im_end|>\\n' }}{%- endmacro %}
{%- for m in messages %}{{- turn(m) }}{%- endfor %}"""

# Qwen 3: thoughts of earlier turns are dropped, the last turn gets a thought, empty if need be.
THINKING = """\
{%- set ns = namespace(last=0) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- set text = m.content %}
{%- set thought = m.reasoning_content | default('') %}
{%- if not thought and '</think>' in text %}
{%- set thought = text.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
{%- set text = text.split('</think>')[-1].lstrip('\\n') %}
{%- endif %}
{{- '<|im_start|>assistant\\n' }}
{%- if loop.index0 > ns.last and (loop.last or thought) %}
{{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + text.lstrip('\\n') }}
{%- else %}
{{- text }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}"""

# DeepSeek R1: no end-of-turn but a marker for the user; only what follows a thought is kept.
R1 = """\
{{- bos_token }}
{%- for m in messages %}
{%- if m.role == 'user' %}{{- '<｜User｜>' + m.content }}{%- endif %}
{%- if m.role == 'assistant' %}{{- '<｜Assistant｜>' + m.content.split('</think>')[-1] + '</s>' }}{%- endif %}
{%- endfor %}"""

# gpt-oss: reasoning is a turn of its own, the last turn ends differently.
CHANNELS = """\
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- if m.reasoning_content and loop.last %}
{{- '<|start|>assistant<|channel|>analysis<|message|>' + m.reasoning_content + '<|end|>' }}
{%- endif %}
{{- '<|start|>assistant<|channel|>final<|message|>' + m.content }}
{{- '<|return|>' if loop.last else '<|end|>' }}
{%- else %}
{{- '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}
{%- endif %}
{%- endfor %}"""

# Mistral v1 / Llama 2: strict order, no system role, blanks around contents.
STRICT = """\
{{- bos_token }}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{%- if m.role == 'user' %}
{{- '[INST] ' + m.content | trim + ' [/INST]' }}
{%- else %}
{{- ' ' + m.content | trim + '</s>' }}
{%- endif %}
{%- endfor %}"""

# A vision model's: contents must be lists of parts.
PARTS = """\
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' }}
{%- for part in m.content %}{%- if part.type == 'text' %}{{- part.text }}{%- endif %}{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}"""

# No markup at all.
PLAIN = """\
{%- for m in messages %}
{{- 'Human: ' + m.content if m.role == 'user' else 'Assistant: ' + m.content }}
{{- '\\n\\n' }}
{%- endfor %}"""

# Nothing but contents.
BARE = "{%- for m in messages %}{{- m.content }}{%- endfor %}"

SAMPLES = {
    name: text
    for name, text in globals().items()
    if name.isupper() and isinstance(text, str) and name != "SAMPLES"
}
