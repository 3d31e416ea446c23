import { Alert, Button, SegmentedControl, Text } from "@mantine/core";
import { lazy, Suspense, useMemo } from "react";
import { type PageProps } from "..";
import { useApi } from "../../api/client";
import { own } from "../../api/request";
import { type Logs, type Rank, type Ranks, type SpanCore, type Trace } from "../../api/types";
import { useKeys } from "../../app/keys";
import { and } from "../../condition/edit";
import { count, duration, instant, msOf, plural, utc } from "../../time/format";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconDownload, IconError } from "../../ui/icons";
import { beginning } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { CopyIcon, Loading, PartialNote, QueryState } from "../../ui/states";
import { flag, numbers, oneOf, text } from "../../url/codec";
import { hrefOf, useUrlState } from "../../url/router";
import { Link } from "../../url/Link";
import { askTrace } from "../first";
import { find, logsBySpan, modelOf, type Model } from "./model";
import { SpanPanel } from "./SpanPanel";
import { Waterfall } from "./Waterfall";

const Flame = lazy(() => import("./Flame"));
const Statistics = lazy(() => import("./Statistics"));
const Compare = lazy(() => import("./Compare"));

const fields = {
  view: oneOf("waterfall", "flame", "statistics", "compare"),
  /** span is the open one. */
  span: text(),
  /** zoom is the part shown, in nanoseconds from the start of the trace. */
  zoom: numbers(2),
  /** q is the condition that led here; the spans that satisfy it are marked. */
  q: text(),
  /** find marks the spans that have the text. */
  find: text(),
  /** with is the trace to compare with. */
  with: text(),
  nologs: flag(),
};

/** rankRange is how far back a span is compared with others of its operation. */
const rankRange = "1h";

/** TracePage shows one trace. */
export default function TracePage({ rest: id }: PageProps) {
  const trace = useApi<Trace>(askTrace(id));
  return (
    <QueryState query={trace} what="The trace" loading={<section className="panel"><Loading rows={12} /></section>}>
      {(t) => <View key={t.traceId} trace={t} />}
    </QueryState>
  );
}

function View({ trace }: { trace: Trace }) {
  const [state, set] = useUrlState(fields);
  const model = useMemo(() => modelOf(trace), [trace]);
  const id = trace.traceId;

  // Where the trace is in time: a sender's clock may be a little off.
  const start = msOf(trace.start);
  const around = { start: String(Math.floor(start - 60_000)), end: String(Math.ceil(start + trace.durationNanos / 1e6 + 300_000)) };
  const logs = useApi<Logs>({ path: "logs", params: { ...around, q: `trace:id = ${id}`, limit: 1000 }, fresh: 60_000 });
  const ranked = useApi<Ranks>({ path: `traces/${id}/ranks`, params: { rank: rankRange }, fresh: 60_000 });
  const matching = useApi<{ spans: SpanCore[] }>({ path: state.q ? "spans" : undefined, params: { ...around, q: and(state.q, `trace:id = ${id}`), limit: 10_000 }, fresh: 60_000 });

  const lines = useMemo(() => logsBySpan(logs.data?.logs ?? []), [logs.data]);
  // What is drawn has no attributes; until those are there, the rest is searched.
  const whole = useApi<Trace>({ path: state.find.trim() ? `traces/${id}` : undefined, fresh: 60_000, keep: false });
  const matches = useMemo(() => matchesOf(model, whole.data ?? trace, state.find, matching.data?.spans), [model, whole.data, trace, state.find, matching.data]);
  const open = model.byId.get(state.span);
  const select = (index: number | undefined) => {
    const span = index === undefined ? "" : (model.items[index]?.span.spanId ?? "");
    set({ span }, { replace: state.span !== "" && span !== "" });
  };
  const step = (by: number) => {
    if (matches.length === 0) return;
    const at = open === undefined ? (by > 0 ? -1 : 0) : matches.findIndex((m) => m >= open) - (by > 0 && !matches.includes(open) ? 1 : 0);
    select(matches[(at + by + matches.length) % matches.length]);
  };
  useKeys({
    n: ["Next match", () => step(1)],
    p: ["Previous match", () => step(-1)],
    Escape: ["Close the span", () => select(undefined)],
  });

  return (
    <div className="stack">
      <Head trace={trace} />
      <PartialNote report={trace.report} />
      <MissingNote trace={trace} />
      <section className="panel trace">
        <div className="panel-head">
          <SegmentedControl
            aria-label="View"
            value={state.view}
            onChange={(view) => set({ view: view as (typeof state)["view"] })}
            data={[
              { value: "waterfall", label: "Waterfall" },
              { value: "flame", label: "Flame graph" },
              { value: "statistics", label: "Statistics" },
              { value: "compare", label: "Compare" },
            ]}
          />
        </div>
        <Suspense fallback={<Loading rows={8} />}>
          {state.view === "waterfall" && (
            <div className="trace-body" data-open={open !== undefined || undefined}>
              <Waterfall
                model={model}
                logs={lines}
                showLogs={!state.nologs}
                onShowLogs={(show) => set({ nologs: !show }, { replace: true })}
                zoom={state.zoom}
                onZoom={(zoom) => set({ zoom }, { replace: true })}
                selected={open}
                onSelect={select}
                found={state.find}
                onFind={(t) => set({ find: t }, { replace: true })}
                matches={matches}
                onStep={step}
              />
              {open !== undefined && (
                <SpanPanel
                  key={open}
                  model={model}
                  index={open}
                  rank={rankAt(ranked.data, open)}
                  rankPending={ranked.isFetching}
                  rankRange={rankRange}
                  logs={lines.get(model.items[open]!.span.spanId) ?? []}
                  onSelect={select}
                />
              )}
            </div>
          )}
          {state.view === "flame" && <Flame model={model} />}
          {state.view === "statistics" && <Statistics model={model} />}
          {state.view === "compare" && <Compare model={model} other={state.with} onOther={(other) => set({ with: other })} />}
        </Suspense>
      </section>
    </div>
  );
}

