import { ActionIcon, CloseButton } from "@mantine/core";
import { type ReactNode } from "react";
import { useApi } from "../../api/client";
import { type Attribute, type Log, type Node, type Span } from "../../api/types";
import { quote } from "../../condition/edit";
import { between, clock, count, duration, instant, msOf, percent, plural } from "../../time/format";
import { absolute } from "../../time/range";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconSearch } from "../../ui/icons";
import { beginning, LongText, valueText } from "../../ui/LongText";
import { ServiceName } from "../../ui/ServiceName";
import { CopyIcon, Loading, QueryState } from "../../ui/states";
import { Link } from "../../url/Link";
import { hrefOf } from "../../url/router";
import { logsOf, metricsOf, serviceHref } from "../links";
import { type Model } from "./model";

interface Props {
  model: Model;
  index: number;
  rank: Node["rank"];
  rankPending: boolean;
  rankRange: string;
  logs: Log[];
  onSelect(index: number | undefined): void;
}

/** askSpan asks for what the trace does not have of a span. */
function askSpan(traceId: string, span: Node) {
  const start = msOf(span.start);
  const around = { start: String(Math.floor(start) - 1), end: String(Math.ceil(start) + 1) };
  return { path: "spans", params: { ...around, q: `trace:id = ${traceId} && span:id = ${span.spanId}`, parts: "all", limit: 10 }, fresh: 60_000, keep: false };
}

/** SpanPanel has everything about one span. */
export function SpanPanel({ model, index, rank, rankPending, rankRange, logs, onSelect }: Props) {
  const item = model.items[index]!;
  const details = useApi<{ spans: Span[] }>(askSpan(model.trace.traceId, item.span));
  // Who sends an id twice sends two spans.
  const rest = details.data && (details.data.spans.find((s) => s.start === item.span.start) ?? details.data.spans[0]);
  const span: Node = { ...rest, ...item.span, ...(rest?.events ? { events: rest.events } : {}) };
  const resource = model.trace.resources?.[span.resource];
  const scope = model.trace.scopes?.[span.scope];
  return (
    <aside className="span-panel" aria-label="The span">
      <div className="span-head">
        <div style={{ minWidth: 0, flex: 1 }}>
          <h2>
            <LongText text={span.name || "(no name)"} limit={200} />
          </h2>
          <ServiceName name={span.service} /> <span className="soft">{span.kind !== "unspecified" && span.kind}</span>
        </div>
        <CloseButton onClick={() => onSelect(undefined)} aria-label="Close the span" />
      </div>
      {span.status === "error" && (
        <div className="span-error">
          <ErrorMark size={15} /> <LongText text={span.statusMessage || (details.isPending ? "…" : "The span failed.")} />
        </div>
      )}
      <RankLine span={span} rank={rank} pending={rankPending} range={rankRange} hot={index === model.hottest} length={model.length} />
      <dl className="facts span-facts">
        <div>
          <dt>Duration</dt>
          <dd>{duration(span.durationNanos)}</dd>
        </div>
        <div>
          <dt>Itself</dt>
          <dd>{duration(span.selfNanos)}</dd>
        </div>
        <div>
          <dt title="Time in which this span itself held up the end of the trace">Critical path</dt>
          <dd>{duration(span.criticalNanos)}</dd>
        </div>
        <div title={instant(msOf(span.start))}>
          <dt>Started after</dt>
          <dd>{duration(item.start)}</dd>
        </div>
      </dl>
      <Related service={span.service} start={msOf(span.start)} />
      <QueryState query={details} what="The attributes" loading={<Loading rows={4} height={16} />}>
        {() => <Attributes title="Attributes" scope="span" attributes={span.attributes} dropped={span.droppedAttributes} />}
      </QueryState>
      {logs.length > 0 && (
        <Part title="Logs" note={count(logs.length)}>
          {logs.slice(0, 200).map((l, i) => (
            <LogLine key={i} log={l} model={model} />
          ))}
        </Part>
      )}
      {(span.events?.length ?? 0) > 0 && (
        <Part title="Events" note={count(span.events!.length)}>
          {span.events!.slice(0, 200).map((e, i) => (
            <div key={i} className="event">
              <div>
                {e.name === "exception" && <ErrorMark size={13} />} <b><LongText text={e.name} limit={150} /></b>
                <span className="soft" title={instant(msOf(e.time))}> after {duration(between(model.trace.start, e.time))}</span>
              </div>
              <Pairs scope="event" attributes={e.attributes ?? []} />
            </div>
          ))}
        </Part>
      )}
      {(span.links?.length ?? 0) > 0 && (
        <Part title="Links" note={count(span.links!.length)}>
          {span.links!.slice(0, 200).map((l, i) => (
            <div key={i} className="event">
              <Link href={hrefOf(`/trace/${l.traceId}`, { span: l.spanId })} className="mono">
                {l.traceId.slice(0, 16)}… / {l.spanId}
              </Link>
              <Pairs scope="link" attributes={l.attributes ?? []} />
            </div>
          ))}
        </Part>
      )}
      <Attributes title="Resource" scope="resource" attributes={resource?.attributes} />
      <Part title="Scope and ids" closed>
        <Pairs
          scope=""
          attributes={[
            ...(scope?.name ? [text("scope", [scope.name, scope.version].filter(Boolean).join(" "))] : []),
            text("span id", span.spanId),
            ...(span.parentId ? [text("parent id", span.parentId)] : []),
            text("trace id", model.trace.traceId),
            text("start", instant(msOf(span.start))),
            ...(span.traceState ? [text("trace state", span.traceState)] : []),
            ...(scope?.attributes ?? []),
          ]}
        />
      </Part>
    </aside>
  );
}

