/** `npm run test:hostile`: attacks on rights, on the process and on what it says. None may win anything. */
import { Checklist } from './checklist.ts';
import { Arena } from './hostile/arena.ts';
import { attackGate } from './hostile/gate.ts';
import { attackOracles } from './hostile/oracles.ts';
import { attackProcess } from './hostile/process.ts';
import { attackRights } from './hostile/rights.ts';

const ATTACKS = { oracles: attackOracles, rights: attackRights, process: attackProcess, gate: attackGate };

const checklist = new Checklist('test:hostile');
const arena = await Arena.create();
try {
  const chosen = process.argv.slice(2);
  for (const [name, attack] of Object.entries(ATTACKS)) {
    if (chosen.length === 0 || chosen.includes(name)) await attack(arena, checklist);
  }
} finally {
  await arena.remove();
}
checklist.finish();
