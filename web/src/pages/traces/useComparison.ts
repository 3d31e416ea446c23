import { useQueries, useQuery } from "@tanstack/react-query";
import { get, own, type Params } from "../../api/request";
import { type Facets, type FieldInfo } from "../../api/types";

/** Comparison has the values of the same attributes among all records and among those selected. */
export interface Comparison {
  whole: Facets;
  selection: Facets;
  /** compared are how many attributes are in it; known how many there are. */
  compared: number;
  known: number;
}

/** most are how many attributes are compared: each costs a count of its values. */
const most = 200;
/** batch is how many fields one request takes. */
const batch = 50;

const intrinsics = ["name", "kind", "status"];
const scopes = ["record", "resource", "instrumentation"];
const types = ["string", "bool", "int", "double"];

/** useComparison counts the values of every attribute in use, most used first, in whole and in selection. */
export function useComparison(whole: Params, selection: Params | undefined): { comparison: Comparison | undefined; error: unknown } {
  const known = useQuery({
    queryKey: [own, "fields", "comparison", whole["start"], whole["end"]],
    queryFn: ({ signal }) => get<{ fields: FieldInfo[] }>("fields", { kind: "spans", start: whole["start"], end: whole["end"], limit: 1000 }, signal),
    enabled: selection !== undefined,
    staleTime: 30_000,
  });
  const attributes = known.data?.fields.filter((f) => scopes.includes(f.scope) && types.includes(f.type)).map((f) => f.name) ?? [];
  const names = known.data && selection ? [...new Set([...intrinsics, ...attributes])].slice(0, most) : [];
  const asked: Params[] = [];
  for (let i = 0; i < names.length; i += batch) {
    for (const of of [whole, selection!]) asked.push({ ...of, field: names.slice(i, i + batch), values: 50 });
  }
  const answers = useQueries({
    queries: asked.map((params) => ({
      queryKey: [own, "facets", params],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Facets>("facets", params, signal),
      staleTime: 30_000,
    })),
  });
  const error = known.error ?? answers.find((a) => a.error)?.error ?? undefined;
  const done = answers.length > 0 && answers.every((a) => a.data);
  if (!done) return { comparison: undefined, error };
  const side = (odd: number): Facets => {
    const parts = answers.filter((_, i) => i % 2 === odd).map((a) => a.data!);
    const partial = parts.find((p) => p.report.partial);
    return { records: parts[0]!.records, facets: parts.flatMap((p) => p.facets), report: (partial ?? parts[0]!).report };
  };
  return { comparison: { whole: side(0), selection: side(1), compared: names.length, known: intrinsics.length + attributes.length }, error };
}
