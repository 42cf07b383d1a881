export { LayerError, type LayerErrorCode } from './errors.ts';
export { type LayerBlob, LayerReader, type LayerReading, type ReadLayerOptions } from './layer-reader.ts';
export { DEFAULT_LIMITS, type LayerLimits } from './limits.ts';
