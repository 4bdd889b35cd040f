/** What `des.js` 1.1 exports, as far as it is used here: the package has no types of its own. */
declare module "des.js" {
  /** One direction of a cipher. */
  interface Running {
    /** Without padding: whole blocks in, as many octets out; what came before is gone on from. */
    final(octets: ArrayLike<number>): number[];
  }
  interface Options {
    readonly type: "encrypt" | "decrypt";
    readonly key: readonly number[];
    readonly iv: readonly number[];
    readonly padding: false;
  }
  interface Cipher {
    create(options: Options): Running;
  }
  const des: {
    readonly DES: Cipher;
    readonly EDE: Cipher;
    readonly CBC: { instantiate(cipher: Cipher): Cipher };
  };
  // biome-ignore lint/style/noDefaultExport: what a CommonJS module is to an importer
  export default des;
}
