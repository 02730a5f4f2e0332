"""More kinds of `span_kinds`: what stands behind a conversation, around results, at odd places."""

from __future__ import annotations

from helpers.span_kinds import (
    ASK,
    FIVE,
    OBJECT,
    ONLY_TOOLS,
    PLAIN_TURNS,
    RESULT,
    SAY,
    STRING,
    SUM,
    TOOL_TURNS,
    TOOL_USE,
    TOOLS,
    Kind,
    call,
    unmarked,
)

# The prompt of an answer stands behind every conversation, asked for or not, an empty thought in it
# that only some turns have.
ALWAYS_PROMPTED = """\
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}<|im_start|>assistant
{% if m.tool_calls -%}
[THINK]{{ m.reasoning_content or '' }}[/THINK]\
{%- for c in m.tool_calls -%}
<call>{{ c.function.name }} {{ c.function.arguments | tojson }}</call>{% endfor -%}
{%- else -%}(says){{ m.content }}{%- endif -%}<|im_end|>
{%- else -%}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>{%- endif -%}
{%- endfor -%}<|im_start|>assistant
[THINK][/THINK]"""

# A notice that is no prompt stands there; the prompt comes behind it, when it is asked for.
NOTICED = TOOL_USE.replace("{%- if add", "<|im_start|>system\nMind the time.<|im_end|>\n{%- if add")

# The last answer is taken out of the list and written behind it; the prompt opens a thought.
TAKEN_OUT = """\
{%- set ns = namespace(last='') -%}
{%- if messages[-1].role == 'assistant' -%}
{%- set ns.last = messages[-1].content -%}{%- set messages = messages[:-1] -%}
{%- endif -%}
{%- for m in messages -%}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt or ns.last -%}<|im_start|>assistant
<think>{{ ns.last }}{{ '<|im_end|>
' if ns.last and not add_generation_prompt }}
{%- endif -%}"""

