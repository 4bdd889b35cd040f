import { describe, expect, test, vi } from "vitest";
import { sha256Crypt, sha512Crypt } from "./index.js";

/**
 * The strings of SHA-crypt.txt as it prints them, with the salt cut to 16 characters and the rounds raised to 1000 as it says;
 * and others made with libxcrypt 4.4: whole blocks of the digest, the longest password, UTF-8, no salt.
 */
const vectors: readonly (readonly [source: string, password: string, stored: string])[] = [
  ["SHA-crypt.txt", "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"],
  ["SHA-crypt.txt", "Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"],
  [
    "SHA-crypt.txt",
    "This is just a test",
    "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5",
  ],
  [
    "SHA-crypt.txt",
    "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
  ],
  [
    "SHA-crypt.txt",
    "we have a short salt string but not a short password",
    "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
  ],
  ["SHA-crypt.txt", "a short string", "$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD"],
  [
    "SHA-crypt.txt",
    "the minimum number is still observed",
    "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC",
  ],
  ["libxcrypt", "a", "$5$rounds=1000$saltstring$PUh3dLhrRUf5DImijCTHA/6RNalgRtHHx.PjXg80gE2"],
  ["libxcrypt", "a".repeat(31), "$5$rounds=1000$saltstring$VSIEg5IBmEcI9lNwdh3zt9IikF8bkVZtl7UHo9xepn."],
  ["libxcrypt", "a".repeat(32), "$5$rounds=1000$saltstring$VfRPOAIVguWtPXPMKZCbYU5kNs72xfckLfibWxkZCA1"],
  ["libxcrypt", "a".repeat(33), "$5$rounds=1000$saltstring$BgGMpyNtTSOtqqhw5vu/94C3Gt5/UMN4ks9zevz7WSC"],
  ["libxcrypt", "a".repeat(63), "$5$rounds=1000$saltstring$dTWv59xtRt1lnllpy64BSNOWnjMDnPfH8hb1dLHEa69"],
  ["libxcrypt", "a".repeat(64), "$5$rounds=1000$saltstring$fsLJTUHVT2mb1h7V79hnxHBRjBpZXnWNnp02SEPvsFA"],
  ["libxcrypt", "a".repeat(65), "$5$rounds=1000$saltstring$BTFaNmC3Ftf519ELVTGANigeEchFCA1nWeco3AtKSm0"],
  ["libxcrypt", "a".repeat(96), "$5$rounds=1000$saltstring$o86.7N6iHVMYTOgfguhizTh6fdTByeHIcI0H9TCz8T7"],
  ["libxcrypt", "a".repeat(128), "$5$rounds=1000$saltstring$eIy4WxmfVrfitFnu6xnYsnPm873vqivrs3E/b8KwMU1"],
  ["libxcrypt", "a".repeat(192), "$5$rounds=1000$saltstring$HIVn.9tsVX1IYjO3aUncrQu72GmODFvCi1m7MqqCXHC"],
  ["libxcrypt", "a".repeat(511), "$5$rounds=1000$saltstring$b8jfihVxUWloctpFOWlfPXwPsee33rIBjX3A.Bd.bVA"],
  ["libxcrypt", "pässwörd", "$5$saltstring$bWOoCRTKNT.aiY/gJjvk1HjBYuRpcYQmcc5hqf6H4T4"],
  ["libxcrypt", "x", "$5$rounds=1000$$4D2tp5PZGtSl4aBon7NvdSwWT2BSm4eRZICoK/SoBpD"],
  [
    "SHA-crypt.txt",
    "Hello world!",
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
  ],
  [
    "SHA-crypt.txt",
    "Hello world!",
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
  ],
  [
    "SHA-crypt.txt",
    "This is just a test",
    "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
  ],
  [
    "SHA-crypt.txt",
    "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
  ],
  [
    "SHA-crypt.txt",
    "we have a short salt string but not a short password",
    "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
  ],
  [
    "SHA-crypt.txt",
    "a short string",
    "$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1",
  ],
  [
    "SHA-crypt.txt",
    "the minimum number is still observed",
    "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
  ],
  [
    "libxcrypt",
    "a",
    "$6$rounds=1000$saltstring$RrPGXWEiJKglBQ7c4Z7ubMQSfj96YZui3FKtC93SVTqGfF2ex1C1SYjoBtBB4ba3rt/BD7RfAsnl9LRml0K1.0",
  ],
  [
    "libxcrypt",
    "a".repeat(31),
    "$6$rounds=1000$saltstring$qvCELmGFeu1Mf.oFqCwJJoUIazCP1TLb/3fODbJpTHDAu7GTVfv0vlypL6iuv.jNk0oceLK0u5D7gANNa/sRt0",
  ],
  [
    "libxcrypt",
    "a".repeat(32),
    "$6$rounds=1000$saltstring$WX0693sCvmLWnVof9qoK8OSZ7RUImWPlsj7uC2RczJlge2eo5fuZ1lZYTPiie.NQGntDcn/vKL.b7ybKFoYMV/",
  ],
  [
    "libxcrypt",
    "a".repeat(33),
    "$6$rounds=1000$saltstring$H8NuOwK1k5wOKRml5MYHPjJt0yG.twbJ512760AtphAMZgiL85M0CALYPfup9UXFtlFr36sSoFVuVYLUDiN9b/",
  ],
  [
    "libxcrypt",
    "a".repeat(63),
    "$6$rounds=1000$saltstring$am2Q4HztwKk1FcP0LAqjU5tjRn/f/y2rIBQxG61tbKrSIfYjURO9BHDywhTfCIQAspPHmtUk.VFa5niS0/fXd/",
  ],
  [
    "libxcrypt",
    "a".repeat(64),
    "$6$rounds=1000$saltstring$N2b97dAUw6yvWMEe1RNXvm6yVr4uGNfT2lBBly1kgO9yhAzRI8k3g/BSxBpdqVLwGTX63.6tVpLPFvkQ.rWex1",
  ],
  [
    "libxcrypt",
    "a".repeat(65),
    "$6$rounds=1000$saltstring$LWah.z5HeTGlxc1uSArbYrNrJ7biFFEo8KDCVf6LR1f4I5OTY1UTheR.Jqh6nfvf.dnE21r2qz3xNN7f2Mzcg.",
  ],
  [
    "libxcrypt",
    "a".repeat(96),
    "$6$rounds=1000$saltstring$m.6iT1Gb9MFTvT3sRB2ne2RVF7xJsti2Noihhcfxchp3qkYM8rP0k5KwG6XDwSNH9MQG271s7l4fQ5UYPxMDl0",
  ],
  [
    "libxcrypt",
    "a".repeat(128),
    "$6$rounds=1000$saltstring$/2trUodlHakMqCeqIEokN6qjxE6s6vHsaQIXlWrM2MW4gF0c4P7nqPfV9fzXKY6pqbI5aMvIWT1.692Q7laKh/",
  ],
  [
    "libxcrypt",
    "a".repeat(192),
    "$6$rounds=1000$saltstring$1cUfJqSuxdGbc2clsTzHSYBWGiKOJtE9orVgzWTfIt.WsLkXHb5dtdTdLnDg.TMetTjBMdODNIc3nEHKEr1LM1",
  ],
  [
    "libxcrypt",
    "a".repeat(511),
    "$6$rounds=1000$saltstring$gT992ZChsd3okCvl06E6mFsqVXAdRBsgsTQsyPLBeiMaRSsJBsQ7Wwvud6QHbc2NvUUo2/1ztPmmVSlWWTwjy1",
  ],
  [
    "libxcrypt",
    "pässwörd",
    "$6$saltstring$6PSVl254uv0cWCoUS0qzSX5NenRA/YFCwPzGA9ONu.MmmxqXTWHerEzD8WyuBl3ukfIZZU9uxLD6Bn6p7S3rG.",
  ],
  [
    "libxcrypt",
    "x",
    "$6$rounds=1000$$MwL1ngOSTyhRTmswE6q2bTvDqHdFuhV10m2l0x3JOy.OEau0xfOpeR/0OC9iLEfgib0feJ9KJveLUAQeA8NXr1",
  ],
];

