import all from "@mantine/core/styles.css?raw";
import { expect, test } from "vitest";

const scripts = import.meta.glob<string>("../../dist/assets/*.js", { query: "?raw", import: "default", eager: true });
const sheets = import.meta.glob<string>("../../dist/assets/*.css", { query: "?raw", import: "default", eager: true });

/** classesOf are Mantine's class names in texts. */
function classesOf(...texts: string[]): Set<string> {
  return new Set(texts.flatMap((text) => text.match(/\bm_[0-9a-f]{5,8}\b/g) ?? []));
}

// A component of Mantine without its style sheet in mantine.css would only look wrong.
test("every component of Mantine that was built has its styles", () => {
  const styled = classesOf(all);
  const there = classesOf(...Object.values(sheets));
  const used = [...classesOf(...Object.values(scripts))].filter((name) => styled.has(name));
  expect(used.length).toBeGreaterThan(50);
  expect(used.filter((name) => !there.has(name))).toEqual([]);
});
