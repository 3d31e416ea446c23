import { ActionIcon, Button, Pill, Popover, SegmentedControl, Select, UnstyledButton } from "@mantine/core";
import { lazy, Suspense, useMemo, useState } from "react";
import { usePrometheus } from "../../api/client";
import { count, plural } from "../../time/format";
import { IconClose, IconFilter } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { type Metric } from "./catalog";
import { aggregations, defaultWindow, selector, type Aggregation, type Built, type Group, type Matcher } from "./promql";
import { useSeconds } from "./useCatalog";

const Editor = lazy(() => import("./Editor"));

interface Props {
  group: Group;
  letter: string;
  metric: Metric | undefined;
  onBuilt(built: Built, quantiles?: number[]): void;
  onText(index: number, text: string): void;
  onRemove(): void;
}

/** Card is one query: chips where its form is known, and its PromQL always. */
export function Card({ group, letter, metric, onBuilt, onText, onRemove }: Props) {
  const { built } = group;
  return (
    <section className="panel card" aria-label={`Query ${letter}`}>
      <div className="card-head">
        <span className="card-letter" aria-hidden>
          {letter}
        </span>
        {built ? <Chips built={built} quantiles={group.quantiles} metric={metric} onBuilt={onBuilt} /> : <span className="soft">Written by hand; chips are there for simple forms.</span>}
        <ActionIcon onClick={onRemove} aria-label={`Remove query ${letter}`} title="Remove" ml="auto">
          <IconClose size={15} />
        </ActionIcon>
      </div>
      {metric?.help && (
        <p className="soft card-help">
          <bdi>{beginning(metric.help, 300)}</bdi>
        </p>
      )}
      {group.expressions.map((text, i) => (
        <Suspense key={i} fallback={<code className="editor-wait">{beginning(text, 400)}</code>}>
          <Editor label={`PromQL of query ${letter}${i > 0 ? `, ${i + 1}` : ""}`} value={text} onSubmit={(t) => onText(i, t)} />
        </Suspense>
      ))}
    </section>
  );
}

const quantileChoices = [0.5, 0.9, 0.95, 0.99, 0.999];

function Chips({ built: b, quantiles, metric, onBuilt }: { built: Built; quantiles: number[]; metric: Metric | undefined; onBuilt: Props["onBuilt"] }) {
  const labels = useLabels(b);
  const isQuantile = b.quantile !== undefined;
  const kind = metric?.kind;
  return (
    <div className="chips">
      <span className="mono ellipsis card-metric" title={b.metric}>
        <bdi>{beginning(b.metric.replace(isQuantile ? /_bucket$/ : /$^/, ""), 120)}</bdi>
      </span>
      {isQuantile ? (
        <span className="chip-group" role="group" aria-label="Percentiles">
          {quantileChoices.map((q) => {
            const on = quantiles.includes(q);
            const next = on ? quantiles.filter((o) => o !== q) : [...quantiles, q].sort((x, y) => x - y);
            return (
              <UnstyledButton key={q} className="chip-button" aria-pressed={on} disabled={next.length === 0} onClick={() => onBuilt(b, next)}>
                p{Number((q * 100).toFixed(3))}
              </UnstyledButton>
            );
          })}
        </span>
      ) : (
        <>
          {(kind === "counter" || kind === "histogram" || b.range !== undefined) && (
            <SegmentedControl
              aria-label="Of the counter"
              value={b.range ?? "value"}
              onChange={(v) => onBuilt(withRange(b, v))}
              data={[
                { value: "rate", label: "per second" },
                { value: "increase", label: "increase" },
                { value: "value", label: "value" },
              ]}
            />
          )}
          <Select
            aria-label="Aggregation"
            w={112}
            allowDeselect={false}
            value={b.aggregation ?? "none"}
            onChange={(v) => onBuilt(withAggregation(b, v))}
            data={[{ value: "none", label: "every series" }, ...aggregations.map((a) => ({ value: a, label: a }))]}
          />
        </>
      )}
      {b.range && <Select aria-label="Window" w={78} allowDeselect={false} value={b.window} onChange={(v) => onBuilt({ ...b, window: v ?? defaultWindow })} data={[...new Set(["1m", "5m", "15m", "1h", b.window])]} />}
      <GroupBy built={b} labels={labels} onBuilt={onBuilt} />
      <Filters built={b} labels={labels} onBuilt={onBuilt} />
    </div>
  );
}

function withRange(b: Built, range: string): Built {
  const next = { ...b };
  delete next.range;
  return range === "value" ? next : { ...next, range: range as "rate" | "increase" };
}

function withAggregation(b: Built, aggregation: string | null): Built {
  const next = { ...b };
  delete next.aggregation;
  return aggregation === null || aggregation === "none" ? { ...next, by: [] } : { ...next, aggregation: aggregation as Aggregation };
}

/** LabelInfo is a label of a metric's series, with the values it has. */
interface LabelInfo {
  name: string;
  values: string[];
}

const mostSeries = 2000;