# What follows the results of a call closes them: with the next message alone.
CLOSED_LATE = """\
{%- for m in messages -%}
{%- if m.role == 'tool' -%}<|im_start|>tool
{{ m.content }}{% if not loop.last %}{{ '\n' }}<|im_end|>
{% endif -%}
{%- else -%}<|im_start|>{{ m.role }}
{{ m.content or '' }}{% for c in m.tool_calls or [] %}<call>{{ c.function.name }}:\
{{ c.function.arguments | tojson }}</call>{% endfor %}<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

# Results stand in the turn that calls; a stop token closes it where nobody goes on.
CLOSED_BEHIND = """\
{%- for m in messages -%}
{%- if m.role == 'user' -%}<|im_start|>user
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' -%}<|im_start|>assistant
{% if m.tool_calls -%}
{%- for c in m.tool_calls -%}<call>{{ c.function.name }} {{ c.function.arguments | tojson }}</call>\
{%- endfor -%}
{%- for r in messages[loop.index0 + 1:] if r.role == 'tool' -%}
<|observation|>{{ r.content }}<|end|>{%- endfor -%}
{%- if not loop.last -%}<|im_end|>
{% else -%}<|observation|>{% endif -%}
{%- else -%}{{ m.content }}<|im_end|>
{% endif -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

# Only the first call of a conversation is opened by a header (a flag that is never put back).
CALLS_UNOPENED = """\
{%- set ns = namespace(called=false) -%}
{%- for m in messages -%}
{%- if m.role == 'user' -%}<|user|>{{ m.content }}
{%- elif m.role == 'tool' -%}[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]
{%- if loop.last and add_generation_prompt \
or not loop.last and messages[loop.index].role != 'tool' \
and not messages[loop.index].tool_calls -%}<|assistant|>{%- endif -%}
{%- elif m.tool_calls -%}{{ '
' if ns.called else '<|assistant|>' }}{%- set ns.called = true -%}
<call>{{ m.tool_calls[0].function.name }} {{ m.tool_calls[0].function.arguments | tojson }}</call>\
</s>
{%- else -%}{{ '<|assistant|>' if messages[loop.index0 - 1].role != 'tool' }}{{ m.content }}</s>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1].role != 'tool' -%}<|assistant|>{%- endif -%}"""

THOUGHT_CHANNEL = """\
{%- for m in messages -%}
{%- if m.role == 'user' -%}<|start|>user<|message|>{{ m.content }}<|end|>
{%- else -%}
{%- if m.reasoning_content -%}<|start|>assistant<|channel|>analysis<|message|>\
{{ m.reasoning_content }}<|end|>{%- endif -%}
<|start|>assistant<|channel|>final<|message|>{{ m.content }}\
{{ '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"""

ASKED = "<|im_start|>user\nHeight of Elbrus?<|im_end|>"
PROMPTED_TURNS = (
    f"{ASKED}<|im_start|>assistant\n[THINK][/THINK]⟦<call>peak {STRING}</call><|im_end|>⟧"
    "<|im_start|>tool\n5642 metres<|im_end|>"
    "<|im_start|>assistant\n⟦(says)It is 5642 m high.<|im_end|>⟧"
    "<|im_start|>assistant\n[THINK][/THINK]"
)
CALLED_TURNS = [ASK, call(OBJECT), RESULT, SAY]
CHAIN_TURNS = (
    f"<|user|>Height of Elbrus?<|assistant|>⟦<call>peak {STRING}</call></s>⟧"
    f"[TOOL_RESULTS]5642 metres[/TOOL_RESULTS]⟦\n<call>peak {STRING}</call></s>⟧"
    "[TOOL_RESULTS]5642 metres[/TOOL_RESULTS]<|assistant|>⟦It is 5642 m high.</s>⟧"
)
TWO_ANSWERS = (
    "<|start|>user<|message|>2+3?<|end|>"
    "<|start|>assistant⟦<|channel|>final<|message|>5<|end|>⟧"
    "<|start|>assistant⟦<|channel|>analysis<|message|>Hm.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Really 5.<|return|>⟧"
)
RETURN = {"eos_token": "<|return|>"}

EDGES = {
    "a prompt behind every conversation": Kind(
        {"messages": CALLED_TURNS}, PROMPTED_TURNS, ALWAYS_PROMPTED, page=True
    ),
    "a prompt behind every conversation, a thought": Kind(
        {"messages": [ASK, call(OBJECT) | {"reasoning_content": "Hm."}, RESULT, SAY]},
        PROMPTED_TURNS.replace("[THINK][/THINK]⟦", "[THINK]⟦Hm.[/THINK]"),
        ALWAYS_PROMPTED,
    ),
    "a prompt behind every conversation, rendered text": Kind(
        {"text": unmarked(PROMPTED_TURNS)}, PROMPTED_TURNS, ALWAYS_PROMPTED
    ),
    "a notice behind every conversation": Kind(
        {"messages": CALLED_TURNS},
        TOOL_TURNS + "<|im_start|>system\nMind the time.<|im_end|>",
        NOTICED,
    ),
    "a template for tools alone": Kind(
        {"messages": CALLED_TURNS, "tools": TOOLS}, "(peak)" + TOOL_TURNS, ONLY_TOOLS
    ),
    "a list with a template for tools alone": Kind(
        {"messages": CALLED_TURNS, "tools": TOOLS},
        "(peak)" + TOOL_TURNS,
        ONLY_TOOLS,
        tool_use="alone",
    ),
    "the last answer taken out, two in a row": Kind(
        {"messages": [SUM, FIVE, SAY, SUM, FIVE]},
        PLAIN_TURNS
        + "<|im_start|>assistant\n⟦It is 5642 m high.<|im_end|>⟧\n"
        + PLAIN_TURNS.replace("⟦", "<think>⟦"),
        TAKEN_OUT,
    ),
    "the last answer taken out, an opening one": Kind(
        {"messages": [SAY, SUM, FIVE]},
        "<|im_start|>assistant\n⟦It is 5642 m high.<|im_end|>⟧\n"
        + PLAIN_TURNS.replace("⟦", "<think>⟦"),
        TAKEN_OUT,
    ),
    "results that the next message closes": Kind(
        {"messages": CALLED_TURNS},
        TOOL_TURNS.replace("5642 metres<", "5642 metres\n<"),
        CLOSED_LATE,
    ),
    "a stop token alone behind results": Kind(
        {"messages": [ASK, call(OBJECT), RESULT, SUM, FIVE]},
        f"{ASKED}\n<|im_start|>assistant\n⟦<call>peak {STRING}</call><|observation|>⟧"
        "5642 metres<|end|><|im_end|>\n" + PLAIN_TURNS,
        CLOSED_BEHIND,
    ),
    "rendered text, two answers in a row": Kind(
        {"text": unmarked(TWO_ANSWERS)}, TWO_ANSWERS, THOUGHT_CHANNEL, specials=RETURN
    ),
    "rendered text, a second call without a header": Kind(
        {"text": unmarked(CHAIN_TURNS)}, CHAIN_TURNS, CALLS_UNOPENED
    ),
    "a second call without a header": Kind(
        {"messages": [ASK, call(OBJECT), RESULT, call(OBJECT), RESULT, SAY]},
        CHAIN_TURNS,
        CALLS_UNOPENED,
    ),
}
