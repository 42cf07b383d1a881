/** Called with the payload of a notification, or with null when some may have been missed: look for yourself then. */
export type NotificationHandler = (payload: string | null) => void;

/**
 * Wake-up calls between processes. They carry no truth: one may come twice, late, or (while the connection is
 * lost) never, and then every handler is called with null as soon as the connection is back.
 */
export abstract class Notifications {
  /** Resolves when listening has begun, or at once while the connection is down. Returns how to stop. */
  abstract subscribe(channel: string, handler: NotificationHandler): Promise<() => Promise<void>>;

  /**
   * Sends a notification. It is delivered to this process as well, behind everything that was notified before.
   * False when the connection is down.
   */
  abstract send(channel: string, payload: string): Promise<boolean>;

  /**
   * Resolves when everything that was notified by transactions that were committed before the call has been delivered
   * to this process. False when the connection is down, and when that is found out by the attempt.
   */
  abstract flush(): Promise<boolean>;

  abstract close(): Promise<void>;
}
