/** Tells the story of the demo: headings, commands as a user would type them, and what they answered. */
export class Narrator {
  private step = 0;

  heading(text: string): void {
    this.step++;
    console.log(`\n${this.step}. ${text}`);
  }

  command(text: string): void {
    console.log(`   $ ${text}`);
  }

  /** What a command printed, indented, at most some lines of it. */
  answer(text: string, lines = 12): void {
    const all = text.trimEnd().split('\n');
    for (const line of all.slice(0, lines)) console.log(`     ${line}`.trimEnd());
    if (all.length > lines) console.log(`     … ${all.length - lines} more lines`);
  }
}
