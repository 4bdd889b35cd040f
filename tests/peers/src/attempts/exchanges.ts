/**
 * Exchanges with other people's programs without a protocol around them: the GNU SASL library with SAML20, OPENID20 and
 * NTLM, and Samba's ntlm_auth, each as client and as server as far as it goes.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import {
  AuthenticationFailure,
  isSASLError,
  memoryAccounts,
  type SASLInterface,
  SASLServer,
  SASLStateMachine,
} from "sasl-core";
import { NTLM, ntlm } from "sasl-core/legacy";
import {
  OPENID20,
  type OpenId20Login,
  openid20Server,
  SAML20,
  type Saml20Login,
  saml20Server,
} from "sasl-core/mechanisms";
import { decodeBase64, encodeBase64, type Mechanism } from "sasl-core/plugin";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import { debianPython } from "../clients/slixmpp.js";
import { LineProgram } from "../line-program.js";
import type { Tool } from "../tools.js";
import type { Attempt } from "../types.js";

/** One side of an exchange that is somebody else's: hears a message, or none, and says one. */
interface Foreign {
  /** `done` is the program's word that the other side is who it should be; `refused` the opposite. */
  step(
    message: Uint8Array | undefined,
  ): Promise<{ message?: Uint8Array | undefined; state: "more" | "done" | "refused" }>;
  end(): void;
}

/** Attempts with whatever of these programs there is. */
export function exchangeAttempts(children: Children, tools: ReadonlySet<Tool>): Attempt[] {
  return [
    // slixmpp comes with the Python that calls the library
    ...(tools.has("gsasl") && tools.has("slixmpp")
      ? [...samlAttempts(children), ...openIdAttempts(children), oldNtlm(children)]
      : []),
    ...(tools.has("samba") ? ntlmAttempts(children) : []),
  ];
}

const page = "https://login.example/page";
const issuer = "https://login.example/";
const property = {
  authid: 1,
  password: 3,
  service: 5,
  hostname: 6,
  samlProvider: 19,
  samlRedirect: 20,
  openIdRedirect: 21,
  openIdOutcome: 22,
};

function samlAttempts(children: Children): Attempt[] {
  const ours = (valid: boolean): Mechanism =>
    saml20Server({
      audience: "https://mail.example/",
      destination: "https://mail.example/saml",
      begin: () => ({ url: page, issuer }),
      outcome: ({ id }: Saml20Login) => ({
        id: "_1",
        issuer,
        inResponseTo: valid ? id : "_another",
        audiences: ["https://mail.example/"],
        destination: "https://mail.example/saml",
        notOnOrAfter: new Date(Date.now() + 60_000),
        subject: "alice",
      }),
    });
  return [true, false].flatMap((valid) => [
    asClient(`gsasl library SAML20 as server, ${word(valid)} [R-SAML-01 R-SAML-02 R-SAML-03]`, valid, async () => {
      const peer = gsasl(children, "server", "SAML20", { [property.samlRedirect]: page }, valid);
      const seen: string[] = [];
      const redirect = (url: string) => void seen.push(url);
      await login(peer, "SAML20", (machine) =>
        SAML20({ identityProvider: "login.example", redirect }).authenticate(machine, "SAML20"),
      ).finally(() => expectPage(seen));
    }),
    asServer(`gsasl library SAML20 as client, ${word(valid)} [R-SAML-01 R-SAML-03 R-SAML-04]`, valid, ours(valid), () =>
      gsasl(children, "client", "SAML20", { [property.samlProvider]: "login.example" }),
    ),
  ]);
}

