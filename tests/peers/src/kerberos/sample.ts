/**
 * The sample programs of Cyrus SASL, which speak to each other in lines of base64: each of them with one of our halves at the
 * other end, and one message in either direction through the layer that was negotiated.
 *
 * @module
 */
import {
  authenticate,
  type Mechanism,
  memoryAccounts,
  type SASLInterface,
  type SASLMechanism,
  SASLServer,
  type SecurityLayer,
} from "sasl-core";
import type { Children } from "../children.js";
import { LineProgram } from "../line-program.js";
import type { Outcome } from "../types.js";
import { kerberosUser } from "./kdc.js";

/** What is negotiated. */
export interface SampleRow {
  readonly mechanism: string;
  /** Most bits of a layer at both ends; what has to come of it, where it is something else, is `ssf`. */
  readonly maxSsf: number;
  readonly ssf?: number;
}

const fromServer = "srv message 1\0";
const fromClient = "client message 1\0";
const names = { service: "imap", host: "localhost" };

/** Cyrus SASL logs in to our server half. */
export async function sampleClient(children: Children, server: Mechanism, row: SampleRow): Promise<Outcome> {
  const bits = `min=0,max=${row.maxSsf}`;
  const args = ["-s", names.service, "-n", names.host, "-m", row.mechanism, "-b", bits];
  const lines = new Lines(children, "C: ", ["/usr/bin/sasl-sample-client", ...args]);
  try {
    const policy = { maxSsf: row.maxSsf };
    const accounts = memoryAccounts({ [kerberosUser]: "unused" });
    const session = new SASLServer({ mechanisms: [server], accounts, policy, ...names }).session({
      secure: false,
      layers: true,
    });
    lines.send("S: ", Buffer.from(row.mechanism));
    const first = await lines.message();
    const end = first.indexOf(0);
    let reply = await session.initiate(row.mechanism, end < 0 ? undefined : first.subarray(end + 1));
    while (reply.state === "challenge") {
      lines.send("S: ", reply.payload);
      reply = await session.respond(await lines.message());
    }
    const layer = session.result?.layer;
    if (session.result?.authcid !== kerberosUser) return failed(`the server saw ${session.result?.authcid}`);
    lines.send("S: ", await through(layer, fromServer));
    return judge(layer, row, await lines.message(), fromClient);
  } catch (error) {
    return failed(`${error}\n${lines.said}`);
  } finally {
    lines.end();
  }
}

/** Our client half logs in to Cyrus SASL. */
export async function sampleServer(children: Children, client: SASLMechanism, row: SampleRow): Promise<Outcome> {
  const args = ["-s", names.service, "-d", names.host, "-m", row.mechanism, "-b", `min=0,max=${row.maxSsf}`];
  const lines = new Lines(children, "S: ", ["/usr/sbin/sasl-sample-server", ...args]);
  try {
    await lines.message(); // the list, which has the one mechanism
    const say = async (payload: Uint8Array): ReturnType<SASLInterface["respond"]> => {
      lines.send("C: ", payload);
      const heard = await lines.next();
      return heard === "complete" ? { state: "success" } : { state: "challenge", payload: heard };
    };
    const wire: SASLInterface = {
      secure: false,
      layers: true,
      initiate: (name, payload) => say(Buffer.concat([Buffer.from(`${name}\0`), payload ?? new Uint8Array(0)])),
      respond: say,
      abort: async () => ({ state: "failure" }),
    };
    const options = { ...names, policy: { maxSsf: row.maxSsf } };
    const { layer } = await authenticate(wire, [row.mechanism], [client], options);
    const said = await lines.message();
    lines.send("C: ", await through(layer, fromClient));
    return judge(layer, row, said, fromServer);
  } catch (error) {
    return failed(`${error}\n${lines.said}`);
  } finally {
    lines.end();
  }
}

async function through(layer: SecurityLayer | undefined, text: string): Promise<Uint8Array> {
  return layer ? layer.encode(Buffer.from(text)) : Buffer.from(text);
}

async function judge(
  layer: SecurityLayer | undefined,
  { maxSsf, ssf = maxSsf }: SampleRow,
  heard: Uint8Array,
  expected: string,
): Promise<Outcome> {
  if ((layer?.ssf ?? 0) !== ssf) return failed(`a layer of ${layer?.ssf ?? 0} bits, not of ${ssf}`);
  const plain = layer ? Buffer.concat(await layer.decode(heard)) : Buffer.from(heard);
  return plain.toString() === expected ? { passed: true } : failed("another message came through the layer");
}

function failed(why: string): Outcome {
  return { passed: false, why };
}

/** A sample program, and the lines it says. */
class Lines {
  readonly #program: LineProgram;
  readonly #prefix: string;
  #heard = "";

  constructor(children: Children, prefix: string, command: readonly string[]) {
    // Into a pipe they would say nothing until they end.
    this.#program = new LineProgram(children, "stdbuf", ["-oL", ...command]);
    this.#prefix = prefix;
  }

  /** What it said last. */
  get said(): string {
    return `${this.#heard}${this.#program.complaints}`;
  }

  send(prefix: string, payload: Uint8Array): void {
    this.#program.tell(`${prefix}${Buffer.from(payload).toString("base64")}`);
  }

  /** The next message, or that the exchange is complete. */
  async next(): Promise<Uint8Array | "complete"> {
    for (;;) {
      const line = await this.#program.hear();
      if (line === undefined) throw new Error("it ended");
      this.#heard = `${this.#heard}${line}\n`.slice(-2_000);
      if (line.startsWith(this.#prefix)) return Buffer.from(line.slice(this.#prefix.length), "base64");
      if (line === "Negotiation complete") return "complete";
    }
  }

  /** The next message, whatever else is said. */
  async message(): Promise<Uint8Array> {
    for (;;) {
      const heard = await this.next();
      if (heard !== "complete") return heard;
    }
  }

  end(): void {
    this.#program.end();
  }
}
