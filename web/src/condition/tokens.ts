/**
 * The words of a condition, as internal/query reads them. Pure. It accepts what
 * is still being typed: an open quote reaches to the end.
 */

/** Token is one word, operator, bracket or quoted text with its place. */
export interface Token {
  kind: "word" | "text" | "compare" | "logic" | "bracket";
  text: string;
  from: number;
  to: number;
}

const operators = ["&&", "||", "!=", "<=", ">=", "=~", "!~", "=", "<", ">", "!"];
const ends = " \t\n\r(){}[]=<>!&|~;\\'\"`,";

export function tokenize(q: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < q.length) {
    const c = q.charAt(i);
    if (/\s/.test(c)) {
      i++;
      continue;
    }
    const token = c === '"' || c === "`" ? quoted(q, i) : operator(q, i) ?? word(q, i);
    tokens.push(token);
    i = token.to;
  }
  return tokens;
}

function quoted(q: string, from: number): Token {
  const quote = q.charAt(from);
  let i = from + 1;
  while (i < q.length && q.charAt(i) !== quote) {
    i += quote === '"' && q.charAt(i) === "\\" ? 2 : 1;
  }
  const to = Math.min(q.length, i + 1);
  return { kind: "text", text: q.slice(from, to), from, to };
}

function operator(q: string, from: number): Token | undefined {
  if ("(){}".includes(q.charAt(from))) {
    return { kind: "bracket", text: q.charAt(from), from, to: from + 1 };
  }
  const op = operators.find((o) => q.startsWith(o, from));
  if (!op) return undefined;
  return { kind: op === "&&" || op === "||" || op === "!" ? "logic" : "compare", text: op, from, to: from + op.length };
}

function word(q: string, from: number): Token {
  let i = from;
  while (i < q.length && (i === from || !ends.includes(q.charAt(i)))) {
    // A quoted part belongs to the name before it: span."my attr".
    i++;
    if (q.charAt(i - 1) === "." && q.charAt(i) === '"') i = quoted(q, i).to;
  }
  const text = q.slice(from, i);
  const logic = text === "AND" || text === "OR" || text === "NOT";
  return { kind: logic ? "logic" : "word", text, from, to: i };
}
