/**
 * Refuses to go on with a Node that cannot run the scripts, before anything newer is loaded.
 * Plain JavaScript that old versions can parse.
 */
export function requireNode(minimum) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= minimum) return;
  console.error(
    `Sluice needs Node ${minimum} or newer to start (this is ${process.versions.node}).\n` +
      'Install a newer Node from your distribution or nodejs.org, then run the command again.',
  );
  process.exit(1);
}
