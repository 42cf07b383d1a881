/** Deeper nesting than any statement has. */
const DEPTH_MAX = 256;
/** Longer numbers are no honest ones. */
const TOKEN_MAX = 512;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const LITERALS: readonly string[] = ['true', 'false', 'null'];

/** What may come next, outside of strings, numbers and literals. */
type Expected =
  'start' | 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'nothing';

/**
 * Tells whether bytes that come in pieces are one JSON object in UTF-8 (RFC 8259), without building it: what is
 * looked at is chosen by strangers, and a parsed value may be fifty times as large as its text.
 */
export class JsonObjectCheck {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** The open brackets, innermost last: true for an object. */
  readonly #open: boolean[] = [];
  #expected: Expected = 'start';
  #string: 'none' | 'key' | 'value' = 'none';
  /** Characters of an escape that are still to come: 5 after a backslash, then the digits of `\uXXXX`. */
  #escape = 0;
  /** The number or literal that is being read. */
  #token = '';
  #failed = false;

  /** Takes the next piece. False as soon as no further piece could make it an object. */
  push(bytes: Uint8Array): boolean {
    if (!this.#failed) this.#failed = !this.#read(bytes, true);
    return !this.#failed;
  }

  /** Whether everything that was pushed is one object. */
  end(): boolean {
    if (!this.#failed) this.#failed = !this.#read(new Uint8Array(), false);
    return !this.#failed && this.#expected === 'nothing';
  }

  #read(bytes: Uint8Array, stream: boolean): boolean {
    let text: string;
    try {
      text = this.#decoder.decode(bytes, { stream });
    } catch {
      return false;
    }
    for (let at = 0; at < text.length; at += 1) {
      const accepted =
        this.#string === 'none' ? this.#structure(text.charCodeAt(at)) : this.#character(text.charCodeAt(at));
      if (!accepted) return false;
    }
    return true;
  }

  /** One UTF-16 unit within a string. */
  #character(code: number): boolean {
    if (this.#escape > 0) return this.#escaped(code);
    if (code < 0x20) return false;
    if (code === 0x5c) this.#escape = 5;
    if (code !== 0x22) return true;
    this.#expected = this.#string === 'key' ? 'colon' : 'comma-or-end';
    this.#string = 'none';
    return true;
  }

  #escaped(code: number): boolean {
    if (this.#escape === 5) {
      this.#escape = code === 0x75 ? 4 : 0;
      return '"\\/bfnrtu'.includes(String.fromCharCode(code));
    }
    this.#escape -= 1;
    return /^[0-9A-Fa-f]$/.test(String.fromCharCode(code));
  }

  #structure(code: number): boolean {
    const isTokenPart =
      (code >= 0x30 && code <= 0x39) ||
      (code >= 0x61 && code <= 0x7a) ||
      code === 0x2d ||
      code === 0x2b ||
      code === 0x2e ||
      code === 0x45;
    if (isTokenPart) return this.#tokenPart(String.fromCharCode(code));
    if (this.#token !== '' && !this.#endToken()) return false;
    switch (code) {
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
        return true;
      case 0x22:
        return this.#startString();
      case 0x7b:
        return this.#push(true);
      case 0x5b:
        return this.#push(false);
      case 0x7d:
        return this.#close(true, 'key-or-end');
      case 0x5d:
        return this.#close(false, 'value-or-end');
      case 0x3a:
        return this.#move('colon', 'value');
      case 0x2c:
        return this.#move('comma-or-end', this.#open.at(-1) === true ? 'key' : 'value');
      default:
        return false;
    }
  }

  #tokenPart(character: string): boolean {
    if (this.#token === '' && !this.#isValueExpected()) return false;
    this.#token += character;
    return this.#token.length <= TOKEN_MAX;
  }

  #endToken(): boolean {
    const isValue = NUMBER.test(this.#token) || LITERALS.includes(this.#token);
    this.#token = '';
    this.#expected = 'comma-or-end';
    return isValue;
  }

  #startString(): boolean {
    const isKey = this.#expected === 'key' || this.#expected === 'key-or-end';
    if (!isKey && !this.#isValueExpected()) return false;
    this.#string = isKey ? 'key' : 'value';
    return true;
  }

  #push(isObject: boolean): boolean {
    const isFirst = this.#expected === 'start' && isObject;
    if (!isFirst && !this.#isValueExpected()) return false;
    this.#expected = isObject ? 'key-or-end' : 'value-or-end';
    return this.#open.push(isObject) <= DEPTH_MAX;
  }

  #close(isObject: boolean, whenEmpty: Expected): boolean {
    if (this.#expected !== 'comma-or-end' && this.#expected !== whenEmpty) return false;
    if (this.#open.pop() !== isObject) return false;
    this.#expected = this.#open.length === 0 ? 'nothing' : 'comma-or-end';
    return true;
  }

  #move(from: Expected, to: Expected): boolean {
    if (this.#expected !== from || this.#open.length === 0) return false;
    this.#expected = to;
    return true;
  }

  #isValueExpected(): boolean {
    return this.#expected === 'value' || this.#expected === 'value-or-end';
  }
}
