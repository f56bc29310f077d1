/** The flag `--platform`. */
import * as Flags from '@oclif/core/flags';
import { type Platform, parsePlatform } from '../core/oci/platform.ts';

/** A flag whose value is a platform such as `linux/arm64/v8`. */
export const platformFlag = Flags.custom<Platform>({
  description: "platform of the image to fetch; default is the host's",
  helpValue: 'OS/ARCH[/VARIANT]',
  parse: async (input) => parsePlatform(input),
});
