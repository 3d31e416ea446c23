import { ActionIcon, CloseButton, Switch, TextInput } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { type Log } from "../../api/types";
import { useKeys } from "../../app/keys";
import { between, count, duration } from "../../time/format";
import { colorOf, inkOn } from "../../ui/colors";
import { ErrorMark } from "../../ui/ErrorMark";
import { IconChevron, IconDown, IconSearch } from "../../ui/icons";
import { beginning, valueText } from "../../ui/LongText";
import { useAfterPaint } from "../../ui/useAfterPaint";
import { Minimap } from "./Minimap";
import { ancestors, barOf, clampView, marks, rowsOf, type Item, type Model, type Row, type View } from "./model";

interface Props {
  model: Model;
  logs: ReadonlyMap<string, Log[]>;
  showLogs: boolean;
  onShowLogs(show: boolean): void;
  zoom: number[] | undefined;
  onZoom(zoom: number[] | undefined): void;
  selected: number | undefined;
  onSelect(index: number | undefined): void;
  found: string;
  onFind(text: string): void;
  matches: number[];
  onStep(by: number): void;
}

const rowHeight = 26;
/** rowId names the row of a span for aria-activedescendant. */
const rowId = (index: number) => `span-${index}`;
const noLogs: ReadonlyMap<string, Log[]> = new Map();

/**
 * Waterfall shows the spans of a trace below each other in time. Only the rows in
 * sight exist, so that 10,000 spans scroll as 100 do. It opens at the span that
 * itself held up the end longest.
 */
