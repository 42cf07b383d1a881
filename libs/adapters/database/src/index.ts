export type { EventPayloads, EventType, OutboxEvent } from './events.ts';
export { newId } from './ids.ts';
