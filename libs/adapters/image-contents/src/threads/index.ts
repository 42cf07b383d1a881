export { ThreadLayerReader, type ThreadLayerReaderOptions } from './thread-layer-reader.ts';
