import { describe, expect, test } from "vitest";
import { codeOf } from "../../../test/support.js";
import type { SASLErrorCode } from "../../errors.js";
import type { LayerBounds } from "../../layer.js";
import { hashNamed, type SrpHash, usualHash } from "./hashes.js";
import { chooseFrom, formatOffer, parseChoice, ssfOf } from "./options.js";

const within = (minSsf: number, maxSsf: number): LayerBounds => ({ minSsf, maxSsf, maxInput: 4096 });
const sha256 = hashNamed("SHA-256") as SrpHash;
const code = (work: () => unknown): Promise<SASLErrorCode> => codeOf((async () => work())());

describe("what the server offers", () => {
  test.each([
    [within(0, 0), "mda=sha-1"],
    [
      within(0, 1),
      "mda=sha-1,integrity=hmac-sha-256,integrity=hmac-sha-512,integrity=hmac-sha-1,integrity=hmac-sha-160,replay_detection,maxbuffersize=4096",
    ],
    [
      within(56, 256),
      "mda=sha-1,integrity=hmac-sha-256,integrity=hmac-sha-512,integrity=hmac-sha-1,integrity=hmac-sha-160,replay_detection,confidentiality=aes,mandatory=integrity,mandatory=replay_detection,mandatory=confidentiality,maxbuffersize=4096",
    ],
  ])("within %o", (bounds, offer) => {
    expect(formatOffer(usualHash, bounds)).toBe(offer);
    expect(offer).toMatch(/^[a-z0-9=,_-]*$/); // §4.3: lower case, no white space
  });
});

describe("R-SRP-06 what the client chooses was offered", () => {
  const cyrus =
    "mda=SHA-1,replay_detection,integrity=HMAC-SHA-1,integrity=HMAC-MD5,confidentiality=DES,confidentiality=AES";
  test.each([
    ["all there is", within(0, 128), formatOffer(sha256, within(0, 128)), 128, false],
    ["integrity alone", within(0, 1), formatOffer(usualHash, within(0, 128)), 1, false],
    ["no layer", within(0, 0), formatOffer(usualHash, within(0, 128)), 0, false],
    ["what Cyrus SASL offers", within(0, 128), cyrus, 128, true],
    ["an empty list", within(0, 128), "", 0, false],
    [
      "the example of §4.3",
      within(0, 128),
      "mda=sha-1,integrity=hmac-sha-160,integrity=hmac-md5,replay_detection",
      1,
      false,
    ],
    ["what nobody knows", within(0, 128), "mda=tiger,mda=sha-1,x,y=z,integrity=kmac,confidentiality=serpent", 0, false],
    ["encryption without integrity", within(0, 128), "mda=sha-1,confidentiality=aes", 0, false],
    ["replay detection alone", within(0, 128), "mda=sha-1,replay_detection,confidentiality=aes", 128, false],
    [
      "what is mandatory",
      within(0, 128),
      "mda=sha-1,replay_detection,mandatory=replay_detection,mandatory=integrity",
      1,
      false,
    ],
  ])("%s", (_, bounds, offer, ssf, bare) => {
    const choice = chooseFrom(offer, bounds);
    expect(ssfOf(choice)).toBe(ssf);
    expect(choice.bare).toBe(bare);
    const chosen = choice.text.split(",").filter((each) => each !== "" && !each.startsWith("maxbuffersize="));
    for (const option of chosen) expect(offer.split(",")).toContain(option);
    expect(choice.text.includes("maxbuffersize=4096")).toBe(ssf > 0);
  });

  test("R-SRP-07 replay detection implies integrity", () => {
    const choice = chooseFrom("replay_detection", within(0, 1));
    expect(choice).toMatchObject({
      replayDetection: true,
      integrity: usualHash,
      text: "replay_detection,maxbuffersize=4096",
    });
  });

  const refused: readonly [why: string, bounds: LayerBounds, offer: string, code: SASLErrorCode][] = [
    ["hashes nobody knows", within(0, 0), "mda=tiger,mda=md5", "no-common-mechanism"],
    [
      "a mandatory layer where there can be none",
      within(0, 0),
      formatOffer(usualHash, within(1, 1)),
      "mechanism-too-weak",
    ],
    [
      "mandatory encryption under a lower maximum",
      within(0, 1),
      formatOffer(usualHash, within(56, 128)),
      "mechanism-too-weak",
    ],
    ["something mandatory nobody knows", within(0, 128), "mda=sha-1,mandatory=quantum", "mechanism-too-weak"],
    ["no layer where there must be one", within(1, 128), "mda=sha-1", "mechanism-too-weak"],
    [
      "integrity where there must be encryption",
      within(56, 128),
      formatOffer(usualHash, within(0, 1)),
      "mechanism-too-weak",
    ],
    ["an unlikely size of buffers", within(0, 1), "replay_detection,maxbuffersize=2147483644", "malformed-message"],
    ["a size with a sign", within(0, 1), "replay_detection,maxbuffersize=-1", "malformed-message"],
    ["a size that is none", within(0, 1), "replay_detection,maxbuffersize=", "malformed-message"],
    ["a size of eleven digits", within(0, 1), "replay_detection,maxbuffersize=00000004096", "malformed-message"],
    ["two sizes", within(0, 1), "replay_detection,maxbuffersize=5,maxbuffersize=5", "malformed-message"],
    ["replay detection twice", within(0, 1), "replay_detection,replay_detection", "malformed-message"],
  ];
  test.each(refused)("%s is refused", async (_, bounds, offer, expected) => {
    expect(await code(() => chooseFrom(offer, bounds))).toBe(expected);
  });
});

