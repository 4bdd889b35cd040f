"""One login with slixmpp. Reads a JSON object from standard input; prints `accepted`, `refused …` or `broken …`."""

import asyncio
import json
import logging
import os
import ssl
import sys

import slixmpp


class Login(slixmpp.ClientXMPP):
    """A client that ends as soon as it knows how the login went."""

    def __init__(self, request):
        super().__init__(
            request["jid"],
            request["password"],
            sasl_mech=request.get("mechanism"),
            plugin_config={"feature_mechanisms": {"unencrypted_plain": True, "unencrypted_scram": True}},
        )
        self.request = request
        self.ca_certs = request["ca"]
        self.verdict = asyncio.get_event_loop().create_future()
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.on_session)
        self.add_event_handler("failed_auth", lambda failure: self.conclude("refused " + flat(failure)))
        for event in ("failed_all_auth", "connection_failed", "disconnected", "ssl_invalid_chain"):
            self.add_event_handler(event, lambda data, event=event: self.conclude(f"broken {event} {flat(data)}"))

    async def _pick_dns_answer(self, domain, port=None):
        """No look-up: the address was given."""
        return None

    def get_ssl_context(self):
        context = super().get_ssl_context()
        if self.request.get("tlsMax") == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if "cert" in self.request:
            context.load_cert_chain(self.request["cert"], self.request["key"])
        return context

    async def on_session(self, _):
        """The session counts when the roster came and a ping came back."""
        try:
            if "@" in self.request["jid"]:
                await self.get_roster(timeout=5)
            await self["xep_0199"].ping(self.boundjid.host, timeout=5)
        except slixmpp.exceptions.IqError as error:
            if error.condition not in ("service-unavailable", "feature-not-implemented"):
                return self.conclude("broken after the login: " + flat(error))
        except slixmpp.exceptions.IqTimeout:
            return self.conclude("broken: no answer after the login")
        self.conclude("accepted")

    def conclude(self, verdict):
        if not self.verdict.done():
            self.verdict.set_result(verdict)


def flat(value):
    return " ".join(str(value).split())[:300]


async def main():
    request = json.load(sys.stdin)
    client = Login(request)
    client.connect(
        (request["host"], request["port"]),
        use_ssl=request["channel"] == "implicit",
        force_starttls=request["channel"] == "starttls",
        disable_starttls=request["channel"] != "starttls",
    )
    # The name to verify is the domain, not the address connected to.
    client.default_domain = request["jid"].rpartition("@")[2]
    try:
        return await asyncio.wait_for(client.verdict, 12)
    except asyncio.TimeoutError:
        return "broken: timed out"
    finally:
        client.disconnect(wait=0.2)
        await asyncio.sleep(0.1)


logging.disable(logging.CRITICAL)
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
print(loop.run_until_complete(main()), flush=True)
os._exit(0)
