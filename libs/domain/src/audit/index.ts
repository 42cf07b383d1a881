export {
  type BrokenLink,
  CHAIN_START,
  type ChainedEvent,
  type ChainHead,
  type ChainLink,
  followChain,
  hashEvent,
  isBroken,
} from './chain.ts';
export { redactDetail } from './redact.ts';
