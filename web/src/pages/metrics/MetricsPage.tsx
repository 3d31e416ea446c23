import "./metrics.css";
import { Button, Group } from "@mantine/core";
import { useCallback, useMemo, useState } from "react";
import { useKeys } from "../../app/keys";
import { oneOf, text, type Field } from "../../url/codec";
import { useUrlState } from "../../url/router";
import { Card } from "./Card";
import { ChartPanel, views } from "./ChartPanel";
import { FirstMetric } from "./FirstMetric";
import { Picker } from "./Picker";
import { first, grouped, rewritten, type Built, type Group as Queries } from "./promql";
import { letterOf } from "./useAnswers";
import { useCatalog } from "./useCatalog";

/** lines are expressions, one in a line. */
const lines: Field<string[]> = {
  initial: [],
  read: (t) => t.split("\n").filter((l) => l.trim() !== ""),
  write: (v) => v.map((l) => l.replace(/\s*\n\s*/g, " ")).join("\n"),
};

const fields = { e: lines, view: oneOf(...views), exemplars: oneOf("on", "off"), search: text() };

/** MetricsPage finds metrics and draws them. The address has PromQL only. */
export default function MetricsPage() {
  const [state, set] = useUrlState(fields);
  const { metrics } = useCatalog();
  const [blank, setBlank] = useState(false);
  const groups = useMemo(() => grouped(state.e), [state.e]);
  const byName = useMemo(() => new Map(metrics?.map((m) => [m.name, m])), [metrics]);
  const metricOf = useCallback((name: string) => byName.get(name) ?? byName.get(name.replace(/_(bucket|sum|count)$/, "")), [byName]);
  const unitOfMetric = useCallback((name: string) => metricOf(name)?.unit ?? "", [metricOf]);
  const empty = groups.length === 0 && !blank;
  useKeys({ e: ["Write PromQL", () => setBlank(true)] });
  const setText = (group: Queries, index: number, expression: string) => {
    const next = [...state.e];
    const at = group.at + index;
    if (expression.trim() === "") next.splice(at, 1);
    else next[at] = expression;
    set({ e: next });
  };
  return (
    <>
      <h1 className="visually-hidden">Metrics</h1>
      <Picker
        always={empty}
        text={state.search}
        onText={(search) => set({ search }, { replace: true })}
        onChoose={(metric, add) => set({ e: [...(add ? state.e : []), ...first(metric)], search: "", ...(add ? {} : { view: "line" }) })}
      >
        {empty && state.search === "" && <FirstMetric />}
      </Picker>
      {groups.map((g, n) => (
        <Card
          key={g.at}
          group={g}
          letter={letterOf(n)}
          metric={g.built && metricOf(g.built.metric)}
          onBuilt={(built: Built, quantiles) => set({ e: rewritten(state.e, g, built, quantiles) })}
          onText={(i, t) => setText(g, i, t)}
          onRemove={() => set({ e: [...state.e.slice(0, g.at), ...state.e.slice(g.at + g.expressions.length)] })}
        />
      ))}
      {blank && (
        <Card
          group={{ at: state.e.length, expressions: [""], built: undefined, quantiles: [] }}
          letter={letterOf(groups.length)}
          metric={undefined}
          onBuilt={() => {}}
          onText={(_, t) => {
            setBlank(false);
            if (t.trim() !== "") set({ e: [...state.e, t] });
          }}
          onRemove={() => setBlank(false)}
        />
      )}
      <Group gap="xs">
        <Button variant="default" onClick={() => setBlank(true)} disabled={blank} title="e">
          Write PromQL
        </Button>
        {groups.length > 0 && <span className="soft wide-only">Shift Enter in the field above adds a metric to the chart.</span>}
      </Group>
      {groups.length > 0 && (
        <ChartPanel
          expressions={state.e}
          groups={groups}
          view={state.view}
          onView={(view) => set({ view })}
          exemplars={state.exemplars === "on"}
          onExemplars={(on) => set({ exemplars: on ? "on" : "off" })}
          unitOfMetric={unitOfMetric}
        />
      )}
    </>
  );
}