function text(key: string, value: string): Attribute {
  return { key, type: "string", value };
}

/** RankLine says whether the span is slow for what it does. */
function RankLine({ span, rank, pending, range, hot, length }: { span: Node; rank: Node["rank"]; pending: boolean; range: string; hot: boolean; length: number }) {
  const operation = beginning(span.name, 60);
  return (
    <p className="span-rank">
      {hot && (
        <>
          <span className="hot">★</span> <b>{percent(span.criticalNanos / length)}</b> of the trace was spent in this span itself.{" "}
        </>
      )}
      {rank === undefined ? (
        <span className="soft">{pending ? "Comparing with others …" : ""}</span>
      ) : rank.of <= 1 ? (
        <span className="soft">The only {operation} in the {range} before.</span>
      ) : (
        <>
          Slower than <b>{percent(rank.slowerThan)}</b> of {count(rank.of)} <bdi>{operation}</bdi> <span className="soft">in the {range} before</span>
        </>
      )}
    </p>
  );
}

/** aroundMs is how much time the linked pages show before and after the span. */
const aroundMs = 15 * 60_000;

/** Related leads to what else there is of the span's service at that time. */
function Related({ service, start }: { service: string; start: number }) {
  const at = absolute({ start: start - aroundMs, end: start + aroundMs });
  const links = [
    ["Service", serviceHref(service, at)],
    ["Metrics", metricsOf(service, at)],
    ["Logs", logsOf(service, at)],
  ] as const;
  return (
    <p className="span-related">
      <span className="soft">At that time:</span>
      {links.map(([label, href]) => href && <Link key={label} href={href}>{label}</Link>)}
    </p>
  );
}

/** Part is a section that can be folded. */
function Part({ title, note, closed, children }: { title: string; note?: string; closed?: boolean; children: ReactNode }) {
  return (
    <details className="part" open={!closed}>
      <summary>
        {title} {note && <span className="soft">{note}</span>}
      </summary>
      {children}
    </details>
  );
}

function Attributes({ title, scope, attributes, dropped }: { title: string; scope: string; attributes: Attribute[] | undefined; dropped?: number | undefined }) {
  if (!attributes?.length && !dropped) return null;
  return (
    <Part title={title} note={count(attributes?.length ?? 0)} closed={scope === "resource"}>
      <Pairs scope={scope} attributes={attributes ?? []} />
      {dropped ? <p className="soft">{plural(dropped, "attribute")} dropped by the sender</p> : null}
    </Part>
  );
}

/** Pairs are attributes with what can be done with each. */
function Pairs({ scope, attributes }: { scope: string; attributes: Attribute[] }) {
  return (
    <div className="pairs">
      {attributes.map((a, i) => {
        const value = valueText(a.value);
        const condition = scope === "" ? undefined : conditionOf(scope, a);
        return (
          <div key={i} className="pair">
            <span className="pair-key soft">
              <LongText text={a.key} limit={100} />
            </span>
            <span className="pair-value" data-type={a.type}>
              {value === "" ? <span className="soft">(empty)</span> : <LongText text={value} />}
            </span>
            <span className="pair-tools">
              {condition && (
                <ActionIcon component={Link} size="sm" href={hrefOf("/traces", { q: condition })} aria-label={`Find traces with ${beginning(a.key, 60)}`} title="Find traces with it">
                  <IconSearch size={12} />
                </ActionIcon>
              )}
              <CopyIcon text={value} label="Copy the value" />
            </span>
          </div>
        );
      })}
    </div>
  );
}

/** conditionOf asks for other spans with the same value; undefined: it cannot be asked for. */
export function conditionOf(scope: string, a: Attribute): string | undefined {
  const value = valueText(a.value);
  if (value.length > 500 || !["string", "int", "double", "bool"].includes(a.type)) return undefined;
  const name = /^[\p{L}\p{N}_.\-/@]+$/u.test(a.key) ? `${scope}.${a.key}` : `${scope}.${quote(a.key)}`;
  return `${name} = ${a.type === "string" ? quote(value) : value}`;
}

function LogLine({ log, model }: { log: Log; model: Model }) {
  return (
    <div className="event">
      <span className="level" data-level={log.level}>
        {log.severity >= 17 && <ErrorMark size={12} />} {log.level === "unset" ? "log" : log.level}
      </span>{" "}
      <span className="soft" title={`${clock(msOf(log.time))}`}>
        after {duration(between(model.trace.start, log.time))}
      </span>
      <div>
        <LongText text={valueText(log.body)} />
      </div>
    </div>
  );
}
