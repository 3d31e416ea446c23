/** Conditions, links and texts about one log record. Pure. */
import { type Attribute, type Log } from "../../api/types";
import { quote } from "../../condition/edit";
import { valueText } from "../../ui/LongText";

/** fieldOf writes the name of an attribute as conditions have it. */
export function fieldOf(place: "log" | "resource", key: string): string {
  return `${place}.${/^[A-Za-z_][\w.-]*$/.test(key) ? key : quote(key)}`;
}

/** literalOf writes an attribute's value as conditions have it; undefined: no condition compares with it. */
export function literalOf(a: Attribute): string | undefined {
  switch (a.type) {
    case "string":
      return quote(String(a.value));
    case "bool":
    case "int":
      return String(a.value);
    case "double":
      return Number.isFinite(Number(a.value)) ? String(a.value) : undefined;
  }
  return undefined;
}

/** sources say most exactly which program a record is from, the best first. */
const sources = ["k8s.pod.name", "service.instance.id", "container.id", "host.name"];

/** sameSource is the condition that a record is from the same program, and how people call that. */
export function sameSource(log: Log): { q: string; label: string } {
  const parts: string[] = [];
  const label: string[] = [];
  const add = (key: string) => {
    const found = log.resource?.find((a) => a.key === key && a.type === "string" && a.value !== "");
    if (found) {
      parts.push(`${fieldOf("resource", key)} = ${quote(String(found.value))}`);
      label.push(String(found.value));
    }
    return found !== undefined;
  };
  add("service.name");
  sources.some(add);
  return { q: parts.join(" && "), label: label.join(", ") };
}

/** bodyLine is a record's body in one line. */
export function bodyLine(log: Log): string {
  const body = log.body;
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    const map = body as Record<string, unknown>;
    const said = map["message"] ?? map["msg"] ?? map["event"];
    if (typeof said === "string") return `${said} ${JSON.stringify(map)}`;
  }
  const text = valueText(body).slice(0, 2000).replace(/\s+/g, " ").trim();
  return text || log.eventName || "";
}

/** largest is how long a text may be to be looked at for JSON. */
const largest = 200_000;

/** pretty writes a body on several lines when it is JSON, or text that is JSON. */
export function pretty(body: unknown): string {
  if (typeof body === "object" && body !== null) return JSON.stringify(body, null, 2);
  const text = valueText(body);
  const t = text.trim();
  if (t.length > largest || !/^[[{][^]*[\]}]$/.test(t)) return text;
  try {
    return JSON.stringify(JSON.parse(t), null, 2);
  } catch {
    return text;
  }
}