describe("SHA-crypt", () => {
  for (const [source, password, stored] of vectors) {
    const scheme = stored.startsWith("$5$") ? sha256Crypt : sha512Crypt;
    const name = `${stored.slice(0, stored.lastIndexOf("$"))} with ${password.length} characters (${source})`;
    test(`${name} is taken`, async () => {
      expect(scheme.recognizes(stored)).toBe(true);
      expect(await scheme.verify(password, stored)).toBe(true);
    });
  }

  test("another password is turned down, and so is one longer than libxcrypt takes", async () => {
    const [, password = "", stored = ""] = vectors.findLast(([, each]) => each.length === 511) ?? [];
    expect(await sha512Crypt.verify(password, stored)).toBe(true);
    expect(await sha512Crypt.verify(`${password}a`, stored)).toBe(false);
    expect(await sha512Crypt.verify(`b${password.slice(1)}`, stored)).toBe(false);
    expect(await sha512Crypt.verify("", stored)).toBe(false);
  });

  test("R-LIM-02 others run while it works, as often for many logins as for one", async () => {
    const clock = vi.spyOn(performance, "now");
    let now = 0;
    clock.mockImplementation(() => now++); // each time it is looked at, a millisecond is over
    let turns = 0;
    let working = true;
    const count = () => {
      turns++;
      if (working) setImmediate(count);
    };
    setImmediate(count);
    const some = vectors.filter(([, , each]) => each.includes("$rounds=1000$saltstring$"));
    const verdicts = await Promise.all(
      some.map(([, password, stored]) => {
        return (stored.startsWith("$5$") ? sha256Crypt : sha512Crypt).verify(password, stored);
      }),
    );
    working = false;
    clock.mockRestore();
    expect(verdicts).toEqual(some.map(() => true));
    // 1000 rounds look at the clock more than 60 times, and no turn has more than 5 of these milliseconds.
    expect(turns).toBeGreaterThan((some.length * 60) / 5);
  });
});
