"""The words that turn documentation into conversations: verbs, questions, openings. Data only."""

from __future__ import annotations

# Verbs that summaries begin with, as base forms: "Return the …" may then become "returns the …".
VERBS = frozenset(
    """
    accept acquire add adjust allow append apply ask assert attach attempt bind block build
    cache calculate call cancel cast change check choose clean clear clone close collect
    combine compare compile complete compress compute configure connect construct consume
    convert copy count create debug decode decompress decorate define delegate delete
    deregister destroy detach detect determine disable discard disconnect dispatch display
    divide download draw drop dump emit enable encode encrypt enqueue ensure enter enumerate
    escape estimate evaluate execute exit expand export extend extract fail fetch filter find
    finish flush force format generate get give group guess handle hash ignore import
    increment indicate infer initialize insert inspect install invoke iterate join keep launch
    list load locate log look lower make map mark match measure merge move normalize notify
    obtain open override pad parse pause perform pop populate predict prepare print process
    produce provide prune push put query quote raise read rebuild receive record recover
    reduce register release reload remove rename render replace report request reset resize
    resolve restore restrict resume retrieve return reverse rewrite rotate round run sample
    save scan schedule search seek select send serialize set shift show shuffle shut simplify
    skip sleep solve sort spawn split start stop store strip sum suppress swap switch take
    terminate test tokenize train transform translate traverse trim try turn unregister unwrap
    update upload use validate verify visit wait walk warn wrap write yield
    """.split()  # noqa: SIM905 - a list of 150 would fill a page
)

EXPLAIN = (
    "What does `{path}` do?",
    "Can you explain `{path}` to me?",
    "I came across `{path}` in some code. What is it for?",
    "When would I use `{path}`?",
    "How does `{path}` work in Python?",
    "Please give me a short explanation of `{path}`.",
    "I'm reading a script that calls `{name}` from `{module}`. What does that call do?",
    "What is `{name}` in the `{module}` module good for?",
    "Explain the `{path}` function to somebody who is new to Python.",
    "Could you tell me what `{name}()` from `{module}` does and which arguments it takes?",
    "Help me understand `{path}`. What goes in, and what comes out?",
    "Is there a function in `{module}` that can {imperative}?",
    "Which function of `{module}` should I use to {imperative}?",
)
WRITE = (
    "Write a Python function `{call}` that {third}.",
    "Please implement `{call}` in Python. It {third}.",
    "I need a function that {third}. The signature should be `{call}`.",
    "How would you write `{call}`, a function that {third}?",
    "Can you write some Python code that {third}? Call the function `{short}`.",
    "Implement the following function:\n\n```python\ndef {call}:\n    ...\n```\n\nIt {third}.",
    "Show me an implementation of a function which {third}.",
    "Give me a clean Python implementation of `{call}`. It {third}.",
)
WRITE_PLAIN = (
    "Write a Python function `{call}`. Here is its documentation: {summary}.",
    "Please implement `{call}` in Python. {summary}.",
    "Complete this function:\n\n```python\ndef {call}:\n    # {summary}\n    ...\n```",
)
REVIEW = (
    "What does this code do?\n\n{code}",
    "Can you explain this function step by step?\n\n{code}",
    "I found this in a code base and don't understand it:\n\n{code}",
    "Please summarise this Python function for a code review.\n\n{code}",
    "Write documentation for the following function.\n\n{code}",
    "Read this code and tell me what it returns and when it can fail.\n\n{code}",
)
OVERVIEW = (
    "What can I do with the class `{path}`?",
    "Give me an overview of `{path}`.",
    "What is `{path}` for, and what are its main methods?",
    "I want to use `{name}` from `{module}`. Where do I start?",
    "Which methods of `{path}` should I know?",
    "Summarise the class `{name}` of the `{module}` module in a few bullet points.",
)
WRITE_OPENINGS = (
    "Here is one way to write it:",
    "Sure! Here's an implementation:",
    "Here's a function that does this:",
    "You can do it like this:",
    "Certainly. This function {third}:",
    "The following function {third}:",
    "Here is the code:",
    "Let's write it step by step. The complete function looks like this:",
)
LIST_OPENINGS = ("**Parameters:**", "It takes these arguments:", "The arguments are:")
METHOD_OPENINGS = ("**Main methods:**", "The methods you will need most:", "Its public methods:")
STEP_OPENINGS = ("**How it works:**", "Some notes:", "A few things to know:", "**Explanation:**")
MODULES = (
    "What is the `{module}` module for?",
    "Give me an overview of `{module}`.",
    "What can I do with `{module}` in Python?",
    "I just found the module `{module}`. What does it offer?",
    "Summarise `{module}` in a few sentences and list its most useful parts.",
    "Which functions and classes does `{module}` have?",
)
MEMBER_OPENINGS = ("**What it offers:**", "Its main parts are:", "You will mostly use these:")
FAILURE_CLOSINGS = (
    "Wrap the call in `try` and `except` if you can do something about it.",
    "If you cannot handle it where you call it, let it reach the caller.",
    "Catch only what you expect, and log the rest.",
    "Checking the arguments first is usually simpler than catching it afterwards.",
    "",
)
FOLLOW_UPS = (
    ("source", "Can you show me how it is implemented?"),
    ("source", "What does the source code look like?"),
    ("source", "Thanks! Could you write it out for me?"),
    ("raises", "What can go wrong when I call it?"),
    ("raises", "Which exceptions do I have to handle?"),
    ("parameters", "Which arguments does it take?"),
    ("parameters", "What do the parameters mean?"),
    ("example", "Can you give me an example?"),
    ("example", "How would I use that in practice?"),
)

