import type { Bucket, ListedObject, ListedUpload } from './bucket.ts';

interface Unfinished {
  readonly key: string;
  /** Removes what is left of the upload. */
  readonly clear: () => Promise<void>;
}

/**
 * Keys of unfinished uploads that nothing was appended to since `before`: multipart uploads by the time of their last
 * part, and uploads that are only a tail so far by the time of that.
 *
 * What a finished object has left behind (a part or a tail that no recorded state names) is removed on the way: the
 * caller could only remove it together with the object.
 */
export async function* listUnfinished(bucket: Bucket, prefix: string, before: Date): AsyncIterable<string> {
  const seen = new Set<string>();
  for await (const { key, clear } of oldUploads(bucket, prefix, before)) {
    if ((await bucket.size(key)) !== null) await clear();
    else if (!seen.has(key)) yield key.slice(`${prefix}blobs/`.length);
    seen.add(key);
  }
  for await (const { key, clear } of oldTails(bucket, prefix, before)) {
    if ((await bucket.size(key)) !== null) await clear();
    else if (!seen.has(key)) yield key.slice(`${prefix}blobs/`.length);
  }
}

async function* oldUploads(bucket: Bucket, prefix: string, before: Date): AsyncIterable<Unfinished> {
  for await (const upload of bucket.uploads(`${prefix}blobs/`)) {
    if ((await lastChange(bucket, prefix, upload, before)) >= before) continue;
    const { key, uploadId } = upload;
    yield { key, clear: () => bucket.abortUpload(key, uploadId) };
  }
}

/** Asks for more only while the upload looks old. */
async function lastChange(
  bucket: Bucket,
  prefix: string,
  { key, uploadId, changedAt }: ListedUpload,
  before: Date,
): Promise<Date> {
  if (changedAt >= before) return changedAt;
  const partAt = await bucket.lastPartAt(key, uploadId);
  if (partAt !== null && partAt >= before) return partAt;
  let last = partAt ?? changedAt;
  for await (const tail of bucket.objects(`${prefix}tails/${key.slice(`${prefix}blobs/`.length)}/`)) {
    if (tail.changedAt > last) last = tail.changedAt;
  }
  return last;
}

/** One for each upload that has tails. */
async function* oldTails(bucket: Bucket, prefix: string, before: Date): AsyncIterable<Unfinished> {
  for await (const objects of byUpload(bucket.objects(`${prefix}tails/`))) {
    const [first] = objects;
    if (first === undefined || objects.some(({ changedAt }) => changedAt >= before)) continue;
    const clear = async (): Promise<void> => {
      for (const { key } of objects) await bucket.delete(key);
    };
    yield { key: `${prefix}blobs/${uploadOf(first).slice(`${prefix}tails/`.length)}`, clear };
  }
}

/** Objects come in the order of their keys, so those of one upload come together. */
async function* byUpload(objects: AsyncIterable<ListedObject>): AsyncIterable<readonly ListedObject[]> {
  let group: ListedObject[] = [];
  for await (const object of objects) {
    const [first] = group;
    if (first !== undefined && uploadOf(first) !== uploadOf(object)) {
      yield group;
      group = [];
    }
    group.push(object);
  }
  yield group;
}

function uploadOf({ key }: ListedObject): string {
  return key.slice(0, key.lastIndexOf('/'));
}
