/** Device numbers as the C library packs them. Pure. */

/** The parts of a `st_rdev` (makedev(3)). */
export function deviceNumber(rdev: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
  };
}
