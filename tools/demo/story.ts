/**
 * The story of the demo, told to a running Sluice: a CI job pushes an image with a known vulnerability, the gate refuses
 * it, the fixed one is pushed, signed and pulled.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, buildLayer, type GitLabDouble, type Image } from '@sluice/testing';
import { basic } from '../system/platform.ts';
import { ROOT } from '../system/paths.ts';
import { attempt } from '../system/run.ts';
import { Narrator } from './narrator.ts';
import { npmPackage } from './packages.ts';
import { DemoClient } from './registry.ts';

const SIGNED_POLICY = `apiVersion: sluice.dev/v1
kind: Policy
metadata: {name: signed}
spec:
  mode: enforce
  rules:
    - {name: release-key, kind: signature, keys: [release], onMissing: pending}
`;

/** Whom the story is told to. */
export interface Audience {
  readonly url: string;
  /** An administrator. */
  readonly user: string;
  readonly password: string;
  /** The GitLab whose id_tokens that Sluice accepts; null for one that knows no such GitLab: CI is a robot there. */
  readonly gitlab: GitLabDouble | null;
  /** Whether others may have told the story to it before: then the project gets a name that nobody has. */
  readonly isShared: boolean;
}

/** What CI says to log in. */
interface CiCredentials {
  readonly user: string;
  readonly secret: string;
  /** As they would be typed. */
  readonly shownUser: string;
  readonly shown: string;
  readonly kind: string;
}