function openIdAttempts(children: Children): Attempt[] {
  const returnTo = (id: string) => `https://mail.example/openid/${id}`;
  const ours = (valid: boolean): Mechanism =>
    openid20Server({
      begin: ({ id }) => ({ url: page, provider: issuer, returnTo: returnTo(id) }),
      outcome: ({ id, identifier }: OpenId20Login) =>
        valid
          ? {
              ok: true,
              identifier,
              provider: issuer,
              returnTo: returnTo(id),
              responseNonce: `${new Date().toISOString().slice(0, 19)}Z1`,
              subject: "alice",
              registration: { email: "alice@login.example" },
            }
          : { ok: false, error: "not today" },
    });
  return [true, false].flatMap((valid) => [
    asClient(`gsasl library OPENID20 as server, ${word(valid)} [R-OID-01 R-OID-02 R-OID-03]`, valid, async () => {
      const told = { [property.openIdRedirect]: page, [property.openIdOutcome]: "email=alice@login.example" };
      const peer = gsasl(children, "server", "OPENID20", told, valid);
      const seen: string[] = [];
      const fields: ReadonlyMap<string, string>[] = [];
      const credentials = {
        identifier: "https://login.example/alice",
        redirect: (url: string) => void seen.push(url),
        registration: (each: ReadonlyMap<string, string>) => void fields.push(each),
      };
      await login(peer, "OPENID20", (machine) => OPENID20(credentials).authenticate(machine, "OPENID20")).finally(() =>
        expectPage(seen),
      );
      if (fields[0]?.get("email") !== "alice@login.example") throw new Error("the registration data did not arrive");
    }),
    asServer(`gsasl library OPENID20 as client, ${word(valid)} [R-OID-01 R-OID-02 R-OID-04]`, valid, ours(valid), () =>
      gsasl(children, "client", "OPENID20", { [property.authid]: "https://login.example/alice" }),
    ),
  ]);
}

/** GNU SASL makes LM and NTLMv1 answers alone, which are not taken. */
function oldNtlm(children: Children): Attempt {
  const told = { [property.authid]: "alice", [property.password]: passwordOf("alice") };
  const client = () => gsasl(children, "client", "NTLM", told);
  return asServer("gsasl library NTLM as client, with NTLMv1 [R-NTLM-03 R-NTLM-06]", false, ntlm, client);
}

function ntlmAttempts(children: Children): Attempt[] {
  return [true, false].flatMap((right) => {
    const password = right ? passwordOf("alice") : wrongPassword;
    return [
      asClient(`samba ntlm_auth as server, ${word(right)} [R-NTLM-03 R-NTLM-05]`, right, async () => {
        const peer = sambaServer(children, passwordOf("alice"));
        const credentials = { username: "alice", domain: "LOCALHOST", password };
        const settings = { host: "localhost", service: "imap" };
        await login(peer, "NTLM", (machine) => NTLM(credentials).authenticate(machine, "NTLM", settings));
      }),
      asServer(`samba ntlm_auth as client, ${word(right)} [R-NTLM-04 R-NTLM-05]`, right, ntlm, () =>
        sambaClient(children, password),
      ),
    ];
  });
}

const word = (right: boolean): string => (right ? "accepted" : "refused");

function expectPage(seen: readonly string[]): void {
  if (seen.join() !== page) throw new Error(`redirected to ${seen.join() || "nowhere"}`);
}

/** An attempt that logs in to somebody else's server. */
function asClient(name: string, accepted: boolean, run: () => Promise<void>): Attempt {
  return {
    name,
    async run() {
      try {
        await run();
        return accepted ? { passed: true } : { passed: false, why: "must be refused, was accepted" };
      } catch (error) {
        if (!accepted && isSASLError(error) && error.code === "refused") return { passed: true };
        return { passed: false, why: error instanceof Error ? error.message : String(error) };
      }
    },
  };
}

/** One login of ours, at a server that is somebody else's. */
async function login(
  peer: Foreign,
  mechanism: string,
  authenticate: (machine: SASLStateMachine) => Promise<unknown>,
): Promise<void> {
  let finished = false;
  const say = async (payload: Uint8Array | undefined) => {
    if (finished) return { state: "success" } as const; // what travelled as a challenge was acknowledged
    const { message, state } = await peer.step(payload);
    if (state === "refused") throw new AuthenticationFailure("refused", `the peer refuses ${mechanism}`);
    finished = state === "done";
    return finished && !message?.length
      ? ({ state: "success" } as const)
      : ({ state: "challenge", payload: message ?? new Uint8Array(0) } as const);
  };
  const wire: SASLInterface = {
    secure: true,
    initiate: (_, payload) => say(payload),
    respond: (payload) => say(payload),
    abort: async () => ({ state: "failure" }),
  };
  try {
    await authenticate(new SASLStateMachine(wire));
  } finally {
    peer.end();
  }
}

