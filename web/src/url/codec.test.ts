import { expect, test } from "vitest";
import { decode, encode, flag, format, int, list, numbers, oneOf, text } from "./codec";

const fields = {
  q: text(),
  view: oneOf("scatter", "heatmap"),
  limit: int(50, 1, 1000),
  live: flag(),
  columns: list(),
  region: numbers(4),
};

test("a state survives the way through a URL", () => {
  const states = [
    {},
    { q: 'http.route = "/a b" && x =~ ".*&?#%+,\u202e😀"', view: "heatmap" as const, limit: 7, live: true },
    { columns: ["a,b", "100%", "", "%2C"], region: [1, 2.5, -3, 1e21] },
  ];
  for (const state of states) {
    const params = encode(fields, new URLSearchParams(), state);
    const back = decode(fields, new URL("http://x/" + format(params)).searchParams);
    expect(back).toEqual({ q: "", view: "scatter", limit: 50, live: false, columns: [], region: undefined, ...state });
  }
});

test("defaults are left out and what belongs to others stays", () => {
  const params = new URLSearchParams("from=now-1h&q=x&limit=7");
  expect(format(encode(fields, params, { q: "", limit: 50, view: "scatter" }))).toBe("?from=now-1h");
});

test("text that makes no sense is the default", () => {
  const state = decode(fields, new URLSearchParams("view=pie&limit=0&live=yes&region=1~2~x~4"));
  expect(state).toMatchObject({ view: "scatter", limit: 50, live: false, region: undefined });
});

test("links are readable", () => {
  expect(format(new URLSearchParams({ q: "http.route = /cart", to: "now" }))).toBe("?q=http.route+%3D+/cart&to=now");
});
