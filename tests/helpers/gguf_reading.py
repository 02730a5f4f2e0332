"""The tokenizer of a GGUF file, read and applied once more by definition; llama.cpp's too.

Shares nothing with the product: the header is read byte by byte, and merges are applied one by one.
"""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
import sys
from pathlib import Path

import regex

SCALARS = dict(enumerate("BbHhIif?", 0)) | {10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# A digit is a piece of its own; then the words of GPT-2.
DIGIT = regex.compile(r"\p{N}|\P{N}+")
WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
SERVER = """
import json, sys, urllib.request
from xllamacpp import CommonParams, Server

parameters = CommonParams()
parameters.model.path, parameters.n_ctx, parameters.n_parallel = sys.argv[1], 256, 1
parameters.port, parameters.hostnames = 0, ["127.0.0.1"]
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
parameters.fit_params = parameters.warmup = False
server = Server(parameters)
for text in json.load(sys.stdin):
    body = {"content": text, "parse_special": True, "add_special": False}
    request = urllib.request.Request(
        server.listening_address + "/tokenize",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    print("IDS", json.dumps(json.load(urllib.request.urlopen(request))["tokens"]), flush=True)
"""


def metadata(path: Path) -> dict:
    """The fields of a GGUF file."""
    with path.open("rb") as file:

        def number(form: str):
            return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))[0]

        def value(kind: int):
            if kind == STRING:
                return file.read(number("Q")).decode()
            if kind == ARRAY:
                inner, length = number("I"), number("Q")
                return [value(inner) for _ in range(length)]
            return number(SCALARS[kind])

        assert file.read(4) == b"GGUF"
        assert number("I") == 3
        number("Q")
        fields = {}
        for _ in range(number("Q")):
            name = value(STRING)
            fields[name] = value(number("I"))
        return fields


def letters() -> dict[int, str]:
    """GPT-2's letter of every byte: visible ones stand for themselves, others are shifted."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shifted = [byte for byte in range(256) if byte not in visible]
    return {b: chr(b) for b in visible} | {b: chr(256 + n) for n, b in enumerate(shifted)}


class ByDefinition:
    """Ids by the tokens and merges of the file."""

    def __init__(self, path: Path) -> None:
        fields = metadata(path)
        tokens = fields["tokenizer.ggml.tokens"]
        self.id_of = {text: i for i, text in enumerate(tokens)}
        self.rank = {
            tuple(merge.split(" ")): n for n, merge in enumerate(fields["tokenizer.ggml.merges"])
        }
        types = fields["tokenizer.ggml.token_type"]
        specials = [text for text, type_ in zip(tokens, types, strict=True) if type_ == 3]
        ordered = sorted(map(regex.escape, specials), key=len, reverse=True)
        self.special = regex.compile(f"({'|'.join(ordered)})")
        self.letters, self.known = letters(), {}

    def ids(self, text: str) -> list[int]:
        ids = []
        for n, part in enumerate(self.special.split(text)):
            if n % 2:
                ids.append(self.id_of[part])
                continue
            for piece in DIGIT.findall(part):
                for word in WORD.findall(piece):
                    ids += self._word(word)
        return ids

    def _word(self, word: str) -> list[int]:
        if word not in self.known:
            # 22 bytes, of unassigned planes and some control characters, have no token.
            parts = [self.letters[byte] for byte in word.encode()]
            parts = [letter for letter in parts if letter in self.id_of]
            while len(parts) > 1:
                pairs = list(itertools.pairwise(parts))
                best = min(pairs, key=lambda pair: self.rank.get(pair, float("inf")))
                if best not in self.rank:
                    break
                merged, at = [], 0
                while at < len(parts):
                    together = tuple(parts[at : at + 2]) == best
                    merged.append("".join(best) if together else parts[at])
                    at += 1 + together
                parts = merged
            self.known[word] = [self.id_of[part] for part in parts]
        return self.known[word]


def llama_cpp_ids(path: Path, texts: list[str]) -> list[list[int]]:
    """Ids by llama.cpp, in a process of its own, which ends with the texts."""
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(path)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("IDS ")]