describe("R-SRP-06 what the server takes of a choice", () => {
  const offer = formatOffer(usualHash, within(0, 128));
  const demanding = formatOffer(usualHash, within(56, 128));

  test.each([
    ["mda=sha-1", 0, false],
    ["", 0, false], // §4.3: what is not said is SHA-160
    ["mda=SHA-1", 0, false],
    ["mda=sha-1,integrity=hmac-sha-160", 1, false],
    ["mda=sha-1,replay_detection", 1, false],
    ["mda=sha-1,integrity=hmac-sha-512,replay_detection,confidentiality=aes,maxbuffersize=512", 128, false],
    ["mda=SHA-1,replay_detection,integrity=HMAC-SHA-1,confidentiality=AES", 128, true], // Cyrus SASL
    ["MDA=sha-1,integrity=hmac-sha-256", 1, false],
  ])("%j", (choice, ssf, bare) => {
    expect(ssfOf(parseChoice(choice, offer))).toBe(ssf);
    expect(parseChoice(choice, offer).bare).toBe(bare);
  });

  const refused: readonly [choice: string, offer: string, code: SASLErrorCode][] = [
    ["mda=sha-256", offer, "malformed-message"],
    ["mda=sha1", offer, "malformed-message"], // another name of it
    ["mda=sha-1,mda=sha-1", offer, "malformed-message"],
    ["mda", offer, "malformed-message"],
    ["mda=sha-1,integrity=hmac-md5", offer, "malformed-message"],
    ["mda=sha-1,integrity=hmac-sha-1,integrity=hmac-sha-256", offer, "malformed-message"],
    ["mda=sha-1,integrity=hmac-sha-1,confidentiality=des", offer, "malformed-message"],
    ["mda=sha-1,confidentiality=aes", offer, "mechanism-too-weak"],
    ["mda=sha-1,mandatory=integrity", demanding, "malformed-message"],
    ["mda=sha-1,replay_detection=", offer, "malformed-message"],
    ["mda=sha-1,something=else", offer, "malformed-message"],
    ["mda=sha-1, integrity=hmac-sha-1", offer, "malformed-message"],
    ["mda=sha-1,maxbuffersize=99999999999", offer, "malformed-message"],
    ["mda=sha-1", demanding, "mechanism-too-weak"],
    ["mda=sha-1,integrity=hmac-sha-1", demanding, "mechanism-too-weak"],
    ["mda=sha-1,integrity=hmac-sha-1,replay_detection", demanding, "mechanism-too-weak"],
    ["mda=sha-1,integrity=hmac-sha-1,confidentiality=aes", demanding, "mechanism-too-weak"],
    ["mda=sha-1,replay_detection,integrity=hmac-sha-1", formatOffer(usualHash, within(0, 0)), "malformed-message"],
    ["", formatOffer(sha256, within(0, 0)), "malformed-message"], // SHA-160 was not offered
  ];
  test.each(refused)("%j is refused", async (choice, offered, expected) => {
    expect(await code(() => parseChoice(choice, offered))).toBe(expected);
  });

  test("R-LIM-02 the longest lists are read in linear time", async () => {
    for (const option of ["mda=,", "integrity=,", "mandatory=,", ","]) {
      const text = option.repeat(65_000 / option.length);
      for (const read of [() => parseChoice(text, offer), () => chooseFrom(text, within(0, 128))]) {
        let best = Number.POSITIVE_INFINITY;
        for (let run = 0; run < 20 && best > 20; run++) {
          const start = performance.now();
          await code(read).catch(() => "read");
          best = Math.min(best, performance.now() - start);
        }
        expect(best, option).toBeLessThan(100); // it was 500 where each value copied those before it
      }
    }
  });

  test("replay detection brings the integrity that is mandatory", () => {
    const offered = formatOffer(usualHash, within(1, 1));
    expect(parseChoice("mda=sha-1,replay_detection", offered)).toMatchObject({ integrity: usualHash });
  });
});
