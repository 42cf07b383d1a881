import { describe, expect, it } from 'vitest';
import { ADMIN_ACTIONS, isAction, isAdminAction, NODE_ACTIONS } from './action.ts';

describe('an action', () => {
  it.each([...Object.keys(NODE_ACTIONS), ...ADMIN_ACTIONS])('%s is one', (text) => {
    expect(isAction(text)).toBe(true);
  });

  it.each(['toString', 'constructor', '__proto__', 'hasOwnProperty', '', 'repository', 'admin.'])(
    '"%s" is none, whatever every object has',
    (text) => {
      expect(isAction(text)).toBe(false);
      // Closed by default: what is no action of a node is left to administrators.
      expect(isAdminAction(text as never)).toBe(true);
    },
  );
});
