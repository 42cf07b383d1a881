import type { Catalog } from '@sluice/catalog';
import type { AccessControl, Authentication } from '@sluice/identity';
import type { Projects } from '@sluice/projects';
import type { Locator } from './access/locators.ts';
import type { ResourceKind } from './http/ids.ts';

/** The instances that the controllers work with. A new controller adds the feature it needs here. */
export interface ApiDependencies {
  readonly authentication: Authentication;
  readonly accessControl: AccessControl;
  readonly projects: Projects;
  readonly catalog: Catalog;
  /** Where clients reach this installation, e.g. `https://sluice.example.com`; verdicts name it. */
  readonly publicUrl: string;
  /** Where resources lie whose ids stand in paths, for `@Permission(…, param(…))`. Nodes are known already. */
  readonly locators: Partial<Record<ResourceKind, Locator>>;
}
