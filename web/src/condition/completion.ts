/** What can be typed at a place of a condition. Pure. */
import { tokenize, type Token } from "./tokens";

/** Place says what is being typed: text[from:to] is what a choice replaces. */
export type Place =
  | { kind: "field"; prefix: string; from: number; to: number }
  | { kind: "operator"; prefix: string; field: string; from: number; to: number }
  | { kind: "value"; prefix: string; field: string; operator: string; from: number; to: number };

/** placeAt looks at what is before the cursor. */
export function placeAt(text: string, cursor: number): Place {
  const before = tokenize(text.slice(0, cursor));
  const last = before.at(-1);
  const touching = last !== undefined && last.to === cursor;
  const current = touching && (last.kind === "word" || last.kind === "text") ? last : undefined;
  const done = current ? before.slice(0, -1) : before;
  const previous = done.at(-1);
  const prefix = current?.text ?? "";
  const from = current?.from ?? cursor;
  if (previous?.kind === "compare") {
    const field = done.at(-2);
    if (field?.kind === "word") {
      return { kind: "value", prefix: prefix.replace(/^["`]|["`]$/g, ""), field: field.text, operator: previous.text, from, to: cursor };
    }
  }
  if (!current && previous?.kind === "word" && !isValue(done, done.length - 1)) {
    return { kind: "operator", prefix: "", field: previous.text, from, to: cursor };
  }
  return { kind: "field", prefix, from, to: cursor };
}

function isValue(tokens: Token[], index: number): boolean {
  return tokens[index - 1]?.kind === "compare";
}

/** Operator is one that can follow a field, and what it means. */
export interface Operator {
  text: string;
  meaning: string;
}

const equality: Operator[] = [
  { text: "=", meaning: "is" },
  { text: "!=", meaning: "is not" },
];
const order: Operator[] = [
  { text: ">", meaning: "more than" },
  { text: ">=", meaning: "at least" },
  { text: "<", meaning: "less than" },
  { text: "<=", meaning: "at most" },
];
const pattern: Operator[] = [
  { text: "=~", meaning: "matches the regular expression" },
  { text: "!~", meaning: "does not match the regular expression" },
];

/** operatorsFor gives the operators that make sense for a field's type. */
export function operatorsFor(type: string | undefined): Operator[] {
  switch (type) {
    case "int":
    case "double":
    case "duration":
      return [...equality, ...order];
    case "bool":
    case "kind":
    case "status":
      return equality;
    case "severity":
      return [...order.slice(1, 2), ...equality, ...order.slice(0, 1), ...order.slice(2)];
    case "string":
      return [...equality, ...pattern];
  }
  return [...equality, ...order, ...pattern];
}

/** words are the values of fields that are one of a few words. */
export const words: Record<string, string[]> = {
  status: ["error", "ok", "unset"],
  kind: ["server", "client", "internal", "producer", "consumer"],
  severity: ["error", "warn", "info", "debug", "trace", "fatal"],
  duration: ["10ms", "100ms", "500ms", "1s", "5s"],
};

/** replace puts a choice in place of what was typed; cursor is where to go on. */
export function replace(text: string, place: Place, choice: string): { text: string; cursor: number } {
  const rest = text.slice(place.to);
  const spaced = place.kind === "value" || rest.startsWith(" ") ? choice : `${choice} `;
  const before = text.slice(0, place.from);
  return { text: before + spaced + rest, cursor: before.length + spaced.length };
}
