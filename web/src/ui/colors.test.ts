import { expect, test } from "vitest";
import { colorOf, inkOn, palette, rgb } from "./colors";

test("names keep their colour and spread over all of them", () => {
  expect(colorOf("frontend")).toBe(colorOf("frontend"));
  const used = new Set(Array.from({ length: 200 }, (_, i) => colorOf(`service-${i}`)));
  expect(used.size).toBe(palette.length);
  expect(rgb("#3b82c4")).toEqual([0x3b, 0x82, 0xc4]);
});

test("text on a colour can be read", () => {
  expect([inkOn("#ffffff"), inkOn("#ffd166"), inkOn("#3b82c4"), inkOn("#a3218e"), inkOn("#000000")]).toEqual(["#000", "#000", "#000", "#fff", "#fff"]);
});
