/** Called with the payload of a notification, or with null when some may have been missed: look for yourself then. */
export type NotificationHandler = (payload: string | null) => void;

/**
 * Wake-up calls between processes. They carry no truth: one may come twice, late, or (while the connection is
 * lost) never, and then every handler is called with null as soon as the connection is back.
 */
export abstract class Notifications {
  /** Resolves when listening has begun, or at once while the connection is down. Returns how to stop. */
  abstract subscribe(channel: string, handler: NotificationHandler): Promise<() => Promise<void>>;

  abstract close(): Promise<void>;
}