/** An attempt in which somebody else's client logs in here, as alice. */
function asServer(name: string, accepted: boolean, mechanism: Mechanism, begin: () => Foreign): Attempt {
  return {
    name,
    async run() {
      const accounts = memoryAccounts({ alice: passwordOf("alice") });
      const session = new SASLServer({ mechanisms: [mechanism], accounts, host: "localhost" }).session({
        secure: true,
      });
      const client = begin();
      let outcome = "accepted";
      try {
        const first = await client.step(undefined);
        let reply = await session.initiate(mechanism.name, first.message ?? new Uint8Array(0));
        while (reply.state === "challenge") {
          const { message = new Uint8Array(0), state } = await client.step(reply.payload);
          if (state === "refused") throw new Error("the client gives up");
          reply = await session.respond(message);
        }
      } catch (error) {
        outcome = isSASLError(error) ? error.code : `broken: ${error instanceof Error ? error.message : error}`;
      } finally {
        client.end();
      }
      if (outcome !== (accepted ? "accepted" : "refused")) {
        return { passed: false, why: `must be ${word(accepted)}, was ${outcome}` };
      }
      const who = session.result?.authcid;
      return who === (accepted ? "alice" : undefined) ? { passed: true } : { passed: false, why: `let ${who} in` };
    },
  };
}

const gsaslProgram = fileURLToPath(new URL("../../python/gsasl-exchange.py", import.meta.url));

/** GNU SASL's own codes (gsasl.h). */
const gsaslOk = 0;
const gsaslNeedsMore = 1;

function gsasl(
  children: Children,
  role: "client" | "server",
  mechanism: string,
  properties: Readonly<Record<number, string>>,
  valid = true,
): Foreign {
  const program = new LineProgram(children, debianPython, [gsaslProgram]);
  program.tell(JSON.stringify({ role, mechanism, properties, valid }));
  return {
    async step(given) {
      const answer = JSON.parse(await program.ask(given === undefined ? "-" : encodeBase64(given))) as {
        code: number;
        message: string | null;
      };
      const message = answer.message === null ? undefined : decodeBase64(answer.message);
      if (answer.code === gsaslOk) return { message, state: "done" };
      return { message, state: answer.code === gsaslNeedsMore ? "more" : "refused" };
    },
    end: () => program.end(),
  };
}

/** Samba's helper as a client (ntlm_auth(1), ntlmssp-client-1): YR begins, TT is a challenge, KK the answer to it. */
function sambaClient(children: Children, password: string): Foreign {
  const who = ["--username=alice", "--domain=LOCALHOST", `--password=${password}`];
  const program = new LineProgram(children, "ntlm_auth", ["--helper-protocol=ntlmssp-client-1", ...who]);
  return {
    async step(given) {
      const [, message] = (await program.ask(given === undefined ? "YR" : `TT ${encodeBase64(given)}`)).split(" ");
      return message === undefined ? { state: "refused" } : { message: decodeBase64(message), state: "more" };
    },
    end: () => program.end(),
  };
}

/** The same as a server that knows one password (squid-2.5-ntlmssp): AF lets in, NA and BH do not. */
function sambaServer(children: Children, password: string): Foreign {
  const who = ["--username=alice", "--domain=LOCALHOST", `--password=${password}`];
  const program = new LineProgram(children, "ntlm_auth", ["--helper-protocol=squid-2.5-ntlmssp", ...who]);
  let command = "YR";
  return {
    async step(given) {
      const [word, message] = (await program.ask(`${command} ${encodeBase64(given ?? new Uint8Array(0))}`)).split(" ");
      command = "KK";
      if (word === "TT" && message !== undefined) return { message: decodeBase64(message), state: "more" };
      return { state: word === "AF" ? "done" : "refused" };
    },
    end: () => program.end(),
  };
}