export function Waterfall(props: Props) {
  const { model, logs, selected, matches } = props;
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => rowsOf(model.items, collapsed, props.showLogs ? logs : noLogs), [model, collapsed, logs, props.showLogs]);
  const view = clampView(props.zoom, model.length);
  const matched = useMemo(() => new Set(matches), [matches]);
  const scroller = useRef<HTMLDivElement>(null);
  const painted = useAfterPaint(true); // rows out of sight come after those in sight
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: painted ? 16 : 1 });

  const toggle = (id: string) => {
    const next = new Set(collapsed);
    if (!next.delete(id)) next.add(id);
    setCollapsed(next);
  };
  const go = (index: number | undefined) => {
    const wanted = index ?? model.hottest;
    const above = ancestors(model.items, wanted).filter((a) => collapsed.has(a));
    if (above.length > 0) {
      setCollapsed(new Set([...collapsed].filter((c) => !above.includes(c))));
      return;
    }
    const row = rows.findIndex((r) => r.kind === "span" && r.index === wanted);
    if (row >= 0) virtual.scrollToIndex(row, { align: index === undefined ? "center" : "auto" });
  };
  // Where to begin, and where a jump leads; logs that arrive later move rows.
  useEffect(() => go(selected), [selected, model, rows.length]);
  useRowKeys(props, rows, collapsed, toggle);

  return (
    <div className="waterfall">
      <div className="waterfall-tools">
        <TextInput
          data-search
          size="xs"
          aria-label="Find in this trace"
          placeholder="Find in this trace"
          leftSection={<IconSearch size={13} />}
          value={props.found}
          onChange={(e) => props.onFind(e.currentTarget.value)}
          onKeyDown={(e) => e.key === "Enter" && props.onStep(e.shiftKey ? -1 : 1)}
          rightSection={props.found && <CloseButton size="xs" aria-label="Clear" onClick={() => props.onFind("")} />}
        />
        {(props.found !== "" || matches.length > 0) && (
          <span className="soft waterfall-matches">
            {count(matches.length)} found
            <ActionIcon size="sm" onClick={() => props.onStep(1)} aria-label="Next match" title="Next (n)" disabled={matches.length === 0}>
              <IconDown size={13} />
            </ActionIcon>
          </span>
        )}
        <span style={{ flex: 1 }} />
        <Legend />
        <Switch size="xs" label="Logs" checked={props.showLogs} onChange={(e) => props.onShowLogs(e.currentTarget.checked)} />
      </div>
      <Minimap model={model} view={view} onView={(v) => props.onZoom(v && [v.from, v.to])} />
      <Axis view={view} />
      <div ref={scroller} className="waterfall-rows" role="tree" aria-label="Spans" tabIndex={0} aria-activedescendant={selected === undefined ? undefined : rowId(selected)}>
        <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((v) => {
            const row = rows[v.index]!;
            const item = model.items[row.index]!;
            return (
              <div
                key={v.key}
                id={row.kind === "span" ? rowId(row.index) : undefined}
                className="waterfall-row"
                role="treeitem"
                aria-level={item.span.depth + (row.kind === "span" ? 1 : 2)}
                aria-selected={row.kind === "span" && row.index === selected}
                aria-expanded={row.kind === "span" && item.children.length > 0 ? !collapsed.has(item.span.spanId) : undefined}
                data-kind={row.kind}
                data-selected={row.index === selected || undefined}
                style={{ height: rowHeight, transform: `translateY(${v.start}px)` }}
              >
                {row.kind === "span" ? (
                  <SpanRow
                    item={item}
                    model={model}
                    view={view}
                    matched={matched.has(row.index)}
                    collapsed={collapsed.has(item.span.spanId)}
                    logs={logs.get(item.span.spanId)}
                    onSelect={props.onSelect}
                    onToggle={toggle}
                  />
                ) : (
                  <LogRow row={row} item={item} model={model} view={view} onSelect={props.onSelect} />
                )}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** useRowKeys moves through the spans. */
function useRowKeys({ model, selected, onSelect }: Props, rows: Row[], collapsed: ReadonlySet<string>, toggle: (id: string) => void) {
  const spans = useMemo(() => rows.filter((r) => r.kind === "span").map((r) => r.index), [rows]);
  const move = (by: number) => {
    const at = selected === undefined ? spans.indexOf(model.hottest) - Math.sign(by) : spans.indexOf(selected);
    onSelect(spans[Math.max(0, Math.min(spans.length - 1, at + by))]);
  };
  const here = selected === undefined ? undefined : model.items[selected];
  useKeys({
    j: ["Next span", () => move(1)],
    k: ["Previous span", () => move(-1)],
    ArrowDown: ["Next span", () => move(1)],
    ArrowUp: ["Previous span", () => move(-1)],
    ArrowLeft: ["Fold the span, or go to its parent", () => {
      if (!here) return;
      if (here.children.length > 0 && !collapsed.has(here.span.spanId)) toggle(here.span.spanId);
      else if (here.span.parent >= 0) onSelect(here.span.parent);
    }],
    ArrowRight: ["Unfold the span, or go to its first child", () => {
      if (!here || here.children.length === 0) return;
      if (collapsed.has(here.span.spanId)) toggle(here.span.spanId);
      else move(1);
    }],
    Enter: ["Open the marked span", () => onSelect(selected ?? model.hottest)],
    o: ["Fold or unfold the span", () => here && here.children.length > 0 && toggle(here.span.spanId)],
    m: ["To the span that took most time", () => onSelect(model.hottest)],
  });
}

function Legend() {
  return (
    <span className="soft waterfall-legend wide-only">
      <i className="legend-critical" /> critical path
      <i className="legend-hot">★</i> most time
    </span>
  );
}

function Axis({ view }: { view: View }) {
  return (
    <div className="waterfall-axis" aria-hidden>
      <span className="soft">Span</span>
      <div className="waterfall-marks">
        {marks(view, 5).map((t) => {
          const bar = barOf(view, t, t);
          return bar && bar.left < 94 && (
            <span key={t} style={{ left: `${bar.left}%` }}>
              {duration(t)}
            </span>
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  item: Item;
  model: Model;
  view: View;
  matched: boolean;
  collapsed: boolean;
  logs: Log[] | undefined;
  onSelect(index: number): void;
  onToggle(id: string): void;
}

const SpanRow = memo(function SpanRow({ item, model, view, matched, collapsed, logs, onSelect, onToggle }: RowProps) {
  const { span } = item;
  const color = colorOf(span.service);
  const parent = model.items[span.parent]?.span;
  const hot = item.index === model.hottest;
  const failed = span.status === "error";
  return (
    <>
      <div className="waterfall-name" style={{ paddingLeft: 6 + Math.min(span.depth, 24) * 13 }} data-matched={matched || undefined}>
        {item.children.length > 0 ? (
          <button type="button" tabIndex={-1} className="fold" onClick={() => onToggle(span.spanId)} aria-label={collapsed ? `Unfold ${item.children.length}` : "Fold"}>
            <span className="turn" data-open={!collapsed || undefined}>
              <IconChevron size={11} />
            </span>
          </button>
        ) : (
          <span className="fold" />
        )}
        <button
          type="button"
          tabIndex={-1}
          className="waterfall-label"
          onClick={() => onSelect(item.index)}
          title={`${beginning(span.service, 100)}: ${beginning(span.name, 300)}\n${duration(span.durationNanos)}, itself ${duration(span.selfNanos)}`}
        >
          <span className="service-bar" style={{ background: color }} />
          {hot && <span className="hot" title="The span that itself held up the end longest">★</span>}
          {failed && <ErrorMark size={13} />}
          {span.orphan && <span className="soft" title="Its parent did not arrive">⤷?</span>}
          <bdi className="waterfall-operation">{beginning(span.name, 200) || "(no name)"}</bdi>
          {span.service !== parent?.service && <bdi className="soft ellipsis">{beginning(span.service, 80)}</bdi>}
          {collapsed && <span className="soft">+{count(item.children.length)}</span>}
        </button>
      </div>
      <div className="waterfall-time" onClick={() => onSelect(item.index)}>
        <Bar item={item} model={model} view={view} color={color} logs={logs} hot={hot} />
      </div>
    </>
  );
});

/** Bar is a span in time: its critical part is dark below, events and logs are ticks. */
function Bar({ item, model, view, color, logs, hot }: { item: Item; model: Model; view: View; color: string; logs: Log[] | undefined; hot: boolean }) {
  const bar = barOf(view, item.start, item.end);
  if (!bar) return <span className="waterfall-outside soft">{item.end < view.from ? "‹" : "›"}</span>;
  const label = duration(item.span.durationNanos);
  const right = bar.left + bar.width;
  const side = right < 86 ? { left: `calc(${right}% + 5px)` } : bar.left > 14 ? { right: `calc(${100 - bar.left}% + 5px)` } : undefined;
  const segments = model.critical.get(item.index) ?? [];
  return (
    <>
      <span className="bar" data-hot={hot || undefined} style={{ left: `${bar.left}%`, width: `max(2px, ${bar.width}%)`, background: color }}>
        {!side && <span className="bar-label-inside" style={{ color: inkOn(color) }}>{label}</span>}
      </span>
      {segments.map((s) => {
        const b = barOf(view, s.from, s.to);
        return b && <span key={s.from} className="bar-critical" style={{ left: `${b.left}%`, width: `max(1px, ${b.width}%)` }} />;
      })}
      {item.span.events?.slice(0, 50).map((e, i) => <Tick key={i} view={view} at={between(model.trace.start, e.time)} kind={e.name === "exception" ? "error" : "event"} title={beginning(e.name, 100)} />)}
      {logs?.slice(0, 50).map((l, i) => <Tick key={`l${i}`} view={view} at={between(model.trace.start, l.time)} kind={l.severity >= 17 ? "error" : "log"} title={beginning(valueText(l.body), 200)} />)}
      {side && (
        <span className="bar-label" style={side}>
          {label}
        </span>
      )}
    </>
  );
}

function Tick({ view, at, kind, title }: { view: View; at: number; kind: string; title: string }) {
  const b = barOf(view, at, at);
  return b ? <span className="bar-tick" data-kind={kind} style={{ left: `${b.left}%` }} title={title} /> : null;
}

/** LogRow is a log record below its span. */
function LogRow({ row, item, model, view, onSelect }: { row: Row; item: Item; model: Model; view: View; onSelect(index: number): void }) {
  const indent = { paddingLeft: 6 + 18 + (Math.min(item.span.depth, 24) + 1) * 13 };
  if (row.kind === "more") {
    return (
      <button type="button" tabIndex={-1} className="waterfall-log soft" style={indent} onClick={() => onSelect(row.index)}>
        {count(row.logs)} more log records
      </button>
    );
  }
  if (row.kind !== "log") return null;
  const { log } = row;
  const at = barOf(view, between(model.trace.start, log.time), between(model.trace.start, log.time));
  return (
    <button type="button" tabIndex={-1} className="waterfall-log" style={indent} onClick={() => onSelect(row.index)} title={beginning(valueText(log.body), 1000)}>
      <span className="level" data-level={log.level}>
        {log.level === "unset" ? "log" : log.level}
      </span>
      <bdi className="ellipsis">{beginning(valueText(log.body), 300)}</bdi>
      {at && <span className="soft waterfall-log-time">{duration(between(model.trace.start, log.time))}</span>}
    </button>
  );
}
