import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { Catalog } from '@sluice/catalog';
import { AdvisoryStore, AuditTrail, DenialList, JobLedger, ReadCoherence } from '@sluice/database';
import { Policies } from '@sluice/gate';
import {
  AccessControl,
  AccessTokens,
  Authentication,
  CiBindings,
  Robots,
  TokenExchange,
  Users,
} from '@sluice/identity';
import { Members, Projects } from '@sluice/projects';
import { AdvisoryUploads, Sboms } from '@sluice/scanning';
import { TrustedKeys } from '@sluice/signing';
import { StorageKeys } from '@sluice/storage-keys';
import { AccessGuard } from './access/access.guard.ts';
import { Authorizer } from './access/authorizer.ts';
import { type Location, Locators } from './access/locators.ts';
import { AdvisoryImportsController } from './advisories/advisory-imports.controller.ts';
import { AdvisorySourcesController } from './advisories/advisory-sources.controller.ts';
import type { ApiDependencies } from './api-dependencies.ts';
import { ArtifactsController } from './content/artifacts.controller.ts';
import { FindingsController } from './content/findings.controller.ts';
import { contentLocators } from './content/locators.ts';
import { RepositoriesController } from './content/repositories.controller.ts';
import { ResolveController } from './content/resolve.controller.ts';
import { SbomController } from './content/sbom.controller.ts';
import { VerdictsController } from './content/verdicts.controller.ts';
import { HealthController } from './health/health.controller.ts';
import { HealthReporter } from './health/health-reporter.ts';
import { EtagInterceptor } from './http/etag.interceptor.ts';
import { SettleInterceptor } from './http/settle.interceptor.ts';
import { ProblemFilter } from './http/problem.filter.ts';
import { PublicUrl } from './http/public-url.ts';
import { createValidationPipe } from './http/validation.ts';
import { AccessController } from './identity/access.controller.ts';
import { CiBindingsController } from './identity/ci-bindings.controller.ts';
import { MeController } from './identity/me.controller.ts';
import { RobotsController } from './identity/robots.controller.ts';
import { TokenExchangeController } from './identity/token-exchange.controller.ts';
import { TokensController } from './identity/tokens.controller.ts';
import { UsersController } from './identity/users.controller.ts';
import { JobsController } from './jobs/jobs.controller.ts';
import { PoliciesController } from './policies/policies.controller.ts';
import { GrantsController } from './projects/grants.controller.ts';
import { GroupsController } from './projects/groups.controller.ts';
import { ProjectsController } from './projects/projects.controller.ts';
import { AuditEventsController } from './records/audit-events.controller.ts';
import { DenialsController } from './records/denials.controller.ts';
import { StorageController } from './storage/storage.controller.ts';
import { TrustedKeysController } from './trust/trusted-keys.controller.ts';

/**
 * The unified API.
 *
 * To add a resource:
 * 1. `src/<noun>/<noun>.schemas.ts`: zod schemas of body and query (`z.strictObject`, so that an unknown parameter is
 *    400; lists spread `pageParameters`), the view interface and a `present…` function. Ids leave through
 *    `encodeId(kind, uuid)`; a new kind gets its prefix in `http/ids.ts`.
 * 2. `src/<noun>/<noun>.controller.ts`: each method has its verb, one `@Permission(…)`, parameters with
 *    `{ schema }` or `new IdPipe(kind)`, one call of a feature, and a view as result. `projects.controller.ts` is the
 *    model; lists go through `page()` and `linkNext()`.
 * 3. A kind of id that stands in a path of a protected route gets a locator (`ApiDependencies.locators`).
 * 4. The feature goes into `ApiDependencies` and into `providers` below, the controller into `CONTROLLERS`.
 * 5. New error codes get a row in the table of `http/problem.ts`.
 */
@Module({})
export class ApiModule {
  static register(dependencies: ApiDependencies): DynamicModule {
    const authorizer = new Authorizer(dependencies.accessControl);
    const providers: Provider[] = [
      { provide: Authentication, useValue: dependencies.authentication },
      { provide: AccessControl, useValue: dependencies.accessControl },
      { provide: AccessTokens, useValue: dependencies.accessTokens },
      { provide: CiBindings, useValue: dependencies.ciBindings },
      { provide: Members, useValue: dependencies.members },
      { provide: Policies, useValue: dependencies.policies },
      { provide: Projects, useValue: dependencies.projects },
      { provide: Robots, useValue: dependencies.robots },
      { provide: TokenExchange, useValue: dependencies.tokenExchange },
      { provide: Users, useValue: dependencies.users },
      { provide: Authorizer, useValue: authorizer },
      { provide: Locators, useValue: createLocators(dependencies) },
      { provide: Catalog, useValue: dependencies.catalog },
      { provide: AdvisoryStore, useValue: dependencies.advisories },
      { provide: AdvisoryUploads, useValue: dependencies.advisoryUploads },
      { provide: HealthReporter, useValue: createHealthReporter(dependencies) },
      { provide: Sboms, useValue: dependencies.sboms },
      { provide: AuditTrail, useValue: dependencies.auditTrail },
      { provide: DenialList, useValue: dependencies.denials },
      { provide: StorageKeys, useValue: dependencies.storageKeys },
      { provide: JobLedger, useValue: dependencies.jobs },
      { provide: TrustedKeys, useValue: dependencies.trustedKeys },
      { provide: PublicUrl, useValue: new PublicUrl(dependencies.publicUrl) },
      { provide: APP_FILTER, useClass: ProblemFilter },
      { provide: APP_GUARD, useClass: AccessGuard },
      { provide: APP_PIPE, useFactory: createValidationPipe },
      { provide: APP_INTERCEPTOR, useClass: EtagInterceptor },
      { provide: ReadCoherence, useValue: dependencies.coherence },
      { provide: APP_INTERCEPTOR, useClass: SettleInterceptor },
    ];
    return { module: ApiModule, providers, controllers: CONTROLLERS };
  }
}

const CONTROLLERS = [
  AccessController,
  AdvisoryImportsController,
  AdvisorySourcesController,
  ArtifactsController,
  AuditEventsController,
  CiBindingsController,
  DenialsController,
  FindingsController,
  GrantsController,
  GroupsController,
  HealthController,
  JobsController,
  MeController,
  PoliciesController,
  ProjectsController,
  RepositoriesController,
  ResolveController,
  RobotsController,
  SbomController,
  StorageController,
  TokenExchangeController,
  TokensController,
  TrustedKeysController,
  UsersController,
  VerdictsController,
];

function createLocators(dependencies: ApiDependencies): Locators {
  const at = (nodeId: string | null | undefined): Location | null =>
    nodeId === null || nodeId === undefined ? null : { target: { id: nodeId }, repository: null };
  const { catalog, ciBindings, locators, members, robots, trustedKeys } = dependencies;
  return new Locators({
    binding: async (id) => at((await ciBindings.get(id))?.nodeId),
    grant: async (id) => at((await members.get(id))?.nodeId),
    robot: async (id) => at((await robots.get(id))?.nodeId),
    trustedKey: async (id) => at((await trustedKeys.get(id))?.nodeId),
    ...contentLocators(catalog),
    ...locators,
  });
}

function createHealthReporter(dependencies: ApiDependencies): HealthReporter {
  const { advisories, health, jobStatistics: jobs, version } = dependencies;
  return new HealthReporter({ advisories, health, jobs, version });
}
