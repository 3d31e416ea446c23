import { expect, test } from "vitest";
import { operatorsFor, placeAt, replace } from "./completion";
import { add, and, equal, has, join, remove, split, toggle, unequal } from "./edit";
import { tokenize } from "./tokens";

test("conditions are split where they are joined by and", () => {
  const f = (q: string, ...want: string[]) => expect(split(q), q).toEqual(want);
  f("");
  f("{ }");
  f("{ status = error && duration > 40ms }", "status = error", "duration > 40ms");
  f("http.route=/cart status=error", "http.route=/cart", "status=error");
  f("timeout severity >= warn", "timeout", "severity >= warn");
  f('"a && b" x = "c || d"', '"a && b"', 'x = "c || d"');
  f("a = 1 || b = 2", "a = 1 || b = 2");
  f("(a = 1 || b = 2) && c = 3", "(a = 1 || b = 2)", "c = 3");
  f("!(a = 1) b = 2", "!(a = 1)", "b = 2");
  f("a = 1 !(b = 2)", "a = 1", "!(b = 2)");
  f("!(a = 1) && !(b = 2)", "!(a = 1)", "!(b = 2)");
  f("a = (", "a = (");
  f('span."my attr" = "x"', 'span."my attr" = "x"');
});

test("parts can be added and removed", () => {
  expect(add("", "status = error")).toBe("status = error");
  expect(add("a = 1 || b = 2", "c = 3")).toBe("(a = 1 || b = 2) && c = 3");
  expect(add("a = 1", "a = 1")).toBe("a = 1");
  expect(remove("a = 1 && b = 2", "a = 1")).toBe("b = 2");
  expect(toggle(toggle("", "a = 1"), "a = 1")).toBe("");
  expect(has("{ a = 1 && b = 2 }", "b = 2")).toBe(true);
  expect(and("", "a = 1 b = 2", "c = 3")).toBe("a = 1 && b = 2 && c = 3");
  expect(join(split("a b c"))).toBe("a && b && c");
  expect([equal("span.x", '"y"'), unequal("span.x", "3")]).toEqual(['span.x = "y"', "!(span.x = 3)"]);
});

test("every text is cut into tokens that cover it", () => {
  for (const q of ['"open', "`", "a.\"b", "&&&|~[];\\'", "😀 \u202e", '"\\', "=", "\n\t"]) {
    const covered = tokenize(q).reduce((n, t) => n + t.to - t.from, 0);
    expect(covered, q).toBe(q.replace(/\s/g, "").length);
  }
});

test("what is being typed", () => {
  const f = (text: string, kind: string, prefix: string) => {
    const place = placeAt(text, text.length);
    expect([place.kind, place.prefix], text).toEqual([kind, prefix]);
  };
  f("", "field", "");
  f("serv", "field", "serv");
  f("status ", "operator", "");
  f("status =", "value", "");
  f("status = er", "value", "er");
  f('name = "GET', "value", "GET");
  f("status = error ", "field", "");
  f("status = error && du", "field", "du");
  f("(a = 1 || ", "field", "");
});

test("a choice takes the place of what was typed", () => {
  const f = (text: string, choice: string) => replace(text, placeAt(text, text.length), choice).text;
  expect(f("serv", "resource.service.name")).toBe("resource.service.name ");
  expect(f("status ", "=")).toBe("status = ");
  expect(f("status = er", "error")).toBe("status = error");
  expect(operatorsFor("status").map((o) => o.text)).toEqual(["=", "!="]);
});
