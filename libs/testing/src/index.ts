export {
  buildImage,
  buildIndex,
  type Content,
  descriptor,
  type Image,
  type ImageOptions,
} from './image/image.ts';
export { buildLayer, type Layer, type LayerCompression, type LayerEntry, sha256 } from './image/layer.ts';
export { GitLabDouble, type TokenOptions } from './gitlab/gitlab-double.ts';
export {
  claimsOf,
  type DoubleProject,
  type DoubleUser,
  type Job,
  type PipelineSource,
  subjectOf,
} from './gitlab/job.ts';
