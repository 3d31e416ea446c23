import { expect, test } from "vitest";
import { colorOf, palette, rgb } from "./colors";

test("names keep their colour and spread over all of them", () => {
  expect(colorOf("frontend")).toBe(colorOf("frontend"));
  const used = new Set(Array.from({ length: 200 }, (_, i) => colorOf(`service-${i}`)));
  expect(used.size).toBe(palette.length);
  expect(rgb("#3b82c4")).toEqual([0x3b, 0x82, 0xc4]);
});
