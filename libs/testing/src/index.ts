export {
  buildImage,
  buildIndex,
  type Content,
  descriptor,
  type Image,
  type ImageOptions,
} from './image/image.ts';
export { buildLayer, type Layer, type LayerCompression, type LayerEntry, sha256 } from './image/layer.ts';
