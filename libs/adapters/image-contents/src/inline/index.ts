export { InlineLayerReader } from './inline-layer-reader.ts';