function rankAt(ranks: Ranks | undefined, index: number): Rank | undefined {
  const slowerThan = ranks?.slowerThan[index];
  const of = ranks?.of[index];
  return slowerThan === undefined || of === undefined ? undefined : { slowerThan, of };
}

/** matchesOf are the spans of model that have text, in what is known of them, or else those that satisfy the condition. */
function matchesOf(model: Model, known: Trace, text: string, spans: SpanCore[] | undefined): number[] {
  const matching = text.trim() === "" ? (spans ?? []) : find(known.spans, text);
  const indexes = new Set(matching.map((s) => model.byId.get(s.spanId)).filter((i) => i !== undefined));
  return [...indexes].sort((a, b) => a - b);
}

/** Head says what the trace is. */
function Head({ trace: t }: { trace: Trace }) {
  const start = msOf(t.start);
  return (
    <section className="trace-head">
      <Link href={hrefOf("/traces")} className="soft" aria-label="Back to the traces">
        Traces
      </Link>
      <span className="soft" aria-hidden>
        /
      </span>
      <ServiceName name={t.rootService} strong />
      <h1 className="trace-name ellipsis">
        <bdi title={beginning(t.rootName, 500)}>{beginning(t.rootName, 300) || "(no name)"}</bdi>
      </h1>
      {t.errorCount > 0 && (
        <span className="trace-errors">
          <ErrorMark /> {count(t.errorCount)} failed
        </span>
      )}
      <dl className="facts">
        <div>
          <dt>Duration</dt>
          <dd>{duration(t.durationNanos)}</dd>
        </div>
        <div>
          <dt>Spans</dt>
          <dd>{count(t.spanCount)}</dd>
        </div>
        <div>
          <dt>Services</dt>
          <dd>{t.services.length}</dd>
        </div>
        <div title={utc(start)}>
          <dt>Start</dt>
          <dd>{instant(start)}</dd>
        </div>
        <div>
          <dt>Id</dt>
          <dd className="mono trace-id">
            {t.traceId.slice(0, 8)}… <CopyIcon text={t.traceId} label="Copy the id" />
          </dd>
        </div>
      </dl>
      <Button
        component="a"
        href={`${own}traces/${t.traceId}?format=otlp`}
        download={`trace-${t.traceId}.json`}
        variant="default"
        leftSection={<IconDownload size={13} />}
        title="An OTLP JSON file, which any collector reads"
      >
        OTLP JSON
      </Button>
      <Button
        component="a"
        href={`/api/traces/${t.traceId}`}
        download={`trace-${t.traceId}-jaeger.json`}
        variant="default"
        leftSection={<IconDownload size={13} />}
        title="A JSON file as Jaeger's API gives it, which Jaeger's page opens"
      >
        Jaeger JSON
      </Button>
    </section>
  );
}

/** MissingNote says what did not arrive. */
function MissingNote({ trace: t }: { trace: Trace }) {
  if (!t.rootMissing && t.orphanCount === 0) return null;
  return (
    <Alert color="yellow" variant="light" py={6} px="sm" icon={<IconError />}>
      <Text size="sm">
        {t.orphanCount > 0 ? `${plural(t.orphanCount, "span")} arrived without ${t.orphanCount === 1 ? "its" : "their"} parent. ` : "The root of this trace did not arrive. "}
        It may still be under way, be older than the retention, or have been lost by a sender.
      </Text>
    </Alert>
  );
}
