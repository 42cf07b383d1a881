export { type KeyPairFiles, generateKeyPair } from './key-pair.ts';
export {
  type SignImageOptions,
  type SignatureFormats,
  type SignedImage,
  type WrittenSignature,
  signImage,
  signWithKey,
} from './sign-image.ts';