/** Tells the story; throws when it does not end as it should. */
export async function tellStory(audience: Audience): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
  try {
    await new Story(audience, work).tell();
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

class Story {
  readonly #audience: Audience;
  /** Where the commands run. */
  readonly #work: string;
  readonly #project: string;
  readonly #narrator = new Narrator();

  constructor(audience: Audience, work: string) {
    this.#audience = audience;
    this.#work = work;
    this.#project = audience.isShared ? `demo/shop-${randomBytes(3).toString('hex')}` : 'demo/shop';
  }

  async tell(): Promise<void> {
    const { url, user, password } = this.#audience;
    const narrator = this.#narrator;

    narrator.heading(
      this.#audience.gitlab === null
        ? 'The platform team sets up a project, and a robot for its CI.'
        : 'The platform team sets up a project. CI may push to it; nobody stores a secret.',
    );
    await this.#sluice(['project', 'create', this.#project]);
    const credentials = await this.#ciCredentials();
    if (await this.#lacksAdvisories()) await this.#sluice(['db', 'import', 'docs/examples/osv/npm/all.zip']);

    narrator.heading(
      `A CI job on main builds an image with minimist 1.2.5 and pushes it with ${credentials.kind}.`,
    );
    const ci = new DemoClient(url, credentials.user, credentials.secret);
    narrator.command(
      `docker login ${this.#host} -u ${credentials.shownUser} -p ${credentials.shown} && docker push ${this.#image('1.0.0')}`,
    );
    await ci.push(this.#repository, await application('1.2.5'), '1.0.0');
    narrator.answer('pushed');
    await this.#sluice(['verdict', '--wait', this.#image('1.0.0')], 3);
    await this.#sluice(['explain', this.#image('1.0.0')]);

    narrator.heading('Whoever pulls it is refused, with the rule and the reason.');
    const reader = new DemoClient(url, user, password);
    await this.#pull(reader, '1.0.0', 'refused');

    narrator.heading('From now on the project also demands a signature of the release key.');
    writeFileSync(join(this.#work, 'signed.yaml'), SIGNED_POLICY);
    await this.#sluice(['key', 'generate', '--prefix', 'release']);
    await this.#sluice(['trust', 'add', '--node', this.#project, '--name', 'release', 'release.pub']);
    await this.#sluice(['policy', 'apply', '--node', this.#project, '-f', 'signed.yaml']);

    narrator.heading('The job pushes the fixed image, minimist 1.2.8; the release manager signs it.');
    narrator.command(`docker push ${this.#image('1.0.1')}`);
    await ci.push(this.#repository, await application('1.2.8'), '1.0.1');
    narrator.answer('pushed');
    await this.#sluice(['sign', '--key', 'release.key', this.#image('1.0.1')]);
    await this.#sluice(['verdict', '--wait', this.#image('1.0.1')], 0);

    narrator.heading('Green: it is pulled.');
    await this.#pull(reader, '1.0.1', 'pulled');
  }

  get #host(): string {
    return new URL(this.#audience.url).host;
  }

  get #repository(): string {
    return `${this.#project}/web`;
  }

  #image(tag: string): string {
    return `${this.#host}/${this.#repository}:${tag}`;
  }

  /** A CI job's id_token where Sluice knows its GitLab, and the secret of a robot elsewhere. */
  async #ciCredentials(): Promise<CiCredentials> {
    const { gitlab, url } = this.#audience;
    if (gitlab === null) {
      const printed = await this.#sluice(
        ['robot', 'create', this.#project, 'ci', '--role', 'developer', '-o', 'json'],
        0,
        'hidden',
      );
      const robot = JSON.parse(printed) as { name: string; secret: string };
      return {
        user: robot.name,
        secret: robot.secret,
        shownUser: `'${robot.name}'`,
        shown: '$ROBOT_SECRET',
        kind: "a robot's secret",
      };
    }
    const shop = gitlab.project('acme/shop');
    const job = gitlab.branchJob(shop, gitlab.user('dana'));
    await this.#sluice([
      'ci-binding',
      'create',
      this.#project,
      '--gitlab-project',
      String(shop.id),
      '--gitlab-path',
      shop.path,
    ]);
    const idToken = await gitlab.idToken(job, { audience: url });
    return {
      user: 'gitlab-ci',
      secret: idToken,
      shownUser: 'gitlab-ci',
      shown: '$SLUICE_ID_TOKEN',
      kind: 'its id_token',
    };
  }

  /** A Sluice that has advisories of npm keeps them: an import would put the few of the demo in their place. */
  async #lacksAdvisories(): Promise<boolean> {
    const { url, user, password } = this.#audience;
    const answer = await fetch(`${url}/api/v1/advisory-sources`, {
      headers: { authorization: basic(user, password) },
    });
    if (!answer.ok) throw new Error(`asking for the advisories: ${answer.status} ${await answer.text()}`);
    const { items } = (await answer.json()) as { items: readonly { ecosystem: string; records: number }[] };
    return !items.some((source) => source.ecosystem === 'npm' && source.records > 0);
  }

  async #pull(client: DemoClient, tag: string, expected: 'pulled' | 'refused'): Promise<void> {
    this.#narrator.command(`docker pull ${this.#image(tag)}`);
    const result = await client.pull(this.#repository, tag);
    if (result.kind === 'pulled') this.#narrator.answer(`pulled ${result.bytes} bytes`);
    else this.#narrator.answer(`${result.status} ${result.message}`);
    if (result.kind !== expected) throw new Error(`the pull was to be ${expected}`);
  }

  /** Runs the real command line tool, showing what is typed and answered; the exit code must be the expected one. */
  async #sluice(
    args: readonly string[],
    expectedCode = 0,
    answer: 'shown' | 'hidden' = 'shown',
  ): Promise<string> {
    const { url, user, password } = this.#audience;
    this.#narrator.command(`sluice ${args.join(' ')}`);
    const { code, stdout, stderr } = await attempt(
      process.execPath,
      [join(ROOT, 'apps', 'cli', 'dist', 'main.js'), ...args.map(located)],
      {
        cwd: this.#work,
        env: {
          ...process.env,
          XDG_CONFIG_HOME: join(this.#work, 'config'),
          SLUICE_URL: url,
          SLUICE_USER: user,
          SLUICE_PASSWORD: password,
          COSIGN_PASSWORD: 'demo',
        },
      },
    );
    const said = (stdout === '' ? stderr : stdout).replaceAll(`${ROOT}/`, '');
    this.#narrator.answer(answer === 'shown' ? said : 'created; its secret is kept', 24);
    if (code !== expectedCode) {
      throw new Error(`sluice ${args[0]} ended with ${code}, not ${expectedCode}:\n${stderr}`);
    }
    return stdout;
  }
}

/** A web application with one real dependency at that version. */
async function application(minimistVersion: string): Promise<Image> {
  const base = await buildLayer([
    { path: 'app/package.json', content: '{"name":"shop","version":"1.0.0","private":true}' },
    { path: 'app/index.js', content: "console.log(require('minimist')(process.argv.slice(2)));\n" },
  ]);
  const dependencies = await buildLayer(await npmPackage('minimist', minimistVersion));
  return buildImage([base, dependencies], { command: ['node', '/app/index.js'] });
}

/** What is typed as a path of the clone lies there; the commands run in a directory of their own. */
function located(argument: string): string {
  return argument.startsWith('docs/') ? join(ROOT, argument) : argument;
}
