import { assert, assertEqual, type Checklist } from '../checklist.ts';
import { type Form, freshImage, type Lab } from './lab.ts';

/** Reached while the client waits for its answer. */
const POINTS = [
  'upload.started',
  'upload.receiving',
  'upload.appended',
  'upload.recorded',
  'upload.synced',
  'blob.committed',
  'manifest.before-commit',
  'manifest.after-commit',
] as const;
const SHORT: readonly string[] = ['upload.receiving', 'upload.synced', 'blob.committed'];
/** More than what any storage keeps in memory, so that parts of an upload are stored when it is cut. */
const LAYER_BYTES = 19_000_000;

/** Kills the process at every step of a push, in both forms of an upload. */
export async function checkPushes(checklist: Checklist, lab: Lab, isShort: boolean): Promise<void> {
  for (const [index, point] of POINTS.filter((name) => !isShort || SHORT.includes(name)).entries()) {
    const form: Form = index % 2 === 0 || point === 'upload.recorded' ? 'streamed' : 'monolithic';
    await checklist.check(`${lab.store.name}: kill -9 at ${point} (${form})`, async () => {
      const tag = point.replace('.', '-');
      const image = await freshImage(LAYER_BYTES);
      await lab.arm(point);
      assertEqual(await lab.push(image, tag, form), false, 'push acknowledged');
      await lab.restart();
      await lab.checkAcknowledged();
      const interrupted = await lab.checkInterrupted(image);
      assert(await lab.push(image, tag, form), 'pushing again after the restart fails');
      return `interrupted push ${interrupted}; ${lab.acknowledged.blobs.size} acknowledged blobs whole`;
    });
  }
  await checkDuplicate(checklist, lab);
}

/** The object of a blob that is there already is of no use, and nothing else may go with it. */
async function checkDuplicate(checklist: Checklist, lab: Lab): Promise<void> {
  await checklist.check(
    `${lab.store.name}: kill -9 at blob.committed of a blob that is there already`,
    async () => {
      const image = await freshImage();
      assert(await lab.push(image, 'duplicate'), 'the first push fails without any fault');
      await lab.arm('blob.committed');
      assertEqual(await lab.push(image, 'duplicate'), false, 'push acknowledged');
      await lab.restart();
      await lab.checkAcknowledged();
    },
  );
}
