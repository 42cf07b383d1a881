export { type DatabaseOptions, migrate, openDatabase } from './data-source.ts';
