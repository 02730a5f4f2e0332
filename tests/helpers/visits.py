"""A visit of the app without a browser: what its server sends for one page."""

from __future__ import annotations

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

STREAM = "/_stcore/stream"
FINISHED = ForwardMsg.FINISHED_SUCCESSFULLY  # and not early, to run again


def drawn(address: str, name: str) -> list[str]:
    """Every element that a first visit of a page is sent, as text."""
    said, asked = [], BackMsg()
    asked.rerun_script.page_name = name
    with connect(address.replace("http", "ws") + STREAM, origin=address, max_size=None) as visit:
        visit.send(asked.SerializeToString())
        while True:
            message = ForwardMsg.FromString(visit.recv(timeout=60))
            kind = message.WhichOneof("type")
            if kind == "script_finished" and message.script_finished == FINISHED:
                return said
            if kind == "delta":
                said.append(str(message.delta))
