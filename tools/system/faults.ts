/**
 * `npm run test:faults`: kills the process (SIGKILL) at every named point of push, commit, delete, sweep and scan, with
 * blobs in a directory and in S3 (versitygw). After the restart everything that was acknowledged is there and hashes
 * right, nothing is visible by half, open jobs finish, and the sweep leaves no orphans.
 *
 * `npm run test:faults -- --short` keeps one point of each kind.
 */
import { Checklist } from './checklist.ts';
import { checkDeletes } from './faults/deletes.ts';
import { Lab } from './faults/lab.ts';
import { checkPushes } from './faults/pushes.ts';
import { checkScans, checkShutdown } from './faults/scans.ts';
import { openDirectory, openS3 } from './faults/stores.ts';

const isShort = process.argv.includes('--short');
const checklist = new Checklist('test:faults');
for (const open of [openDirectory, openS3]) {
  const store = await open();
  try {
    const lab = await Lab.open(store);
    try {
      await checkPushes(checklist, lab, isShort);
      await checkDeletes(checklist, lab, isShort);
      await checklist.check(`${store.name}: what the crashes have left is swept`, () => lab.checkOrphans());
      if (open === openDirectory) {
        await checkShutdown(checklist, lab);
        await checkScans(checklist, lab, isShort);
      }
    } finally {
      await lab.platform.remove();
    }
  } finally {
    await store.stop();
  }
}
checklist.finish();
