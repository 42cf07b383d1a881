import type { OutboxEvent } from '@sluice/database';
import { describe, expect, it } from 'vitest';
import { SignatureEvents } from './signature-events.ts';

const IMAGE = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const SIGNATURE_TAG = `sha256-${'b'.repeat(64)}.sig`;

function pushed(more: object): OutboxEvent {
  const payload = { repositoryId: 'r', digest: IMAGE, kind: 'image', subjectDigest: null, tags: [], ...more };
  return { type: 'artifact.pushed', payload } as unknown as OutboxEvent;
}

/** Answers as a repository with signatures of these digests, and notes what it was asked. */
function setUp(...signed: string[]) {
  const asked: (string | null)[] = [];
  const events = new SignatureEvents({
    maySign: async ({ digest }, tag) => {
      asked.push(tag);
      return signed.includes(digest);
    },
  });
  const keys = async (event: OutboxEvent): Promise<string[]> =>
    (await events.jobsFor(event)).map(({ key }) => key);
  return { asked, keys };
}

describe('whose signatures an event may have changed', () => {
  it('an image of which nothing may be a signature needs no look', async () => {
    const { asked, keys } = setUp();
    expect(await keys(pushed({}))).toEqual([]);
    expect(asked).toEqual([`sha256-${'a'.repeat(64)}.sig`]);
  });

  it('an image whose signature came first is looked at', async () => {
    expect(await setUp(IMAGE).keys(pushed({}))).toEqual([`r/${IMAGE}`]);
  });

  it('what is pushed as a signature, by its tag or its subject, is that of another, whatever there was before', async () => {
    const { asked, keys } = setUp();
    expect(await keys(pushed({ kind: 'signature', tags: [SIGNATURE_TAG] }))).toEqual([`r/${OTHER}`]);
    expect(await keys(pushed({ kind: 'signature', subjectDigest: OTHER }))).toEqual([`r/${OTHER}`]);
    expect(asked).toEqual([]);
  });

  it('one that is deleted is looked for as well', async () => {
    const payload = { repositoryId: 'r', digest: IMAGE, subjectDigest: OTHER };
    const event = { type: 'artifact.deleted', payload } as unknown as OutboxEvent;
    expect(await setUp().keys(event)).toEqual([`r/${OTHER}`]);
  });

  it('has no legacy tag under another algorithm', async () => {
    const { asked, keys } = setUp();
    await keys(pushed({ digest: `sha512:${'c'.repeat(128)}` }));
    expect(asked).toEqual([null]);
  });
});
