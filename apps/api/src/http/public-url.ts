/** Where clients reach this installation. A class, so that it can be injected. */
export class PublicUrl {
  /** Without a slash at the end. */
  readonly value: string;
  /** Host and port as references to images write them, in lower case. */
  readonly host: string;

  constructor(url: string) {
    this.value = url.replace(/\/+$/, '');
    this.host = new URL(url).host;
  }
}
