/**
 * A mechanism that brings a security layer, for tests of what carries it. It keeps nothing secret: see to it that no program
 * offers it.
 *
 * @module
 */
import { sha256 } from "../digests.js";
import { type BufferProtection, type SecurityLayer, securityLayer } from "../layer.js";
import {
  type ClientContext,
  type ClientConversation,
  defineMechanism,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
} from "../mechanism.js";
import { thePasswordItself } from "../stored-secrets.js";

/** What a {@link testLayer} is like. */
export interface TestLayerOptions {
  /** Default 128. */
  readonly ssf?: number | undefined;
  /** Whether it answers later, as layers on WebCrypto do. Default false. */
  readonly later?: boolean | undefined;
  /** Most octets of plain text in a frame. Default 1000; the frame has five more, and four of length. */
  readonly maxText?: number | undefined;
}

/**
 * A layer that changes every octet, counts frames, and notices a frame that was changed, lost, repeated or sent back.
 *
 * @param client whether it is for the client's end.
 */
export function testLayer(client: boolean, options: TestLayerOptions = {}): SecurityLayer {
  const { ssf = 128, later = false, maxText = 1000 } = options;
  let sent = client ? 0 : 128;
  let heard = client ? 128 : 0;
  const wrap: BufferProtection["wrap"] = (plain) => [Uint8Array.of(sent, ...sum(sent++, plain)), turned(plain)];
  const unwrap: BufferProtection["unwrap"] = (buffer) => {
    const plain = turned(buffer.subarray(5));
    const good = [heard, ...sum(heard++, plain)];
    return good.every((octet, at) => (octet & 255) === buffer[at]) ? plain : undefined;
  };
  return securityLayer({
    ssf,
    maxOutput: maxText,
    maxInput: maxText + 5,
    wrap: later ? async (plain) => wrap(plain.slice()) : wrap,
    unwrap: later ? async (buffer) => unwrap(buffer) : unwrap,
  });
}

/**
 * A mechanism whose both ends agree on a {@link testLayer} of the greatest strength both allow, at most `ssf`, or on none.
 * Its exchange ends with data of the server, so that the last line of a protocol without a place for it is an empty one.
 *
 * @param name its name. Default `X-LAYERED`.
 */
export function layeredMechanism(options: TestLayerOptions = {}, name = "X-LAYERED"): Mechanism {
  const { ssf: maxSsf = 128 } = options;
  const label = [108, 97, 121, 101, 114];
  const layerOf = (ssf: number, client: boolean) => (ssf > 0 ? testLayer(client, { ...options, ssf }) : undefined);

  async function* client(ctx: ClientContext): ClientConversation {
    const { username, password } = await ctx.credentials("password");
    const proof = await ctx.hmac(sha256, ctx.bytes(password), Uint8Array.from(label));
    const most = Math.min(maxSsf, ctx.protection.maxSsf);
    const answer = yield ctx.final(ctx.bytes(`${most} ${ctx.protection.minSsf} ${username} ${proof.join(",")}`));
    const ssf = Number(ctx.text(answer));
    if (!(ssf >= ctx.protection.minSsf && ssf <= most)) throw ctx.fail("peer-not-verified", "not what was asked for");
    const layer = layerOf(ssf, true);
    if (layer) ctx.layer(layer);
    return undefined;
  }

  async function* server(ctx: ServerContext): ServerConversation {
    const [most = "", least = "", username = "", given = ""] = ctx.text(yield).split(" ");
    const { name: authcid, properties } = await ctx.identify(username);
    const proof = await ctx.hmac(sha256, ctx.bytes(properties.userPassword ?? ctx.nonce()), Uint8Array.from(label));
    if (proof.join(",") !== given) throw ctx.fail("refused", "wrong proof");
    const ssf = Math.min(maxSsf, ctx.protection.maxSsf, Number(most));
    if (ssf < Number(least)) throw ctx.fail("mechanism-too-weak", "no layer of that strength");
    return { authcid, data: ctx.bytes(String(ssf)), layer: layerOf(ssf, false) };
  }

  return defineMechanism({
    name,
    flow: "client-first",
    security: ["noPlaintext", "noAnonymous", "mutualAuth"],
    maxSsf,
    needs: "password",
    source: "made up for tests",
    client,
    server,
    ...thePasswordItself,
  });
}

function turned(bytes: Uint8Array): Uint8Array {
  return bytes.map((octet) => octet ^ 0xa5);
}

/** FNV-1a with 32 bits. */
function sum(count: number, plain: Uint8Array): number[] {
  let hash = Math.imul(0x811c9dc5 ^ (count & 255), 0x01000193);
  for (const octet of plain) hash = Math.imul(hash ^ octet, 0x01000193);
  return [hash >>> 24, (hash >>> 16) & 255, (hash >>> 8) & 255, hash & 255];
}
