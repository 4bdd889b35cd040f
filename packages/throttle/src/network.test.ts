import fc from "fast-check";
import { expect, test } from "vitest";
import { networkOf } from "./network.js";

const networks: readonly [remote: string, network: string][] = [
  ["192.0.2.7", "192.0.2.7"],
  ["192.0.2.7:1234", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["[::FFFF:192.0.2.7]:993", "192.0.2.7"],
  ["::ffff:c000:207", "192.0.2.7"],
  ["0:0:0:0:0:ffff:c000:0207", "192.0.2.7"],
  ["[2001:db8:5::1]:993", "2001:db8:5"],
  ["[2001:db8:5::1]", "2001:db8:5"],
  ["2001:db8:0005:7::1", "2001:db8:5"],
  ["2001:DB8:5:7:8:9:a:b", "2001:db8:5"],
  ["2001:db8::1", "2001:db8:0"],
  ["2001::", "2001:0:0"],
  ["::1", "0:0:0"],
  ["::", "0:0:0"],
  ["::192.0.2.7", "0:0:0"],
  ["fe80::1%eth0", "fe80:0:0"],
  ["[fe80::1%eth0]:25", "fe80:0:0"],
  ["fe80::1%eth0\n[", "fe80:0:0"],
  // What is no address counts for itself.
  ["", ""],
  ["unix", "unix"],
  ["192.0.2.700", "192.0.2.700"],
  ["1.2.3", "1.2.3"],
  ["0x7f000001", "0x7f000001"],
  ["2001:db8::1::2", "2001:db8::1::2"],
  ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:9"],
  ["::12345", "::12345"],
  ["::1]/@[::2", "::1]/@[::2"],
  ["[::1]:x", "[::1]:x"],
  ["__proto__", "__proto__"],
];
test.each(networks)("R-LIM-08 %j counts as %j", (remote, network) => expect(networkOf(remote)).toBe(network));

test("R-LIM-08 all addresses of a /48 are one network, however they are written", () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const seven = fc.tuple(
    group.filter((first) => first !== 0),
    group,
    group,
    group,
    group,
    group,
    group,
    group,
  );
  fc.assert(
    fc.property(seven, fc.boolean(), (groups, long) => {
      const written = groups.map((each) => each.toString(16).padStart(long ? 4 : 1, "0")).join(":");
      const expected = groups.slice(0, 3).map((each) => each.toString(16));
      expect(networkOf(written)).toBe(expected.join(":"));
      expect(networkOf(`[${written.toUpperCase()}]:465`)).toBe(expected.join(":"));
    }),
  );
});

test("R-LIM-05 anything else comes back without an error", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (remote) => {
      expect(typeof networkOf(remote)).toBe("string");
    }),
  );
});

test("R-LIM-02 a long line of nothing takes no time of its own", () => {
  for (const piece of [":", "[", "]", "1.", "%", "f:", "::"]) {
    const long = piece.repeat(65_536);
    expect(networkOf(long).length).toBeLessThanOrEqual(long.length);
  }
});
