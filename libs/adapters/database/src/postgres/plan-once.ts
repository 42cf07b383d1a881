/**
 * Options of a connection on which PostgreSQL plans a prepared statement once, for whatever parameters. Left to itself it
 * plans those with an array anew every time, which takes longer than running them.
 *
 * The tables may be nearly empty when it plans, so it must not settle for reading a whole table, or hashing one, where
 * there is an index; and what it then thinks of a table without one must not make it compile the statement.
 */
export const PLAN_ONCE_OPTIONS = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'jit=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');
