"""Chat templates of the bundled tokenizers, written here for counting (see `templates.presets`)."""

from __future__ import annotations

_LLAMA = """\
{{- bos_token }}
{%- for message in messages %}
{%- set calls = message.tool_calls | default([]) %}
{%- set role = 'ipython' if message.role == 'tool' else message.role %}
{{- OPEN + role + CLOSE + '\\n\\n' }}
{%- if calls %}
{%- if calls | length > 1 %}
{{- raise_exception('a Llama turn calls one tool, but this one has ' ~ calls | length ~ ' calls') }}
{%- endif %}
{{- '{"name": "' + calls[0].function.name + '", "parameters": ' }}
{{- calls[0].function.arguments | tojson }}
{{- '}' }}
{%- elif role == 'ipython' %}
{{- message.content | tojson }}
{%- else %}
{{- message.content | trim }}
{%- endif %}
{{- EOT }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- OPEN + 'assistant' + CLOSE + '\\n\\n' }}
{%- endif %}
"""


def llama(open_: str, close: str, eot: str) -> str:
    """Return the chat template of Llama's format with the given marks.

    Args:
        open_: Text before a role's name.
        close: Text after a role's name.
        eot: Text after a message.

    Returns:
        The text of a Jinja template.
    """
    return (
        _LLAMA.replace("OPEN", f"'{open_}'")
        .replace("CLOSE", f"'{close}'")
        .replace("EOT", f"'{eot}'")
    )


LLAMA3 = llama("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")

# Mistral's tekken format: no blanks around contents, the system message opens the first user turn.
MISTRAL = """\
{{- '<s>' }}
{%- set ns = namespace(prefix='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{%- set ns.prefix = message.content + '\\n\\n' %}
{%- elif message.role == 'user' %}
{{- '[INST]' + ns.prefix + message.content + '[/INST]' }}
{%- set ns.prefix = '' %}
{%- elif message.role == 'tool' %}
{{- '[TOOL_RESULTS]' + ({'content': message.content} | tojson) + '[/TOOL_RESULTS]' }}
{%- else %}
{{- message.content or '' }}
{%- for call in message.tool_calls | default([]) %}
{{- '[TOOL_CALLS][' if loop.first }}
{{- {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}
{{- ', ' if not loop.last else ']' }}
{%- endfor %}
{{- '</s>' }}
{%- endif %}
{%- endfor %}
"""

# Calls are in <tool_call> tags, results in <tool_response> tags inside a user turn.
QWEN = """\
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls | default([]) %}
{{- '\\n' if message.content or not loop.first }}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
