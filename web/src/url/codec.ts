/**
 * The codec between a page's state and the search part of its URL. Pure: no DOM.
 *
 * A page describes its state once, as a record of fields:
 *
 *     const fields = { q: text(), view: oneOf("scatter", "heatmap"), limit: int(50) };
 *
 * Values equal to their default are left out, so that links stay short. Text
 * that a field cannot read (somebody edited the URL) means the default.
 */

/** Field says how one value is written into a URL and read from it. */
export interface Field<T> {
  /** initial is the value when the URL says nothing. */
  initial: T;
  /** read gives undefined for text that makes no sense. */
  read(text: string): T | undefined;
  write(value: T): string;
}

/** StateOf is the state that a record of fields describes. */
export type StateOf<F> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export type Fields = Record<string, Field<any>>;

export function text(initial = ""): Field<string> {
  return { initial, read: (t) => t, write: (v) => v };
}

export function int(initial: number, low = 0, high = Number.MAX_SAFE_INTEGER): Field<number> {
  return {
    initial,
    read: (t) => (/^-?\d+$/.test(t) && Number(t) >= low && Number(t) <= high ? Number(t) : undefined),
    write: String,
  };
}

/** flag is a switch that is off unless the URL has it as 1. */
export function flag(): Field<boolean> {
  return { initial: false, read: (t) => t === "1", write: (v) => (v ? "1" : "0") };
}

/** oneOf is one of a few words; the first is the initial one. */
export function oneOf<const W extends readonly [string, ...string[]]>(...words: W): Field<W[number]> {
  return { initial: words[0], read: (t) => words.find((w) => w === t), write: (v) => v };
}

/** list is several texts, kept apart by commas; a comma in one is escaped. */
export function list(): Field<string[]> {
  return {
    initial: [],
    read: (t) => (t === "" ? [] : t.split(",").map((p) => p.replaceAll("%2C", ",").replaceAll("%25", "%"))),
    write: (v) => v.map((p) => p.replaceAll("%", "%25").replaceAll(",", "%2C")).join(","),
  };
}

/** numbers is a fixed count of numbers, as a region on a chart is; undefined: none. */
export function numbers(count: number): Field<number[] | undefined> {
  return {
    initial: undefined,
    read: (t) => {
      const parts = t.split("~").map((p) => (p === "" ? NaN : Number(p)));
      return parts.length === count && parts.every(Number.isFinite) ? parts : undefined;
    },
    write: (v) => (v ?? []).join("~"),
  };
}

/** decode reads the state that fields describe. */
export function decode<F extends Fields>(fields: F, params: URLSearchParams): StateOf<F> {
  const state: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const t = params.get(name);
    state[name] = (t === null ? undefined : field.read(t)) ?? field.initial;
  }
  return state as StateOf<F>;
}

/** encode gives params with patch written over what it had; the rest stays. */
export function encode<F extends Fields>(fields: F, params: URLSearchParams, patch: Partial<StateOf<F>>): URLSearchParams {
  const out = new URLSearchParams(params);
  for (const [name, value] of Object.entries(patch)) {
    const field = fields[name];
    if (!field) continue;
    const t = value === undefined ? "" : field.write(value);
    if (value === undefined || t === field.write(field.initial)) out.delete(name);
    else out.set(name, t);
  }
  return out;
}

/** format writes params as people can read and paste them: only what must be is escaped. */
export function format(params: URLSearchParams): string {
  const parts: string[] = [];
  for (const [name, value] of params) {
    parts.push(`${encodeURIComponent(name)}=${readable(value)}`);
  }
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

function readable(value: string): string {
  return encodeURIComponent(value).replace(/%(20|2F|3A|2C|7E|40|24|3D)/g, (escape, hex: string) =>
    hex === "20" ? "+" : hex === "3D" ? escape : decodeURIComponent(escape),
  );
}
