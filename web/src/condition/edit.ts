/**
 * Conditions as a list of parts that must all hold: what the chips show, and how
 * a click on a value changes them. Pure.
 */
import { tokenize } from "./tokens";

/** split gives the parts of a condition that is joined by "and" only; any other is one part. */
export function split(q: string): string[] {
  let text = q.trim();
  const braces = /^\{([^{}]*)\}$/.exec(text);
  if (braces) text = (braces[1] ?? "").trim();
  if (text === "") return [];
  const tokens = tokenize(text);
  const parts: string[] = [];
  let depth = 0;
  let start = -1;
  const cut = (to: number) => {
    if (start >= 0 && text.slice(start, to).trim() !== "") parts.push(text.slice(start, to).trim());
    start = -1;
  };
  for (let i = 0; i < tokens.length; i++) {
    const t = tokens[i]!;
    if (t.text === "(" || t.text === "{") depth++;
    if (t.text === ")" || t.text === "}") depth--;
    if (depth === 0 && (t.text === "||" || t.text === "OR")) return [text];
    if (depth === 0 && (t.text === "&&" || t.text === "AND")) {
      cut(t.from);
      continue;
    }
    const before = tokens[i - 1];
    const begins =
      depth === (t.text === "(" || t.text === "{" ? 1 : 0) &&
      t.kind !== "compare" &&
      t.text !== ")" &&
      t.text !== "}" &&
      before !== undefined &&
      before.kind !== "compare" &&
      before.kind !== "logic";
    if (begins) cut(t.from);
    if (start < 0) start = t.from;
  }
  cut(text.length);
  return parts;
}

/** join is the opposite of split. */
export function join(parts: readonly string[]): string {
  if (parts.length === 1) return parts[0]!;
  return parts.map((p) => (needsBrackets(p) ? `(${p})` : p)).join(" && ");
}

function needsBrackets(part: string): boolean {
  let depth = 0;
  for (const t of tokenize(part)) {
    if (t.text === "(") depth++;
    if (t.text === ")") depth--;
    if (depth === 0 && (t.text === "||" || t.text === "OR")) return true;
  }
  return false;
}

/** add gives q with one more part, or q when it has it. */
export function add(q: string, part: string): string {
  const parts = split(q);
  const p = part.trim();
  return p === "" || parts.includes(p) ? q : join([...parts, p]);
}

/** remove gives q without a part. */
export function remove(q: string, part: string): string {
  return join(split(q).filter((p) => p !== part.trim()));
}

export function has(q: string, part: string): boolean {
  return split(q).includes(part.trim());
}

/** toggle adds or removes a part. */
export function toggle(q: string, part: string): string {
  return has(q, part) ? remove(q, part) : add(q, part);
}

/** and joins whole conditions, of which any may be empty. */
export function and(...conditions: string[]): string {
  return join(conditions.flatMap(split));
}

/** equal writes that a field has a value; both as the API gives them. */
export function equal(field: string, text: string): string {
  return `${field} = ${text}`;
}

/** unequal writes that it has another or none: != alone would drop records without the field. */
export function unequal(field: string, text: string): string {
  return `!(${field} = ${text})`;
}

/** quote writes text as a value. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
