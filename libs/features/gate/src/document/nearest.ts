/** The allowed word that differs least from the given one, undefined when none is close. */
export function nearest(given: string, allowed: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(given.length / 3));
  return allowed
    .map((word) => ({ word, distance: editDistance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((left, right) => left.distance - right.distance)[0]?.word;
}

/** Levenshtein's distance. Words here are short, and what is given is cut. */
function editDistance(given: string, word: string): number {
  const text = given.slice(0, 64);
  let row = Array.from({ length: word.length + 1 }, (_, index) => index);
  for (let index = 0; index < text.length; index += 1) {
    const next = [index + 1];
    for (let column = 1; column <= word.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (text[index] === word[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[word.length] ?? 0;
}