/** useLabels gives the labels of the series that b reads, those that tell series apart first. */
function useLabels(b: Built): LabelInfo[] | undefined {
  const seconds = useSeconds();
  // The buckets of a histogram have the labels of its count, which is one series instead of many.
  const metric = b.quantile === undefined ? b.metric : b.metric.replace(/_bucket$/, "_count");
  const series = usePrometheus<Record<string, string>[]>({ path: "series", params: { ...seconds, "match[]": selector(metric, b.matchers), limit: mostSeries }, keep: false });
  return useMemo(() => {
    if (!series.data) return undefined;
    const values = new Map<string, Set<string>>();
    for (const one of series.data) {
      for (const [label, value] of Object.entries(one)) {
        if (label === "__name__" || label === "le") continue;
        values.set(label, (values.get(label) ?? new Set()).add(value));
      }
    }
    return [...values]
      .map(([name, set]) => ({ name, values: [...set].sort() }))
      .sort((x, y) => Number(y.values.length > 1) - Number(x.values.length > 1) || x.values.length - y.values.length || (x.name < y.name ? -1 : 1));
  }, [series.data]);
}

const fewLabels = 12;

function GroupBy({ built: b, labels, onBuilt }: { built: Built; labels: LabelInfo[] | undefined; onBuilt: Props["onBuilt"] }) {
  const [all, setAll] = useState(false);
  if (!labels) return null;
  const shown = [...b.by.filter((l) => !labels.some((i) => i.name === l)).map((name) => ({ name, values: [] as string[] })), ...labels];
  const toggle = (label: string) => {
    const by = b.by.includes(label) ? b.by.filter((l) => l !== label) : [...b.by, label];
    onBuilt({ ...b, by, ...(b.quantile === undefined ? { aggregation: b.aggregation ?? (b.range ? "sum" : "avg") } : {}) });
  };
  return (
    <span className="chip-group" role="group" aria-label="Group by">
      <span className="soft">by</span>
      {(all ? shown : shown.slice(0, fewLabels)).map((l) => (
        <UnstyledButton
          key={l.name}
          className="chip-button"
          aria-pressed={b.by.includes(l.name)}
          data-alone={l.values.length === 1 || undefined}
          onClick={() => toggle(l.name)}
          title={beginning(`${plural(l.values.length, "value")}: ${l.values.slice(0, 12).map((v) => beginning(v, 40)).join(", ")}`, 500)}
        >
          <bdi>{beginning(l.name, 60)}</bdi> <span className="soft">{count(l.values.length)}</span>
        </UnstyledButton>
      ))}
      {shown.length > fewLabels && (
        <UnstyledButton className="showall" onClick={() => setAll(!all)}>
          {all ? "fewer" : `${shown.length - fewLabels} more`}
        </UnstyledButton>
      )}
      {shown.length === 0 && <span className="soft">nothing: there is one series</span>}
    </span>
  );
}

function Filters({ built: b, labels, onBuilt }: { built: Built; labels: LabelInfo[] | undefined; onBuilt: Props["onBuilt"] }) {
  const [opened, setOpened] = useState(false);
  const [label, setLabel] = useState<string | null>(null);
  const [op, setOp] = useState<Matcher["op"]>("=");
  const values = labels?.find((l) => l.name === label)?.values ?? [];
  const choose = (value: string | null) => {
    if (label === null || value === null) return;
    onBuilt({ ...b, matchers: [...b.matchers, { label, op, value }] });
    setOpened(false);
    setLabel(null);
  };
  return (
    <span className="chip-group" role="group" aria-label="Filters">
      {b.matchers.map((m, i) => (
        <Pill key={i} withRemoveButton className="chip" removeButtonProps={{ "aria-label": `Remove the filter on ${m.label}`, "aria-hidden": false, tabIndex: 0 }} onRemove={() => onBuilt({ ...b, matchers: b.matchers.filter((_, j) => j !== i) })}>
          <bdi className="mono">{beginning(`${m.label} ${m.op} ${m.value}`, 60)}</bdi>
        </Pill>
      ))}
      <Popover opened={opened} onChange={setOpened} position="bottom-start" shadow="md" trapFocus>
        <Popover.Target>
          <Button size="compact-xs" variant="default" leftSection={<IconFilter size={12} />} onClick={() => setOpened(!opened)} disabled={!labels || labels.length === 0}>
            Filter
          </Button>
        </Popover.Target>
        <Popover.Dropdown p="xs" className="filter-choice">
          <Select data-autofocus placeholder="Label" aria-label="Label" searchable value={label} onChange={setLabel} data={labels?.map((l) => l.name) ?? []} comboboxProps={{ withinPortal: false }} />
          <SegmentedControl aria-label="How" value={op} onChange={(v) => setOp(v as Matcher["op"])} data={["=", "!="]} />
          <Select placeholder="Value" aria-label="Value" searchable limit={100} value={null} onChange={choose} data={values.filter((v) => v !== "")} disabled={label === null} comboboxProps={{ withinPortal: false }} />
        </Popover.Dropdown>
      </Popover>
    </span>
  );
}
