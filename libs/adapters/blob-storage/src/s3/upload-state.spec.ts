import { describe, expect, it } from 'vitest';
import type { StorageState } from '../blob-storage.ts';
import { parseUploadState, printUploadState, storedBytes, type UploadState } from './upload-state.ts';

const STATE: UploadState = {
  uploadId: 'upload-1',
  parts: [
    { etag: '"a"', bytes: 8 },
    { etag: '"b"', bytes: 5 },
  ],
  tail: { id: 't2', bytes: 3, sha256: 'f00' },
  whole: null,
  staleTail: 't1',
};
const upload = (offset: number, state: StorageState) => ({ key: 'k', offset, state });

describe('the state of an upload', () => {
  it('survives the way through JSON to another replica', () => {
    const printed = JSON.parse(JSON.stringify(printUploadState(STATE))) as StorageState;
    expect(parseUploadState(upload(16, printed))).toEqual(STATE);
    expect(storedBytes(STATE)).toBe(16);
  });

  it('is null as long as nothing is stored', () => {
    const nothing = { uploadId: null, parts: [], tail: null, whole: null, staleTail: null };
    expect(printUploadState(nothing)).toBeNull();
    expect(parseUploadState(upload(0, null))).toEqual(nothing);
  });

  it.each([15, 17, 0])('that holds 16 bytes is no state of an upload of %i', (offset) => {
    expect(() => parseUploadState(upload(offset, printUploadState(STATE)))).toThrow(
      expect.objectContaining({ code: 'UPLOAD_LOST' }) as Error,
    );
  });

  it('of nothing is no state of an upload that has bytes', () => {
    expect(() => parseUploadState(upload(1, null))).toThrow(
      expect.objectContaining({ code: 'UPLOAD_LOST' }) as Error,
    );
  });

  it.each<StorageState>([
    'text',
    7,
    [],
    {},
    { uploadId: 1, parts: [], tail: null, whole: null, staleTail: null },
    { uploadId: null, parts: {}, tail: null, whole: null, staleTail: null },
    { uploadId: null, parts: [['a']], tail: null, whole: null, staleTail: null },
    { uploadId: null, parts: [], tail: { id: 't' }, whole: null, staleTail: null },
    { uploadId: null, parts: [], tail: null, whole: '7', staleTail: null },
    { uploadId: null, parts: [], tail: null, whole: null },
  ])('of another kind of storage is refused: %j', (state) => {
    expect(() => parseUploadState(upload(0, state))).toThrow(/another kind of blob storage/);
  });
});