# Tool calls: what users say around the values, and what the system message says.
SYSTEMS = (
    "You are a function-calling assistant. Answer with one JSON object that has the keys `name` "
    "and `arguments`, and nothing else.\n\nFunctions:\n{tools}",
    "You can call the functions below. Reply only with the JSON of the call: "
    '{{"name": ..., "arguments": {{...}}}}.\n\n{tools}',
    "Choose the function that answers the request and return the call as JSON with the keys `name` "
    "and `arguments`.\n\nAvailable functions:\n{tools}",
)
REQUESTS = (
    "{wish}. Use {values}.",
    "Please {lower} with {values}.",
    "I need to {lower}. {Stated}.",
    "Can you {lower}? {Stated}.",
    "{wish}, where {stated}.",
    "Could you {lower}, using {values}?",
    "Hi! I'd like to {lower}. {Stated}. Thank you!",
    "{wish} ({values}).",
)
PLAIN_REQUESTS = (
    "Call {short} with {values}.",
    "Run `{path}`: {values}.",
    "Use {short} ({summary}) with {values}.",
)
NAMED = (" = ", ": ", " set to ")  # between an argument's name and its value: "with limit = 3"
STATED = (" is ", " should be ", " must be ")  # in a sentence of its own: "The limit should be 3"
AGAIN = (
    "Now do the same with {values}.",
    "And once more, but with {values}.",
    "Change it: {values}.",
    "Same again, this time {values}.",
    "Thanks. Repeat that with {values} instead.",
)

# Values for arguments, by what the argument is called.
NOUNS = (
    "report",
    "invoice",
    "customer",
    "order",
    "sensor",
    "account",
    "session",
    "profile",
    "backup",
    "message",
    "photo",
    "ticket",
    "budget",
    "inventory",
    "article",
    "schedule",
    "project",
    "student",
    "product",
    "payment",
    "contract",
    "review",
    "device",
    "region",
    "forecast",
    "metric",
    "release",
    "survey",
)
ADJECTIVES = (
    "daily",
    "monthly",
    "final",
    "draft",
    "archived",
    "new",
    "public",
    "shared",
    "raw",
    "clean",
)
FOLDERS = ("data", "reports", "logs", "exports", "projects/demo", "uploads/2024", "archive", "docs")
EXTENSIONS = ("csv", "json", "txt", "log", "xml", "md", "bin", "html")
HOSTS = ("api.example.com", "example.org", "shop.example.net", "files.example.com", "localhost")
WORDS = (
    "red",
    "green",
    "blue",
    "north",
    "south",
    "alpha",
    "beta",
    "gamma",
    "apple",
    "banana",
    "cherry",
    "monday",
    "friday",
    "spring",
    "winter",
    "london",
    "paris",
    "tokyo",
    "berlin",
    "small",
    "medium",
    "large",
    "low",
    "high",
    "open",
    "closed",
    "pending",
    "active",
)
TEXTS = (
    "The quick brown fox jumps over the lazy dog",
    "Meeting moved to Thursday at 3 pm",
    "Total: 42 items, 3 missing",
    "name,age\nalice,30\nbob,25",
    "Hello, world!",
    "error: disk almost full",
    "Please confirm your order",
    "temperature=21.5;humidity=40",
)
