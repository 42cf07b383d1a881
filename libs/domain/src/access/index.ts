export { SluiceError } from '../errors.ts';
export {
  type Caller,
  type Principal,
  type Provenance,
  type RepositoryAccess,
  type RepositoryAction,
} from './principal.ts';
