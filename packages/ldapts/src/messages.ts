/**
 * Bind requests and their answers, with octets as they are. Source: RFC 4511 §4.1.1, §4.2, §5.1; the BER is ldapts'.
 *
 * @module
 */
import { BerReader, BerWriter } from "ldapts";
import { SASLFailure } from "sasl-core";

/** Octets of one message. */
const MAX_MESSAGE_BYTES = 1 << 20;

const tags = {
  sequence: 0x30,
  octetString: 0x04,
  bindRequest: 0x60,
  bindResponse: 0x61,
  sasl: 0xa3,
  referral: 0xa3,
  serverCredentials: 0x87,
} as const;

/** What the answer to a bind says. */
export interface BindResponse {
  readonly code: number;
  /** For people. */
  readonly text: string;
  /** `serverSaslCreds`: absent is not empty. */
  readonly serverCredentials: Uint8Array | undefined;
}

/** @param credentials left out of the request when `undefined`. */
export function writeBindRequest(id: number, mechanism: string, credentials: Uint8Array | undefined): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(tags.bindRequest);
  writer.writeInt(3); // the version of LDAP
  writer.writeString(""); // whose name it is, the mechanism says
  writer.startSequence(tags.sasl);
  writer.writeString(mechanism);
  if (credentials !== undefined) writer.writeBuffer(Buffer.from(credentials), tags.octetString);
  writer.endSequence();
  writer.endSequence();
  writer.endSequence();
  return writer.buffer;
}

/**
 * @param message whole.
 * @returns `undefined` for the answer to something else.
 * @throws {SASLFailure} `malformed-message`
 */
export function readBindResponse(message: Buffer, id: number): BindResponse | undefined {
  try {
    const reader = new BerReader(message);
    reader.readSequence();
    if (reader.readInt() !== id) return undefined;
    expect(reader.readSequence() === tags.bindResponse);
    const code = reader.readEnumeration();
    const matchedDn = reader.readString();
    const text = reader.readString();
    expect(code !== null && matchedDn !== null && text !== null);
    if (reader.peek() === tags.referral) expect(reader.readString(tags.referral, true) !== null);
    let serverCredentials: Buffer | undefined;
    if (reader.peek() === tags.serverCredentials) {
      const octets = reader.readString(tags.serverCredentials, true);
      expect(octets !== null);
      serverCredentials = octets;
    }
    return { code, text, serverCredentials };
  } catch (cause) {
    throw malformed(cause);
  }
}

/** Octets in, whole messages out. */
export class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * @throws {SASLFailure} `malformed-message` for what cannot be the start of a message; `limit-exceeded` for one that is too
   *   long, before it is there.
   */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const length = messageLength(this.#rest);
      if (length === undefined || this.#rest.length < length) return;
      const message = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield message;
    }
  }
}

/** Octets of the message that begins here, its header included; `undefined` when that much is not there. */
function messageLength(octets: Buffer): number | undefined {
  const [tag, first] = octets;
  if (tag !== undefined && tag !== tags.sequence) throw malformed();
  if (first === undefined) return undefined;
  if (first < 0x80) return 2 + first;
  const size = first & 0x7f;
  if (size === 0 || size > 4) throw malformed();
  if (octets.length < 2 + size) return undefined;
  const length = 2 + size + octets.readUIntBE(2, size);
  if (length > MAX_MESSAGE_BYTES) throw new SASLFailure("limit-exceeded", `an LDAP message of ${length} octets`);
  return length;
}

function expect(holds: boolean): asserts holds {
  if (!holds) throw new Error("another part than there should be");
}

function malformed(cause?: unknown): SASLFailure {
  return new SASLFailure("malformed-message", "the answer to the bind cannot be read", { cause });
}
