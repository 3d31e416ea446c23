/**
 * What differs between a selection and the rest: values of attributes that are
 * more or less frequent in it. Pure.
 */
import { type Facets } from "../../api/types";

/** Difference is one value and its share in both. */
export interface Difference {
  field: string;
  /** text is the value as conditions have it. */
  text: string;
  value: unknown;
  type: string;
  /** selected and rest are shares of the records, 0 to 1. */
  selected: number;
  rest: number;
}

/** uniqueShare is from which share of distinct values on a field names records, not kinds of records. */
const uniqueShare = 0.9;

/**
 * differences ranks values; whole counts all records, selection those selected,
 * over the same fields. What chance would explain is left out (the z value of the
 * two shares' difference is below 1.96); of the rest, the largest difference of
 * the shares comes first.
 */
export function differences(whole: Facets, selection: Facets, most = 12): Difference[] {
  const n = selection.records;
  const m = whole.records - n;
  if (n === 0 || m <= 0) return [];
  const found: Difference[] = [];
  for (const facet of selection.facets) {
    const all = whole.facets.find((f) => f.field === facet.field);
    if (!all || (facet.distinct > 10 && facet.distinct > uniqueShare * facet.records)) continue;
    const values = new Map(facet.values.map((v) => [v.text, v]));
    for (const v of all.values) if (!values.has(v.text)) values.set(v.text, { ...v, count: 0 });
    for (const [text, v] of values) {
      const a = v.count ?? 0;
      const total = all.values.find((w) => w.text === text)?.count;
      // What is not among the most frequent values of the whole is at least in the selection.
      const b = Math.max(0, (total ?? a) - a);
      const pooled = (a + b) / (n + m);
      const spread = Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
      if (spread === 0) continue;
      if (Math.abs(a / n - b / m) / spread < 1.96) continue;
      found.push({ field: facet.field, text, value: v.value, type: v.type, selected: a / n, rest: b / m });
    }
  }
  // What is more frequent explains more than what is missing because of it.
  const weight = (d: Difference) => (d.selected > d.rest ? d.selected - d.rest : (d.rest - d.selected) / 2);
  found.sort((x, y) => weight(y) - weight(x));
  const perField = new Map<string, number>();
  return found
    .filter((d) => {
      const seen = (perField.get(d.field) ?? 0) + 1;
      perField.set(d.field, seen);
      return seen <= 3;
    })
    .slice(0, most);
}
