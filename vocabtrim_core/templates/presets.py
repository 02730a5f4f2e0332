# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""Chat templates by name, as data: the strings around a turn, and a jinja source of ours.

The strings around an assistant turn are those by which SpecForge finds the text for its loss, so
counted spans and trained spans are the same. The jinja templates are written here for counting:
roles, contents and tool calls in each family's manner, and nothing else (no default system prompt,
no date). To add a family, add an entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.tokenizers.bundled_templates import LLAMA3, MISTRAL, QWEN, llama


@dataclass(frozen=True, slots=True)
class NamedTemplate:
    """One family of chat templates.

    Attributes:
        title: Name to show.
        header: Text just before assistant content.
        user_header: Text that opens a user turn.
        end_of_turn: Text just after assistant content, counted with it under the rule `assistant`.
        jinja: Source of the template.
    """

    title: str
    header: str
    user_header: str
    end_of_turn: str
    jinja: str


_DEEPSEEK = """\
{{- bos_token }}
{%- for message in messages %}
{%- if message.role == 'system' %}
{{- message.content }}
{%- elif message.role == 'user' %}
{{- '<｜User｜>' + message.content }}
{%- elif message.role == 'tool' %}
{{- '<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message.content }}
{{- '<｜tool▁output▁end｜><｜tool▁outputs▁end｜>' }}
{%- else %}
{{- '<｜Assistant｜>' + (message.content or '') }}
{%- for call in message.tool_calls | default([]) %}
{{- '<｜tool▁calls▁begin｜>' if loop.first }}
{{- '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' + call.function.name + '\\n```json\\n' }}
{{- call.function.arguments | tojson }}
{{- '\\n```<｜tool▁call▁end｜>' }}
{{- '<｜tool▁calls▁end｜>' if loop.last }}
{%- endfor %}
{{- '<｜end▁of▁sentence｜>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<｜Assistant｜>' }}
{%- endif %}
"""

_PHI3 = """\
{%- for message in messages %}
{{- '<|' + message.role + '|>\\n' + (message.content or '') }}
{{- message.tool_calls | tojson if message.tool_calls }}
{{- '<|end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>\\n' }}
{%- endif %}
"""

_PHI4 = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '<|im_sep|>' + (message.content or '') }}
{{- message.tool_calls | tojson if message.tool_calls }}
{{- '<|im_end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant<|im_sep|>' }}
{%- endif %}
"""

# Gemma has two roles: a system message opens the first user turn, a tool result is a user turn.
_GEMMA = """\
{{- bos_token }}
{%- set prefix = '' %}
{%- if messages[0].role == 'system' %}
{%- set prefix = messages[0].content | trim + '\\n\\n' %}
{%- set messages = messages[1:] %}
{%- endif %}
{%- for message in messages %}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\\n' }}
{{- prefix if loop.first }}
{{- (message.content or '') | trim }}
{{- message.tool_calls | tojson if message.tool_calls }}
{{- '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<start_of_turn>model\\n' }}
{%- endif %}
"""


# Names of ours that are also in SpecForge's registry.
SPECFORGE_TEMPLATES = ("llama3", "llama4", "qwen", "phi3", "phi4", "gemma")

NAMED: dict[str, NamedTemplate] = {
    "llama3": NamedTemplate(
        "Llama 3, 3.1, 3.2, 3.3",
        header="<|start_header_id|>assistant<|end_header_id|>\n\n",
        user_header="<|start_header_id|>user<|end_header_id|>",
        end_of_turn="<|eot_id|>",
        jinja=LLAMA3,
    ),
    "llama4": NamedTemplate(
        "Llama 4",
        header="<|header_start|>assistant<|header_end|>\n\n",
        user_header="<|header_start|>user<|header_end|>",
        end_of_turn="<|eot|>",
        jinja=llama("<|header_start|>", "<|header_end|>", "<|eot|>"),
    ),
    "qwen": NamedTemplate(
        "Qwen 2 to 3.8 and other ChatML models",
        header="<|im_start|>assistant\n",
        user_header="<|im_start|>user\n",
        end_of_turn="<|im_end|>\n",
        jinja=QWEN,
    ),
    "deepseek": NamedTemplate(
        "DeepSeek V3, R1",
        header="<｜Assistant｜>",
        user_header="<｜User｜>",
        end_of_turn="<｜end▁of▁sentence｜>",
        jinja=_DEEPSEEK,
    ),
    "phi3": NamedTemplate(
        "Phi-3",
        header="<|assistant|>\n",
        user_header="<|user|>\n",
        end_of_turn="<|end|>\n",
        jinja=_PHI3,
    ),
    "phi4": NamedTemplate(
        "Phi-4",
        header="<|im_start|>assistant<|im_sep|>",
        user_header="<|im_start|>user<|im_sep|>",
        end_of_turn="<|im_end|>",
        jinja=_PHI4,
    ),
    "gemma": NamedTemplate(
        "Gemma 2, 3",
        header="<start_of_turn>model\n",
        user_header="<start_of_turn>user\n",
        end_of_turn="<end_of_turn>\n",
        jinja=_GEMMA,
    ),
    "mistral": NamedTemplate(
        "Mistral with the tekken tokenizer (Nemo, Small, Ministral)",
        header="[/INST]",
        user_header="[INST]",
        end_of_turn="</s>",
        jinja=MISTRAL,
    ),
}
