"""The command app: the pages in a browser. This process becomes the server."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core import programs
from vocabtrim_core.access import TOKEN, TOKEN_VARIABLE, start_token
from vocabtrim_core.cli.command import Command, Result
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress

ADDRESS, PORT = "127.0.0.1", 8501
PACKAGE = Path(__file__).resolve().parents[1]  # vocabtrim_core


def app_file() -> Path:
    """Find the script that Streamlit runs, with its pages beside it.

    An installed package has it in `vocabtrim_app`, a checkout at its top.

    Returns:
        Path of app.py.

    Raises:
        InputError: It is in neither place.
    """
    for folder in (PACKAGE.with_name("vocabtrim_app"), PACKAGE.parent):
        if (folder / "pages" / "ui" / "guard.py").is_file() and (folder / "app.py").is_file():
            return folder / "app.py"
    raise InputError(
        f"The app's files are not beside {PACKAGE}; install the package again, or start the app in "
        "a checkout with `make app`."
    )


def command_line(address: str, port: int) -> list[str]:
    """Write the arguments of the server's process.

    Settings are those of `.streamlit/config.toml` beside the script, which Streamlit places above
    one in the caller's folder. -P: a file there that is named like a module is not imported.

    Args:
        address: The address to listen on.
        port: The port, 1..65535.

    Returns:
        The program and its arguments.

    Raises:
        InputError: Streamlit is not installed.
    """
    script = app_file()
    if importlib.util.find_spec("streamlit") is None:
        raise InputError(
            f"The app needs Streamlit, which {sys.executable} does not have; run `pip install "
            "streamlit`, or install the package again."
        )
    return [
        sys.executable,
        "-P",
        "-m",
        "streamlit",
        "run",
        str(script),
        "--server.address",
        address,
        "--server.port",
        str(port),
    ]


def _app(arguments: argparse.Namespace, progress: Progress) -> Result:
    if programs.as_job():
        raise InputError("The app is started from a shell only, never from a page.")
    argv = command_line(arguments.address, arguments.port)
    if arguments.token:
        os.environ[TOKEN_VARIABLE] = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    url = f"http://{arguments.address}:{arguments.port}/"
    if token := start_token():
        url += f"?{TOKEN}={token}"
        print(f"Open {url} (the token is needed once in each browser)", file=sys.stderr)
    if arguments.json:  # printed before the server writes its own lines
        place = {
            "address": arguments.address,
            "port": arguments.port,
            "url": url,
            "script": str(app_file()),
        }
        print(json.dumps(place), file=sys.__stdout__, flush=True)
        os.dup2(2, 1)
    progress.clear()
    sys.stderr.flush()
    os.execv(argv[0], argv)  # from here on this process is the server


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        default=ADDRESS,
        help=f"address to listen on (default {ADDRESS}, this machine alone); there is no sign-in, "
        "so read who may reach the app before giving another",
    )
    parser.add_argument(
        "--token",
        action="store_true",
        help="ask each browser for a token, which is printed with the address: for a machine that "
        "has other users",
    )
    parser.add_argument("--port", type=_port, default=PORT, help=f"port (default {PORT})")


COMMANDS = (
    Command("app", "start the app and print its address", _app, _arguments, str, "app --port 8600"),
)
