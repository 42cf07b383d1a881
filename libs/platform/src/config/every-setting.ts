import type { Settings } from './setting.ts';
import * as fragments from './settings.ts';

/** The settings of all processes together. */
export const EVERY_SETTING: Settings = Object.assign({}, ...Object.values(fragments)) as Settings;
