export { blobOf, recordOf, TAR } from './layers.ts';
export {
  buildTar,
  directory,
  file,
  gnuLong,
  hardLink,
  paxContent,
  symlink,
  type TarEntrySpec,
  writeChecksum,
} from './tar-builder.ts';
