"""A session of slixmpp whose connection is cut, and that is taken up again after the next login.

Reads a JSON object from standard input: "host", "port", "ca", "jid", "password", and "previd", which is asked for in place of
the session there was. Prints a JSON object: the "jid" of the session, the one it has "after", whether it was "resumed".
"""

import asyncio
import json
import logging
import os
import sys

import slixmpp


class Session(slixmpp.ClientXMPP):
    """A client with stream management, which says what its logins lead to."""

    def __init__(self, request):
        super().__init__(request["jid"], request["password"], sasl_mech="PLAIN")
        self.request = request
        self.ca_certs = request["ca"]
        self.led_to = asyncio.Queue()
        self.register_plugin("xep_0198")
        self.register_plugin("xep_0199")
        for event in ("session_start", "session_resumed", "disconnected", "failed_auth"):
            self.add_event_handler(event, lambda _, event=event: self.led_to.put_nowait(event))

    async def _pick_dns_answer(self, domain, port=None):
        """No look-up: the address was given."""
        return None

    async def log_in(self):
        """Returns whether a session was resumed, once the server answers in it."""
        self.connect((self.request["host"], self.request["port"]), force_starttls=True)
        self.default_domain = self.boundjid.host
        event = await asyncio.wait_for(self.led_to.get(), 8)
        if event not in ("session_start", "session_resumed"):
            raise ConnectionError(event)
        await self["xep_0199"].ping(self.boundjid.host, timeout=5)
        return event == "session_resumed"

    async def cut(self):
        self.transport.abort()
        event = await asyncio.wait_for(self.led_to.get(), 8)
        if event != "disconnected":
            raise ConnectionError(event)


async def main():
    request = json.load(sys.stdin)
    client = Session(request)
    await client.log_in()
    jid = str(client.boundjid)
    await client.cut()
    if "previd" in request:
        client["xep_0198"].sm_id = request["previd"]
    resumed = await client.log_in()
    print(json.dumps({"jid": jid, "after": str(client.boundjid), "resumed": resumed}), flush=True)


logging.disable(logging.CRITICAL)
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
os._exit(0)
