/**
 * What processes lock by a number of PostgreSQL's ("advisory locks"). They share one space, so all of them stand here.
 * A number that is not in use any more is not given again: an older release may still hold it.
 */

/** Whoever holds it migrates; the other replicas wait and then find nothing to do. */
export const MIGRATION_LOCK = 5_130_017;
/** Who holds it appends to the audit log; everybody else waits, so that the chain has one order. */
export const CHAIN_LOCK = 5_130_018;
/** Changes of the tree's shape queue behind each other: they are rare, and each looks at more than one row. */
export const TREE_LOCK = 5_130_021;
/** Held while an administrator is taken away, so that two requests cannot take the last two at once. */
export const ADMIN_LOCK = 5_130_022;
/** Changes of rules queue behind each other: they are rare, and each touches many repositories. */
export const RULES_LOCK = 5_130_023;
/** Imports of advisories run one after the other: each takes the next revision. Held for as long as one takes. */
export const IMPORT_LOCK = 5_130_024;
